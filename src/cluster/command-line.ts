// Every command of `kutter` with its options. main.ts reads the command line by this table, and every help text is
// generated from it, so an option that works is an option that is shown.
import { own } from '../base/own.ts'
import { accessOptionSpecs } from './access-options.ts'
import type { OptionSpec } from './args.ts'
import { defaultDataDir, defaultName, ipFamilies, serverParts } from './config.ts'

/** Options of both components. Names are those of kube-controller-manager and kube-scheduler. */
const componentOptions: Readonly<Record<string, OptionSpec>> = {
  config: { value: true, help: 'file with a KubeSchedulerConfiguration' },
  kubeconfig: { value: true, help: 'file with the address of the API server and the credentials to use' },
  'cluster-cidr': { value: true, help: 'range of pod addresses, divided among the nodes' },
  'root-ca-file': { value: true, help: "certificate of the API server's authority, for pods" },
  'cluster-signing-cert-file': { value: true, help: 'certificate of the authority that signs certificate requests' },
  'cluster-signing-key-file': { value: true, help: 'key of that authority' },
  'service-account-private-key-file': { value: true, help: 'key that signs service account tokens in Secrets' },
}

/** All options by name. A command accepts them all and shows those in its own list. */
export const options: Readonly<Record<string, OptionSpec>> = {
  name: { value: true, help: `name of the cluster (default: ${defaultName})` },
  'data-dir': { value: true, help: `directory that holds the clusters (default: ${defaultDataDir})` },
  port: { value: true, help: `port of the API server (default: 6443 for the cluster ${defaultName})` },
  nodes: { value: true, help: 'number of nodes on this machine; existing nodes are kept (default: 1)' },
  ha: { help: 'three servers with three members of etcd on this machine, of which one can be lost' },
  'virtual-address': { value: true, help: 'address that moves between the nodes with a healthy server, for clients' },
  node: { value: true, help: 'name of a node on this machine (default: the first node)' },
  server: { value: true, help: 'URL of the API server to join' },
  token: { value: true, help: 'join token, as printed by kutter token create' },
  join: { value: true, help: 'URL of a server of the cluster to join as a further server' },
  'node-name': { value: true, help: 'name of the node (default: the host name)' },
  'node-ip': { value: true, help: 'address of the node (default: the local address of the connection to the server)' },
  'kubelet-port': { value: true, help: 'port of the kubelet (default: 10250)' },
  'for-server': { help: 'make a token for a further server of the cluster rather than a node' },
  back: { help: 'return to the release before' },
  finish: { help: 'end the trust in the authority before the present one' },
  ttl: { value: true, help: 'lifetime of the token, or 0 for one that does not expire (default: 24h)' },
  'cluster-signing-duration': { value: true, help: 'longest lifetime of requested certificates (default: one year)' },
  'node-monitor-grace-period': { value: true, help: 'silence after which a node counts as lost (default: 50s)' },
  'service-node-port-range': { value: true, help: 'ports for Services of type NodePort (default: 30000-32767)' },
  'ip-family': {
    value: true,
    help: `families of addresses of a new cluster: ${ipFamilies.join(', ')} (default: ipv4)`,
  },
  'ingress-http-port': { value: true, help: 'port of the nodes for Ingresses (default: 80 for the cluster default)' },
  'ingress-https-port': { value: true, help: 'the same with TLS (default: 443 for the cluster default)' },
  'loadbalancer-pool': {
    value: true,
    help: 'addresses for Services of type LoadBalancer and Gateways (default: those of the nodes)',
  },
  'nodeport-addresses': {
    value: true,
    help: 'ranges of the addresses of nodes that have NodePorts (default: all)',
  },
  gateway: { help: 'serve Gateways: the kinds of Gateway API, and the GatewayClass kutter' },
  encrypt: { help: 'encrypt what pods of different nodes send to each other, by WireGuard' },
  'no-encrypt': { help: 'do not encrypt it any more' },
  store: {
    value: true,
    help: 'embedded (default), etcd for one of its own, or etcd://HOST:PORT,HOST:PORT/PREFIX',
  },
  'etcd-cafile': {
    value: true,
    help: 'file with the authority of the certificates of etcd; with it etcd is spoken to by TLS',
  },
  'etcd-certfile': { value: true, help: 'file with the certificate for etcd' },
  'etcd-keyfile': { value: true, help: 'file with its key' },
  'store-quota': { value: true, help: 'size that the store of this machine may have (default: 8Gi)' },
  'snapshot-interval': { value: true, help: 'time between snapshots of the store, or 0 for none (default: 6h)' },
  keep: { value: true, help: 'how many scheduled snapshots are kept (default: 8)' },
  to: { value: true, help: 'the store to copy to, as --store names it' },
  disable: { value: true, help: `parts to leave out: ${serverParts.join(',')}` },
  'enable-admission-plugins': { value: true, help: 'admission plugins to run in addition to those that do by default' },
  'disable-admission-plugins': { value: true, help: 'admission plugins that do not run' },
  'admission-control-config-file': { value: true, help: 'file with an AdmissionConfiguration' },
  'max-requests-inflight': { value: true, help: 'seats of the server for requests that read (default: 400)' },
  'max-mutating-requests-inflight': { value: true, help: 'seats for requests that write (default: 200)' },
  'max-watches': { value: true, help: 'how many watches clients of the server may have (default: 20000)' },
  'request-timeout': { value: true, help: 'time that a request may take, except watches and streams (default: 1m)' },
  'encryption-provider-config': { value: true, help: 'file with an EncryptionConfiguration' },
  'encryption-provider-config-automatic-reload': { help: 'read that file again when it has changed' },
  'token-auth-file': { value: true, help: 'file with tokens and their users, as CSV' },
  'authentication-token-webhook-config-file': {
    value: true,
    help: 'kubeconfig file of a server that decides about tokens',
  },
  ...accessOptionSpecs,
  'audit-policy-file': { value: true, help: 'file with a Policy of audit.k8s.io/v1 (default: who changed what)' },
  'audit-log-path': { value: true, help: "file of the audit log, or '' for none (default: audit.log in the logs)" },
  'audit-log-maxage': { value: true, help: 'days for which old audit logs are kept (default: 30)' },
  'audit-log-maxbackup': { value: true, help: 'number of old audit logs that are kept (default: 10)' },
  'audit-log-maxsize': { value: true, help: 'megabytes after which an audit log is an old one (default: 100)' },
  'audit-webhook-config-file': { value: true, help: 'kubeconfig file of a server that gets the audit events' },
  'tracing-config-file': { value: true, help: 'file with a TracingConfiguration: where traces are sent' },
  profiling: { value: true, help: 'whether profiles can be taken at /debug/pprof/: true or false (default: true)' },
  'scheduler-config': { value: true, help: 'file with a KubeSchedulerConfiguration' },
  'kubelet-config': { value: true, help: 'file with a KubeletConfiguration' },
  n: { value: true, help: 'namespace of the pod (default: default)' },
  namespace: { value: true, help: 'the same as -n' },
  'no-install': { help: 'list missing Debian packages instead of installing them' },
  purge: { help: "also remove the cluster's data" },
  o: { value: true, help: 'output format: json' },
  ...componentOptions,
  help: { help: 'show this help' },
}

