// What the command line chooses for a cluster and its servers, read from its options.
import { resolve } from 'node:path'
import { pluginNames, unknownPlugin } from '../apiserver/names.ts'
import { ipFamily } from '../api/ip.ts'
import { messageOf } from '../base/errors.ts'
import { parsePool } from '../kinds/core/service-balancing.ts'
import { durationOption, integerOption, type Parsed, portRangeOption, rangesOption, UsageError } from './args.ts'
import { type ClusterConfig, type IpFamily, ipFamilies, type ServerPart, serverParts } from './config.ts'
import { profilingOption } from './debug.ts'
import { requestLimits } from './request-limits.ts'
import { securityOptions } from './security-options.ts'
import { parseStore, storeQuota } from './store-location.ts'

/** Upper bound of --nodes: each node is a process of its own, with a containerd of its own. */
const maxNodes = 100

/** What is chosen for a server, also for one that is run by itself. Throws UsageError. */
export const serverOptions = (parsed: Parsed, name: string) => ({
  ...timings(parsed),
  ...disabled(parsed),
  ...plugins(parsed),
  ...fileOptions(parsed),
  ...storeOption(parsed, name),
  ...snapshotOptions(parsed),
  ...requestLimits(parsed),
  ...profilingOption(parsed),
  ...securityOptions(parsed),
  ...pool(parsed),
  ...nodePortAddresses(parsed),
})

/** What is chosen for a cluster. Throws UsageError. */
export function upOptions(parsed: Parsed, name: string) {
  const port = integerOption(parsed, 'port', 1, 65535)
  const nodes = integerOption(parsed, 'nodes', 1, maxNodes)
  const nodePorts = portRangeOption(parsed, 'service-node-port-range')
  const ingressHttpPort = integerOption(parsed, 'ingress-http-port', 1, 65535)
  const ingressHttpsPort = integerOption(parsed, 'ingress-https-port', 1, 65535)
  const family = ipFamilyOption(parsed)
  const { flags } = parsed
  return {
    ...serverOptions(parsed, name),
    ...(port !== undefined && { port }),
    ...(nodes !== undefined && { nodes }),
    ...(flags.has('ha') && { ha: true }),
    ...virtualAddress(parsed),
    ...(nodePorts && { nodePorts }),
    ...(family && { ipFamily: family }),
    ...(ingressHttpPort !== undefined && { ingressHttpPort }),
    ...(ingressHttpsPort !== undefined && { ingressHttpsPort }),
    ...(flags.has('gateway') && { gateway: true }),
    ...(flags.has('encrypt') && { encrypt: true }),
    ...(flags.has('no-encrypt') && { encrypt: false }),
  }
}

/** The durations that the command line sets. They were checked, and are passed on as text. */
function timings(parsed: Parsed): Pick<ClusterConfig, 'nodeMonitorGracePeriod' | 'clusterSigningDuration'> {
  const grace = durationOption(parsed, 'node-monitor-grace-period')?.text
  const signing = durationOption(parsed, 'cluster-signing-duration')?.text
  return { ...(grace && { nodeMonitorGracePeriod: grace }), ...(signing && { clusterSigningDuration: signing }) }
}

/** Reads `--loadbalancer-pool 192.0.2.10-192.0.2.20,198.51.100.0/28`. An empty list means the addresses of the nodes. */
function pool(parsed: Parsed): Pick<ClusterConfig, 'loadBalancerPool'> {
  const text = parsed.options['loadbalancer-pool']
  if (text === undefined) return {}
  const loadBalancerPool = text.split(',').filter(Boolean)
  try {
    parsePool(loadBalancerPool)
  } catch (error) {
    throw new UsageError(`--loadbalancer-pool: ${messageOf(error)}`, { cause: error })
  }
  return { loadBalancerPool }
}

/** Reads `--nodeport-addresses 192.0.2.0/24,2001:db8::/64`. An empty list means all addresses. */
function nodePortAddresses(parsed: Parsed): Pick<ClusterConfig, 'nodePortAddresses'> {
  const list = rangesOption(parsed, 'nodeport-addresses')
  return list ? { nodePortAddresses: list } : {}
}

