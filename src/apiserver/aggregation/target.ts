// Finds the server behind an APIService, and says how it is connected to: at the cluster IP of its Service, with the
// name NAME.NAMESPACE.svc in its certificate. Source: apiserver pkg/util/proxy (ResolveCluster); kube-aggregator
// pkg/controllers/status/remote (BuildTransportConfig).
import { isIPv6 } from 'node:net'
import type { RequestOptions } from 'node:https'
import type { APIService } from '../../kinds/apiregistration/apiservice.ts'
import { Service } from '../../kinds/core/service.ts'
import type { Storage } from '../storage.ts'

/** The name in the certificate of a front proxy. */
export const frontProxyName = 'front-proxy-client'

/** How extension servers recognize this one: by a certificate of an authority that signs nothing else. All are PEM. */
export interface FrontProxy {
  readonly ca: string
  readonly client: FrontProxyClient
}

export interface FrontProxyClient {
  readonly certPem: string
  readonly keyPem: string
}

export interface Address {
  host: string
  port: number
}

/** The group and version of an APIService as they stand in paths: `apis/GROUP/VERSION`, or `api/v1`. */
export const prefixOf = ({ group = '', version = '' }: Pick<APIService['spec'], 'group' | 'version'>): string =>
  group ? `apis/${group}/${version}` : `api/${version}`

/** apiregistration.k8s.io is always this server's own, since a wrong APIService must be correctable. */
const ownGroup = 'apiregistration.k8s.io'

/** Whether another server has the group and version of an APIService. */
export const isRemote = ({ spec }: APIService): boolean => spec.service !== undefined && spec.group !== ownGroup

/** The address of an APIService that has a service. Throws an Error whose message clients may see. */
export function addressOf(storage: Storage, { spec }: APIService): Address {
  const { namespace = '', name = '', port = 443 } = spec.service ?? {}
  const service = storage.mirror(Service).get(namespace, name)
  if (!service) throw new Error(`service ${JSON.stringify(name)} not found`)
  const { type, clusterIP = '', externalName = '', ports = [] } = service.spec
  if (type === 'ExternalName') return { host: externalName, port }
  if (type === 'ClusterIP' && clusterIP === 'None') throw new Error('cannot route to service with ClusterIP "None"')
  if (!ports.some(one => one.port === port))
    throw new Error(`no service port ${port} found for service ${JSON.stringify(name)}`)
  return { host: clusterIP, port }
}

/** The URL of a path at an address, as messages show it. */
export const urlAt = ({ host, port }: Address, path: string): URL =>
  new URL(`https://${isIPv6(host) ? `[${host}]` : host}:${port}/${path}`)

/** TLS options for the server of an APIService. */
export function tlsOf({ spec }: APIService, client: FrontProxyClient | undefined): RequestOptions {
  const { service, caBundle, insecureSkipTLSVerify } = spec
  return {
    servername: `${service?.name}.${service?.namespace}.svc`,
    ...(client && { cert: client.certPem, key: client.keyPem }),
    ...(caBundle && { ca: Buffer.from(caBundle, 'base64').toString() }),
    rejectUnauthorized: !insecureSkipTLSVerify,
  }
}
