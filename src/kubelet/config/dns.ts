// A pod's hostname and name resolution: the contents of /etc/hosts and resolv.conf.
// Source: kubernetes pkg/kubelet/network/dns, pkg/kubelet/kubelet_pods.go (managed hosts file).
import type { SandboxConfig } from '../runtime/runtime.ts'
import { nameOf, namespaceOf, onHostNetwork } from '../pod/spec.ts'
import type { Pod } from '../../kinds/core/pod.ts'

export interface DnsSettings {
  clusterDNS: string
  clusterDomain: string
  /** The text of the node's own resolv.conf. */
  hostResolvConf: string
}

const maxHostname = 63
/** Resolvers ignore more than this. Source: resolv.conf(5), kubernetes pkg/apis/core/validation. */
const maxNameservers = 3
const maxSearches = 32
const maxSearchLength = 2048

interface Resolver {
  servers: string[]
  searches: string[]
  options: string[]
}

/** The pod's hostname, and the domain of its full name if it has a subdomain. */
export function hostnameOf(pod: Pod, clusterDomain: string): { hostname: string; domain: string } {
  if (pod.spec.hostnameOverride) return { hostname: pod.spec.hostnameOverride, domain: '' }
  const hostname =
    pod.spec.hostname ||
    nameOf(pod)
      .slice(0, maxHostname)
      .replace(/[-.]+$/, '')
  const domain = pod.spec.subdomain ? `${pod.spec.subdomain}.${namespaceOf(pod)}.svc.${clusterDomain}` : ''
  return { hostname, domain }
}

/** The hostname of the sandbox in the kernel; with setHostnameAsFQDN it is the full name. */
export function sandboxHostname(pod: Pod, clusterDomain: string): string {
  const { hostname, domain } = hostnameOf(pod, clusterDomain)
  return pod.spec.setHostnameAsFQDN && domain ? `${hostname}.${domain}` : hostname
}

/**
 * The contents of the pod's resolv.conf, within the limits of resolvers:
 *
 *   None                          empty
 *   Default                       that of the node
 *   ClusterFirst                  the cluster's DNS with its search domains; on the node's network, that of the node
 *   ClusterFirstWithHostNet       the cluster's DNS, also on the node's network
 *
 * The dnsConfig of the pod is then added: servers and search domains at the end, options by name.
 */
export function resolverOf(pod: Pod, settings: DnsSettings): Resolver {
  const policy = pod.spec.dnsPolicy ?? 'ClusterFirst'
  const host = parseResolvConf(settings.hostResolvConf)
  let resolver: Resolver
  if (policy === 'None') resolver = { servers: [], searches: [], options: [] }
  else if (policy === 'Default' || (policy === 'ClusterFirst' && onHostNetwork(pod)) || !settings.clusterDNS)
    resolver = host
  else {
    const { clusterDomain: domain } = settings
    const searches = domain ? [`${namespaceOf(pod)}.svc.${domain}`, `svc.${domain}`, domain] : []
    resolver = {
      servers: [settings.clusterDNS],
      searches: unique([...searches, ...host.searches]),
      options: ['ndots:5'],
    }
  }
  const extra = pod.spec.dnsConfig
  if (extra) {
    const named = new Map(resolver.options.map(option => [option.split(':')[0]!, option]))
    for (const { name = '', value } of extra.options ?? []) named.set(name, value ? `${name}:${value}` : name)
    resolver = {
      servers: unique([...resolver.servers, ...(extra.nameservers ?? [])]),
      searches: unique([...resolver.searches, ...(extra.searches ?? [])]),
      options: [...named.values()],
    }
  }
  return {
    servers: resolver.servers.slice(0, maxNameservers),
    searches: fitting(resolver.searches),
    options: resolver.options,
  }
}

function fitting(searches: string[]): string[] {
  const out: string[] = []
  for (const search of searches.slice(0, maxSearches))
    if ([...out, search].join(' ').length <= maxSearchLength) out.push(search)
  return out
}

const unique = (list: string[]) => [...new Set(list)]

export const dnsConfigOf = (resolver: Resolver): NonNullable<SandboxConfig['dnsConfig']> => ({
  servers: resolver.servers,
  searches: resolver.searches,
  options: resolver.options,
})

export function parseResolvConf(text: string): Resolver {
  const out: Resolver = { servers: [], searches: [], options: [] }
  for (const line of text.split('\n')) {
    const [word, ...rest] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/)
    if (word === 'nameserver' && rest[0]) out.servers.push(rest[0])
    else if (word === 'search') out.searches = rest.map(s => (s === '.' ? s : s.replace(/\.$/, '')))
    else if (word === 'options') out.options = rest
  }
  return out
}

/** The /etc/hosts of a pod with its own network. */
export function podHosts(pod: Pod, podIPs: readonly string[], clusterDomain: string): string {
  const { hostname, domain } = hostnameOf(pod, clusterDomain)
  const lines = [
    '# Kubernetes-managed hosts file.',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::0\tip6-localnet',
    'fe00::0\tip6-mcastprefix',
    'fe00::1\tip6-allnodes',
    'fe00::2\tip6-allrouters',
    ...podIPs.map(ip => (domain ? `${ip}\t${hostname}.${domain}\t${hostname}` : `${ip}\t${hostname}`)),
  ]
  return `${lines.join('\n')}\n${aliasLines(pod)}`
}

/** The /etc/hosts of a pod on the node's network: that of the node, and the pod's aliases. */
export const hostNetworkHosts = (pod: Pod, hostFile: string): string =>
  `# Kubernetes-managed hosts file (host network).\n${hostFile}${aliasLines(pod)}`

function aliasLines(pod: Pod): string {
  const aliases = pod.spec.hostAliases ?? []
  if (!aliases.length) return ''
  return `\n# Entries added by HostAliases.\n${aliases.map(({ ip, hostnames = [] }) => `${[ip, ...hostnames].join('\t')}\n`).join('')}`
}
