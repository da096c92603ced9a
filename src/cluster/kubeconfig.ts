// Writes kubeconfig files: the administrator's in the cluster's directory, and a context in the user's own file, whose
// other entries are left alone.
import { existsSync } from 'node:fs'
import { mkdir, realpath } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { parse, stringify } from 'yaml'
import { realClock } from '../base/clock.ts'
import { replaceFile, withFileLocked } from '../base/files.ts'
import { type KeyPair, traditionalKey } from '../wire/x509.ts'
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

/** The name of a cluster's context: `kutter` for the default cluster, otherwise `kutter-NAME`. */
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
      {
        name,
        user: {
          'client-certificate-data': base64(client.certPem),
          'client-key-data': base64(traditionalKey(client.keyPem)),
        },
      },
    ],
  }
}

/** Replaces the file. Where it is a link, what it leads to is replaced. */
export async function writeKubeconfig(path: string, config: Kubeconfig): Promise<void> {
  await replace(await placeOf(path), config)
}

const replace = (file: string, config: Kubeconfig): Promise<void> =>
  replaceFile(file, stringify(config), { mode: 0o600 })

/** The file to which a path leads, in a directory that exists. */
async function placeOf(path: string): Promise<string> {
  const file = existsSync(path) ? await realpath(path) : path
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  return file
}

const userKubeconfig = (): string => process.env.KUBECONFIG?.split(':')[0] || join(homedir(), '.kube', 'config')

/** Adds or replaces the cluster's context in the user's file, and makes it the current one. */
export const mergeIntoUserConfig = (own: Kubeconfig): Promise<void> =>
  changing(userKubeconfig(), async file => {
    const existing = await readUserConfig(file)
    const merged: Kubeconfig = existing ?? { apiVersion: 'v1', kind: 'Config', clusters: [], contexts: [], users: [] }
    for (const list of ['clusters', 'contexts', 'users'] as const)
      merged[list] = [...(merged[list] ?? []).filter(e => e.name !== own[list][0]!.name), ...own[list]]
    merged['current-context'] = own['current-context'] ?? ''
    await replace(file, merged)
  })

/** Changes a file of the user's, which other clusters and kubectl may change at the same time. */
async function changing(path: string, change: (file: string) => Promise<void>): Promise<void> {
  const file = await placeOf(path)
  await withFileLocked(file, realClock, () => change(file))
}

/** The files that may have the context: an earlier `up` may have run with another KUBECONFIG than now. */
const userFiles = (): string[] => [...new Set([userKubeconfig(), join(homedir(), '.kube', 'config')])]

/**
 * Removes the cluster's context, user and key from the user's files. With `ca`, an entry of the same name that belongs
 * to a cluster with another authority is left alone.
 */
export async function removeFromUserConfig(name: string, ca: string | undefined): Promise<void> {
  for (const path of userFiles().filter(file => existsSync(file)))
    await changing(path, async file => {
      const existing = await readUserConfig(file)
      const cluster = existing?.clusters?.find(c => c.name === name)
      if (!existing || !cluster || (ca !== undefined && authorityOf(cluster) !== base64(ca))) return
      for (const list of ['clusters', 'contexts', 'users'] as const)
        existing[list] = (existing[list] ?? []).filter(e => e.name !== name)
      // No other context becomes the current one: a later kubectl must not act on a cluster that the user did not choose.
      if (existing['current-context'] === name) existing['current-context'] = ''
      await replace(file, existing)
    })
}

const authorityOf = (cluster: Named): unknown =>
  (cluster.cluster as Record<string, unknown> | undefined)?.['certificate-authority-data']

async function readUserConfig(file: string): Promise<Kubeconfig | undefined> {
  const text = await readIfThere(file)
  if (text === undefined || text.trim() === '') return undefined
  const unchanged = `so the cluster's context was not changed in it; repair it or set KUBECONFIG to another file`
  let config: unknown
  try {
    config = parse(text)
  } catch (cause) {
    throw new Error(`${file} is not valid YAML, ${unchanged}`, { cause })
  }
  const lists = ['clusters', 'contexts', 'users'].map(name => (config as Record<string, unknown> | null)?.[name])
  const isMap = typeof config === 'object' && !Array.isArray(config)
  if (!isMap || !lists.every(list => list === undefined || list === null || Array.isArray(list)))
    throw new Error(`${file} is not a kubeconfig, ${unchanged}`)
  return (config as Kubeconfig | null) ?? undefined
}