interface CommandSpec {
  usage: string
  summary: string
  options: readonly (keyof typeof options)[]
}

const cluster = ['name', 'data-dir'] as const
const server = [
  'store',
  'virtual-address',
  'etcd-cafile',
  'etcd-certfile',
  'etcd-keyfile',
  'store-quota',
  'snapshot-interval',
  'keep',
  'disable',
  'scheduler-config',
  'node-monitor-grace-period',
  'cluster-signing-duration',
  'service-node-port-range',
  'ingress-http-port',
  'ingress-https-port',
  'loadbalancer-pool',
  'nodeport-addresses',
  'gateway',
  'encrypt',
  'no-encrypt',
  'enable-admission-plugins',
  'disable-admission-plugins',
  'admission-control-config-file',
  'max-requests-inflight',
  'max-mutating-requests-inflight',
  'max-watches',
  'request-timeout',
  'encryption-provider-config',
  'encryption-provider-config-automatic-reload',
  'token-auth-file',
  'authentication-token-webhook-config-file',
  ...(Object.keys(accessOptionSpecs) as (keyof typeof accessOptionSpecs)[]),
  'audit-policy-file',
  'audit-log-path',
  'audit-log-maxage',
  'audit-log-maxbackup',
  'audit-log-maxsize',
  'audit-webhook-config-file',
  'profiling',
  'tracing-config-file',
] as const

