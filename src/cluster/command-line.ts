// Every command of `kutter` with its options, from which the command line is read and all help is written.
import type { OptionSpec } from './args.ts'
import { componentOptions } from './component.ts'
import { defaultDataDir, serverParts } from './config.ts'

/** Options by name; a command's help shows those that it names. */
export const options: Readonly<Record<string, OptionSpec>> = {
  name: { value: true, help: 'name of the cluster (default)' },
  'data-dir': { value: true, help: `where clusters are kept (${defaultDataDir})` },
  port: { value: true, help: 'port of the API server (6443)' },
  nodes: { value: true, help: 'how many nodes there are to be on this machine (1)' },
  node: { value: true, help: 'name of a node of this machine (the first)' },
  server: { value: true, help: 'address of the API server to join' },
  token: { value: true, help: 'a token that kutter token create printed' },
  'node-name': { value: true, help: 'name of the node (the machine’s)' },
  'node-ip': { value: true, help: 'address of the node (the one towards the server)' },
  'kubelet-port': { value: true, help: 'port of the kubelet (10250)' },
  ttl: { value: true, help: 'how long the token is good (24h); 0: for ever' },
  'cluster-signing-duration': { value: true, help: 'the longest life of certificates that nodes ask for (a year)' },
  'node-monitor-grace-period': { value: true, help: 'how long a node may be silent (50s)' },
  'service-node-port-range': { value: true, help: 'ports for Services of type NodePort (30000-32767)' },
  disable: { value: true, help: `parts of the server that run elsewhere: ${serverParts.join(',')}` },
  'scheduler-config': { value: true, help: 'file with a KubeSchedulerConfiguration' },
  n: { value: true, help: 'namespace (default)' },
  namespace: { value: true, help: 'namespace (default)' },
  'no-install': { help: 'only say what is missing, install nothing' },
  purge: { help: 'remove the data, too' },
  o: { value: true, help: 'json: output for programs' },
  ...componentOptions,
  help: { help: 'this text' },
}

interface CommandSpec {
  usage: string
  summary: string
  options: readonly (keyof typeof options)[]
}

const cluster = ['name', 'data-dir'] as const
const server = [
  'disable',
  'scheduler-config',
  'node-monitor-grace-period',
  'cluster-signing-duration',
  'service-node-port-range',
] as const

export const commands: Readonly<Record<string, CommandSpec>> = {
  up: {
    usage: 'up',
    summary: 'start a cluster, or add the nodes it lacks',
    options: [...cluster, 'nodes', 'port', ...server, 'no-install'],
  },
  down: { usage: 'down', summary: 'stop it (and remove its data)', options: [...cluster, 'purge'] },
  status: { usage: 'status', summary: 'show whether all of it is well', options: [...cluster, 'o'] },
  why: {
    usage: 'why pod/POD',
    summary: 'show why a pod is on its node, or on none',
    options: [...cluster, 'n', 'namespace', 'o'],
  },
  kubeconfig: { usage: 'kubeconfig', summary: 'print the path of an admin kubeconfig', options: cluster },
  image: {
    usage: 'image build DIR… | import FILE.tar… | list',
    summary: 'images of the nodes, without a registry',
    options: cluster,
  },
  token: {
    usage: 'token create | list | delete ID',
    summary: 'tokens by which other machines join',
    options: [...cluster, 'ttl'],
  },
  node: {
    usage: 'node add [NAME] | remove NAME',
    summary: 'nodes on this machine; kubectl drain comes before remove',
    options: cluster,
  },
  agent: {
    usage: 'agent --server URL --token TOKEN',
    summary: 'make this machine a node of that cluster',
    options: [...cluster, 'server', 'token', 'node-name', 'node-ip', 'kubelet-port', 'node'],
  },
  check: { usage: 'check', summary: 'show what this machine lacks', options: [] },
  server: {
    usage: 'server',
    summary: 'run the API server, controllers and scheduler of a cluster in this process',
    options: [...cluster, ...server],
  },
  'controller-manager': {
    usage: 'controller-manager --kubeconfig FILE',
    summary: 'run the controllers alone, for any API server',
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
    summary: 'run the scheduler alone, for any API server',
    options: ['kubeconfig', 'config'],
  },
}

/** Help for one command with all its options, or the list of commands. */
export function helpText(command: string | undefined): string {
  const spec = command === undefined ? undefined : commands[command]
  if (!spec) {
    const all = Object.values(commands)
    const width = Math.max(...all.map(({ usage }) => usage.length)) + 2
    const lines = all.map(({ usage, summary }) => `  kutter ${usage.padEnd(width)}${summary}`)
    return `kutter: Kubernetes on this machine\n\n${lines.join('\n')}\n\nkutter COMMAND --help shows the options of a command.\n`
  }
  const lines = [...spec.options, 'help'].map(name => {
    const { value, help } = options[name]!
    const dashes = name.length === 1 ? '-' : '--'
    return `  ${`${dashes}${name}${value ? ' VALUE' : ''}`.padEnd(42)}${help}`
  })
  return `kutter ${spec.usage}: ${spec.summary}\n\n${lines.join('\n')}\n`
}
