// A client with the administrator's certificate, with which the commands act on a running cluster.
import { realClock } from '../base/clock.ts'
import { silentLog } from '../base/log.ts'
import { Client, httpsTransport } from '../client/index.ts'
import type { KeyPair } from '../wire/x509.ts'
import { type ClusterConfig, type ClusterPaths, processParts } from './config.ts'
import { contextName, kubeconfigOf, mergeIntoUserConfig, writeKubeconfig } from './kubeconfig.ts'
import { urlHost } from './node-addresses.ts'
import { Pki } from './pki.ts'

export interface Admin {
  client: Client
  server: string
  /** The cluster's authority. */
  ca: string
  certificate: KeyPair
  /** Gets a path that is not a resource, and returns the body. */
  fetch(path: string, signal?: AbortSignal, method?: 'GET' | 'PUT' | 'DELETE'): Promise<string>
  close(): void
}

/** Connects as a member of system:masters, with a certificate that is issued here. The caller closes the result. */
export async function adminOf(paths: ClusterPaths, config: ClusterConfig): Promise<Admin> {
  const pki = new Pki(paths.pki, realClock)
  const authority = await pki.authority()
  const certificate = await pki.certificate(
    'admin',
    { commonName: 'kutter-admin', organizations: ['system:masters'] },
    ['client auth', 'digital signature'],
  )
  const server = `https://127.0.0.1:${config.port}`
  const transport = httpsTransport(() => ({
    server,
    ca: authority.certPem,
    cert: certificate.certPem,
    key: certificate.keyPem,
  }))
  const client = new Client({
    serve: transport.serve,
    user: { name: 'kutter-admin', groups: [] },
    userAgent: 'kutter',
    clock: realClock,
    log: silentLog,
  })
  const close = () => (client.close(), transport.close())
  return { client, server, ca: authority.certPem, certificate, fetch: transport.fetch, close }
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

/** Writes the kubeconfigs of the administrator, also into the user's own, and of parts that run by themselves. */
export async function writeKubeconfigs(
  paths: ClusterPaths,
  config: ClusterConfig,
  { server, ca, certificate: own }: Admin,
): Promise<void> {
  const pki = new Pki(paths.pki, realClock)
  for (const part of processParts.filter(one => config.disable?.includes(one))) {
    const user = `system:kube-${part}`
    const certificate = await pki.certificate(part, { commonName: user }, ['client auth', 'digital signature'])
    await writeKubeconfig(paths.kubeconfigOf(part), kubeconfigOf(user, server, ca, certificate))
  }
  // One that moves leads to another server when that of this machine is away.
  const address = config.virtualAddress ? `https://${urlHost(config.virtualAddress)}:${config.port}` : server
  const admin = kubeconfigOf(contextName(config.name), address, ca, own)
  await writeKubeconfig(paths.kubeconfig, admin)
  await mergeIntoUserConfig(admin)
}

/** Writes them again with the present authority. */
export const rewriteKubeconfigs = (paths: ClusterPaths, config: ClusterConfig): Promise<void> =>
  withAdmin(paths, config, admin => writeKubeconfigs(paths, config, admin))