export const commands: Readonly<Record<string, CommandSpec>> = {
  up: {
    usage: 'up',
    summary: 'start a cluster, or add missing nodes to a running one',
    options: [...cluster, 'nodes', 'ha', 'port', 'ip-family', ...server, 'kubelet-config', 'no-install'],
  },
  down: { usage: 'down', summary: 'stop a cluster', options: [...cluster, 'purge'] },
  status: { usage: 'status', summary: 'show the health of a cluster', options: [...cluster, 'o'] },
  why: {
    usage: 'why pod/POD',
    summary: 'explain why a pod is on its node, or on none',
    options: [...cluster, 'n', 'namespace', 'o'],
  },
  kubeconfig: { usage: 'kubeconfig', summary: "print the path of the administrator's kubeconfig", options: cluster },
  image: {
    usage: 'image build DIR… | import FILE.tar… | list',
    summary: 'build, load or list images on the nodes, without a registry',
    options: cluster,
  },
  snapshot: {
    usage: 'snapshot save [FILE] | list | restore FILE | prune',
    summary: 'save the state of a cluster in a file, and bring it back',
    options: [...cluster, 'keep'],
  },
  certs: {
    usage: 'certs list | renew | rotate-ca [--finish] | rotate-sa-key',
    summary: 'show, renew and replace the certificates and keys of a cluster',
    options: [...cluster, 'finish'],
  },
  'support-bundle': {
    usage: 'support-bundle [FILE]',
    summary: 'gather status, logs and all objects but Secrets in one file',
    options: cluster,
  },
  store: {
    usage: 'store check | repair | compact | defragment | migrate --to STORE',
    summary: 'look after the store of a cluster, or copy it to another place',
    options: [...cluster, 'to', 'etcd-cafile', 'etcd-certfile', 'etcd-keyfile'],
  },
  token: {
    usage: 'token create | list | delete ID',
    summary: 'manage the tokens with which other machines join',
    options: [...cluster, 'ttl', 'for-server'],
  },
  upgrade: {
    usage: 'upgrade [--back]',
    summary: 'take a cluster over from another release, with a snapshot before; or return to that release',
    options: [...cluster, 'back', 'no-install'],
  },
  install: { usage: 'install', summary: 'start a cluster with the machine, by a unit of systemd', options: cluster },
  uninstall: { usage: 'uninstall', summary: 'remove that unit', options: cluster },
  version: { usage: 'version', summary: 'show the release of this program', options: [] },
  member: {
    usage: 'member list | remove NAME',
    summary: 'show the members of the etcd that the cluster runs itself, or remove a server',
    options: [...cluster, 'o'],
  },
  secrets: {
    usage: 'secrets reencrypt',
    summary: 'write all Secrets again, with the newest key of encryption at rest',
    options: cluster,
  },
  node: {
    usage: 'node add [NAME] | remove NAME',
    summary: 'add or remove a node on this machine (drain it before removal)',
    options: cluster,
  },
  agent: {
    usage: 'agent --server URL --token TOKEN',
    summary: 'join this machine to a cluster as a node',
    options: [...cluster, 'server', 'token', 'node-name', 'node-ip', 'kubelet-port', 'kubelet-config', 'node'],
  },
  check: { usage: 'check', summary: 'check whether this machine can run a cluster', options: [] },
  server: {
    usage: 'server [--join URL --token TOKEN]',
    summary: 'run API server, controllers and scheduler here; with --join, make this machine a further server',
    options: [...cluster, 'join', 'token', 'node-name', 'node', 'port', ...server],
  },
  'controller-manager': {
    usage: 'controller-manager --kubeconfig FILE',
    summary: 'run only the controllers, against any API server',
    options: [
      'kubeconfig',
      'cluster-cidr',
      'root-ca-file',
      'cluster-signing-cert-file',
      'cluster-signing-key-file',
      'cluster-signing-duration',
      'service-account-private-key-file',
      'node-monitor-grace-period',
    ],
  },
  scheduler: {
    usage: 'scheduler --kubeconfig FILE',
    summary: 'run only the scheduler, against any API server',
    options: ['kubeconfig', 'config'],
  },
}

/** The help of one command with its options; without a command, or for an unknown one, the list of commands. */
export function helpText(command: string | undefined): string {
  const spec = command === undefined ? undefined : own(commands, command)
  if (!spec) {
    const all = Object.values(commands)
    const width = Math.max(...all.map(({ usage }) => usage.length)) + 2
    const lines = all.map(({ usage, summary }) => `  kutter ${usage.padEnd(width)}${summary}`)
    return `kutter: Kubernetes on this machine\n\n${lines.join('\n')}\n\nRun kutter COMMAND --help to see the options of a command.\n`
  }
  const lines = [...spec.options, 'help'].map(name => {
    const { value, help } = options[name]!
    const dashes = name.length === 1 ? '-' : '--'
    return `  ${`${dashes}${name}${value ? ' VALUE' : ''}`.padEnd(41)} ${help}`
  })
  return `kutter ${spec.usage}: ${spec.summary}\n\n${lines.join('\n')}\n`
}
