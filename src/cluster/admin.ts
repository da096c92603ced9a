// A client with the administrator's certificate, with which the commands act on a running cluster.
import { realClock } from '../base/clock.ts'
import { silentLog } from '../base/log.ts'
import { Client, httpsTransport } from '../client/index.ts'
import { adminCredentials, type AdminCredentials } from './admin-credentials.ts'
import type { ClusterConfig, ClusterPaths } from './config.ts'

export interface Admin extends AdminCredentials {
  client: Client
  /** Gets a path that is not a resource, and returns the body. */
  fetch(path: string, signal?: AbortSignal, method?: 'GET' | 'PUT' | 'DELETE'): Promise<string>
  close(): void
}

/** Connects as a member of system:masters, with a certificate that is issued here. The caller closes the result. */
export async function adminOf(paths: ClusterPaths, config: ClusterConfig): Promise<Admin> {
  const credentials = await adminCredentials(paths, config)
  const { server, ca, certificate } = credentials
  const transport = httpsTransport(() => ({ server, ca, cert: certificate.certPem, key: certificate.keyPem }))
  const client = new Client({
    serve: transport.serve,
    user: { name: 'kutter-admin', groups: [] },
    userAgent: 'kutter',
    clock: realClock,
    log: silentLog,
  })
  const close = () => (client.close(), transport.close())
  return { ...credentials, client, fetch: transport.fetch, close }
}

/** Runs `work` with such a client, and closes it in any case. */
export async function withAdmin<T>(
  paths: ClusterPaths,
  config: ClusterConfig,
  work: (admin: Admin) => Promise<T>,
): Promise<T> {
  const admin = await adminOf(paths, config)
  try {
    return await work(admin)
  } finally {
    admin.close()
  }
}
