// The administrator's certificate, and the kubeconfigs that have it. It is apart from the client that uses it, which takes
// long to load.
import { realClock } from '../base/clock.ts'
import type { KeyPair } from '../wire/x509.ts'
import { type ClusterConfig, type ClusterPaths, processParts } from './config.ts'
import { contextName, kubeconfigOf, mergeIntoUserConfig, writeKubeconfig } from './kubeconfig.ts'
import { urlHost } from './node-addresses.ts'
import { Pki } from './pki.ts'

export interface AdminCredentials {
  server: string
  /** The cluster's authority. */
  ca: string
  certificate: KeyPair
}

/** A certificate of a member of system:masters, which is issued here where there is none. */
export async function adminCredentials(paths: ClusterPaths, config: ClusterConfig): Promise<AdminCredentials> {
  const pki = new Pki(paths.pki, realClock)
  const authority = await pki.authority()
  const certificate = await pki.certificate(
    'admin',
    { commonName: 'kutter-admin', organizations: ['system:masters'] },
    ['client auth', 'digital signature'],
  )
  return { server: `https://127.0.0.1:${config.port}`, ca: authority.certPem, certificate }
}

/** Writes the kubeconfigs of the administrator, also into the user's own, and of parts that run by themselves. */
export async function writeKubeconfigs(
  paths: ClusterPaths,
  config: ClusterConfig,
  { server, ca, certificate: own }: AdminCredentials,
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
export const rewriteKubeconfigs = async (paths: ClusterPaths, config: ClusterConfig): Promise<void> =>
  writeKubeconfigs(paths, config, await adminCredentials(paths, config))