/** Reads `--disable controller-manager,scheduler`. An empty list enables every part again. */
function disabled(parsed: Parsed): Pick<ClusterConfig, 'disable'> {
  const text = parsed.options.disable
  if (text === undefined) return {}
  const names = text.split(',').filter(Boolean)
  const unknown = names.find(name => !serverParts.includes(name as ServerPart))
  if (unknown)
    throw new UsageError(
      `--disable: there is no part ${JSON.stringify(unknown)}; the parts are ${serverParts.join(', ')}`,
    )
  return { disable: names as ServerPart[] }
}

/** The configuration files, with full paths, since the processes of a cluster run in other directories. */
export function fileOptions({ options }: Parsed): Partial<Pick<ClusterConfig, (typeof fileSettings)[number][0]>> {
  return Object.fromEntries(
    fileSettings.flatMap(([key, option]) => (options[option] ? [[key, resolve(options[option])]] : [])),
  )
}

/** The settings that are paths of files, by their options. */
export const fileSettings = [
  ['schedulerConfig', 'scheduler-config'],
  ['kubeletConfig', 'kubelet-config'],
  ['admissionConfig', 'admission-control-config-file'],
  ['encryptionConfig', 'encryption-provider-config'],
  ['tracingConfig', 'tracing-config-file'],
  ['tokenFile', 'token-auth-file'],
  ['tokenWebhook', 'authentication-token-webhook-config-file'],
  ['etcdCa', 'etcd-cafile'],
  ['etcdCert', 'etcd-certfile'],
  ['etcdKey', 'etcd-keyfile'],
] as const

/** Reads `--snapshot-interval`, `--keep` and `--store-quota`. */
function snapshotOptions(parsed: Parsed) {
  const interval = parsed.options['snapshot-interval'] === '0' ? '0' : durationOption(parsed, 'snapshot-interval')?.text
  const kept = integerOption(parsed, 'keep', 1, 10_000)
  return {
    ...(interval && { snapshotInterval: interval }),
    ...(kept !== undefined && { snapshotsKept: kept }),
    ...storeQuota(parsed),
  }
}

/** Reads `--store`. */
function storeOption({ options: { store } }: Parsed, name: string): Pick<ClusterConfig, 'store'> {
  parseStore(store, name)
  return store === undefined ? {} : { store }
}

/** Reads the lists of admission plugins. An empty list restores the default. */
function plugins(parsed: Parsed): Pick<ClusterConfig, 'enableAdmissionPlugins' | 'disableAdmissionPlugins'> {
  const list = (option: string) => {
    const names = parsed.options[option]?.split(',').filter(Boolean)
    const unknown = names && unknownPlugin(names)
    if (unknown !== undefined)
      throw new UsageError(
        `--${option}: there is no admission plugin ${JSON.stringify(unknown)}; the plugins are ${pluginNames.join(', ')}`,
      )
    return names
  }
  const [enable, disable] = [list('enable-admission-plugins'), list('disable-admission-plugins')]
  return { ...(enable && { enableAdmissionPlugins: enable }), ...(disable && { disableAdmissionPlugins: disable }) }
}

/** Reads `--ip-family`. */
function ipFamilyOption({ options }: Parsed): IpFamily | undefined {
  const text = options['ip-family']
  const family = ipFamilies.find(name => name === text)
  if (text !== undefined && !family)
    throw new UsageError(`--ip-family: ${JSON.stringify(text)} is none of ${ipFamilies.join(', ')}`)
  return family
}

/** Reads `--virtual-address 192.0.2.9`. An empty one means none. */
function virtualAddress({ options }: Parsed): Pick<ClusterConfig, 'virtualAddress'> {
  const text = options['virtual-address']
  if (text === undefined) return {}
  if (text !== '' && ipFamily(text) === undefined)
    throw new UsageError(`--virtual-address: ${JSON.stringify(text)} is no IP address`)
  return { virtualAddress: text }
}
