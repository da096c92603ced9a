// Reads the server and credentials of a kubeconfig file, for controllers and scheduler as processes of their own.
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parse } from 'yaml'
import type { Credentials } from '../client/index.ts'
import { UsageError } from './args.ts'

interface Entry {
  name?: string
  [key: string]: unknown
}

/**
 * The server and user of the current context. Throws UsageError with the file and the field when something is missing.
 */
export function readKubeconfig(file: string): Credentials {
  let config: Record<string, unknown>
  try {
    config = parse(readFileSync(file, 'utf8')) as Record<string, unknown>
  } catch (error) {
    throw new UsageError(`cannot read kubeconfig ${file}: ${(error as Error).message}`)
  }
  const named = (list: string, name: unknown, part: string) => {
    const entries = Array.isArray(config?.[list]) ? (config[list] as (Entry | null)[]) : []
    const found = entries.find(entry => entry?.name === name)
    if (!found) throw new UsageError(`kubeconfig ${file}: ${list} has no entry named ${JSON.stringify(name ?? '')}`)
    return (found[part] ?? {}) as Record<string, string | undefined>
  }
  const context = named('contexts', config?.['current-context'], 'context')
  const cluster = named('clusters', context.cluster, 'cluster')
  const user = named('users', context.user, 'user')
  /** A value given as FIELD-data in the file, or in another file that FIELD names relative to this one. */
  const pem = (of: Record<string, string | undefined>, field: string): string | undefined => {
    const [data, path] = [of[`${field}-data`], of[field]]
    if (data) return Buffer.from(data, 'base64').toString()
    return path ? readFileSync(resolve(dirname(file), path), 'utf8') : undefined
  }
  const ca = pem(cluster, 'certificate-authority')
  const [cert, key] = [pem(user, 'client-certificate'), pem(user, 'client-key')]
  if (!cluster.server) throw new UsageError(`kubeconfig ${file}: the cluster has no server`)
  if (!ca) throw new UsageError(`kubeconfig ${file}: the cluster has no certificate-authority`)
  if (Boolean(cert) !== Boolean(key))
    throw new UsageError(
      `kubeconfig ${file}: the user has a ${cert ? 'client-certificate without a client-key' : 'client-key without a client-certificate'}`,
    )
  if (!cert && !user.token && !user.tokenFile)
    throw new UsageError(`kubeconfig ${file}: the user has neither a client-certificate nor a token`)
  // The file counts more than the token in it, and is read again for each request, since others replace it.
  const token = () =>
    user.tokenFile ? readFileSync(resolve(dirname(file), user.tokenFile), 'utf8').trim() : user.token
  return { server: cluster.server, ca, ...(cert && key && { cert, key }), token }
}
