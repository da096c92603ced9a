// Kubeconfig files: the admin's own in the cluster's directory, and a context in ~/.kube/config beside what is there.
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { parse, stringify } from 'yaml'
import type { KeyPair } from '../wire/x509.ts'
import { defaultName } from './config.ts'
import { readIfThere } from './files.ts'

interface Named {
  name: string
  [key: string]: unknown
}

interface Kubeconfig {
  apiVersion: string
  kind: string
  'current-context'?: string
  clusters: Named[]
  contexts: Named[]
  users: Named[]
  [key: string]: unknown
}

/** The name of a cluster's context: `kutter`, or `kutter-NAME`. */
export const contextName = (name: string): string => (name === defaultName ? 'kutter' : `kutter-${name}`)

const base64 = (text: string) => Buffer.from(text).toString('base64')

/** A kubeconfig with one context. */
export function kubeconfigOf(name: string, server: string, ca: string, client: KeyPair): Kubeconfig {
  return {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': name,
    clusters: [{ name, cluster: { server, 'certificate-authority-data': base64(ca) } }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    users: [
      { name, user: { 'client-certificate-data': base64(client.certPem), 'client-key-data': base64(client.keyPem) } },
    ],
  }
}

export async function writeKubeconfig(file: string, config: Kubeconfig): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  await writeFile(`${file}.new`, stringify(config), { mode: 0o600 })
  await rename(`${file}.new`, file)
}

export const userKubeconfig = (): string => process.env.KUBECONFIG?.split(':')[0] || join(homedir(), '.kube', 'config')

/** Adds or replaces the context in the user's own file; it becomes the current one only where there was none, or it was there. */
export async function mergeIntoUserConfig(own: Kubeconfig): Promise<void> {
  const file = userKubeconfig()
  const existing = await readUserConfig(file)
  const merged: Kubeconfig = existing ?? { apiVersion: 'v1', kind: 'Config', clusters: [], contexts: [], users: [] }
  for (const list of ['clusters', 'contexts', 'users'] as const)
    merged[list] = [...(merged[list] ?? []).filter(e => e.name !== own[list][0]!.name), ...own[list]]
  merged['current-context'] = own['current-context'] ?? ''
  await writeKubeconfig(file, merged)
}

/** Takes the context out again. */
export async function removeFromUserConfig(name: string): Promise<void> {
  const file = userKubeconfig()
  const existing = await readUserConfig(file)
  if (!existing) return
  for (const list of ['clusters', 'contexts', 'users'] as const)
    existing[list] = (existing[list] ?? []).filter(e => e.name !== name)
  if (existing['current-context'] === name) existing['current-context'] = existing.contexts[0]?.name ?? ''
  await writeKubeconfig(file, existing)
}

async function readUserConfig(file: string): Promise<Kubeconfig | undefined> {
  const text = await readIfThere(file)
  if (text === undefined || text.trim() === '') return undefined
  try {
    return parse(text) as Kubeconfig
  } catch (cause) {
    throw new Error(
      `${file} cannot be read as YAML, so the cluster's context was not added to it; mend it or set KUBECONFIG to another file`,
      { cause },
    )
  }
}
