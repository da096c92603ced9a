// The `kutter` command: reads the command line and calls the role or action it names.
import 'reflect-metadata'
import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { messageOf } from '../base/errors.ts'
import { type Log, stderrLog } from '../base/log.ts'
import { runAgent } from './agent.ts'
import { durationOption, integerOption, type OptionSpec, parseArgs, UsageError } from './args.ts'
import { check } from './check.ts'
import { componentOptions, runControllerManager, runSchedulerAlone } from './component.ts'
import { type ClusterConfig, type ClusterPaths, defaultDataDir, defaultName, pathsOf, readConfig } from './config.ts'
import { down } from './down.ts'
import { imageCommand } from './image-command.ts'
import { nodeCommand } from './nodes.ts'
import { type RoleOptions, runServer } from './server.ts'
import { status } from './status.ts'
import { spawnSupervisor } from './supervisor.ts'
import { up } from './up.ts'
import { why } from './why.ts'

const options: Readonly<Record<string, OptionSpec>> = {
  name: { value: true, help: 'name of the cluster (default)' },
  'data-dir': { value: true, help: `where clusters are kept (${defaultDataDir})` },
  port: { value: true, help: 'port of the API server (6443)' },
  nodes: { value: true, help: 'how many nodes there are to be on this machine (1)' },
  node: { value: true, help: 'name of the node' },
  'node-monitor-grace-period': { value: true, help: 'how long a node may be silent (50s)' },
  'scheduler-config': { value: true, help: 'file with a KubeSchedulerConfiguration' },
  n: { value: true, help: 'namespace (default)' },
  namespace: { value: true, help: 'namespace (default)' },
  'no-install': { help: 'only say what is missing, install nothing' },
  purge: { help: 'remove the data, too' },
  o: { value: true, help: 'json: output for programs' },
  ...componentOptions,
  help: { help: 'this text' },
}

const usage = `kutter: Kubernetes on this machine

  kutter up [--name NAME] [--nodes N] [--port P] [--data-dir DIR] [--no-install]
                                                                       start a cluster, or add the nodes it lacks
  kutter down [--name NAME] [--purge]                                  stop it (and remove its data)
  kutter status [--name NAME] [-o json]                                how it is
  kutter why pod/POD [-n NAMESPACE] [--name NAME] [-o json]            why a pod is on its node, or on none
  kutter kubeconfig [--name NAME]                                      path of an admin kubeconfig
  kutter image build DIR… | import FILE.tar… | list                    images of the nodes
  kutter node add [NAME]                                               one more node on this machine
  kutter node remove NAME                                              take it away; kubectl drain NAME comes first
  kutter check                                                         what this machine lacks
  kutter server | agent                                                the roles by themselves
  kutter controller-manager | scheduler --kubeconfig FILE              the same, for any API server
`

/** So many agents are a burden for one machine already. */
const maxNodes = 100

/** Where this program and the supervisor's lie. */
const directory = dirname(process.argv[1]!)
const out = (text: string) => void process.stdout.write(text)
const command = existsSync('./kutter') ? './kutter' : 'kutter'

async function main(args: readonly string[]): Promise<number> {
  const parsed = parseArgs(args, options)
  const [action = 'help', ...words] = parsed.words
  if (parsed.flags.has('help')) {
    out(usage)
    return 0
  }
  const name = parsed.options.name ?? defaultName
  if (!/^[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?$/.test(name))
    throw new UsageError(
      `a cluster's name is up to 32 lower case letters, digits and dashes, not ${JSON.stringify(name)}`,
    )
  const paths = pathsOf(parsed.options['data-dir'] ?? defaultDataDir, name)
  switch (action) {
    case 'up': {
      const port = integerOption(parsed, 'port', 1, 65535)
      const nodes = integerOption(parsed, 'nodes', 1, maxNodes)
      const grace = durationOption(parsed, 'node-monitor-grace-period')
      const schedulerConfig = parsed.options['scheduler-config']
      return up({
        paths,
        name,
        install: !parsed.flags.has('no-install'),
        directory,
        command,
        out,
        ...(port !== undefined && { port }),
        ...(nodes !== undefined && { nodes }),
        ...(grace && { nodeMonitorGracePeriod: grace.text }),
        ...(schedulerConfig && { schedulerConfig: resolve(schedulerConfig) }),
      })
    }
    case 'down':
      return down({ paths, name, purge: parsed.flags.has('purge'), out })
    case 'status':
      return status(paths, name, parsed.options.o === 'json', out)
    case 'why': {
      const namespace = parsed.options.n ?? parsed.options.namespace ?? 'default'
      const json = parsed.options.o === 'json'
      return why(words, { paths, config: existing(paths, name), namespace, json, out })
    }
    case 'kubeconfig':
      existing(paths, name)
      out(`${paths.kubeconfig}\n`)
      return 0
    case 'image':
      return imageCommand(words, { paths, config: existing(paths, name), out })
    case 'node':
      return nodeCommand(words, { paths, config: existing(paths, name), out })
    case 'check':
      return check(out)
    case 'server':
      await role(paths, name, o => {
        const grace = durationOption(parsed, 'node-monitor-grace-period')?.text ?? o.config.nodeMonitorGracePeriod
        const schedulerConfig = parsed.options['scheduler-config'] ?? o.config.schedulerConfig
        const changes = {
          ...(grace && { nodeMonitorGracePeriod: grace }),
          ...(schedulerConfig && { schedulerConfig }),
        }
        return runServer({ ...o, config: { ...o.config, ...changes } })
      })
      return 0
    case 'agent':
      await role(paths, name, o => runAgent({ ...o, nodeName: parsed.options.node ?? o.config.nodeName }))
      return 0
    case 'controller-manager':
    case 'scheduler': {
      const run = action === 'scheduler' ? runSchedulerAlone : runControllerManager
      await untilStopped(stderrLog(), (log, signal) => run({ parsed, log, signal }))
      return 0
    }
    case 'help':
      out(usage)
      return parsed.words.length ? 0 : 2
    default:
      throw new UsageError(`unknown command ${JSON.stringify(action)}; kutter --help lists them`)
  }
}

function existing(paths: ClusterPaths, name: string): ClusterConfig {
  const config = readConfig(paths)
  if (!config)
    throw new UsageError(`there is no cluster ${name} in ${paths.dataDir}; make one with: kutter up --name ${name}`)
  return config
}

/** Runs a role of a cluster on this machine until SIGTERM. */
async function role(paths: ClusterPaths, name: string, run: (options: RoleOptions) => Promise<void>): Promise<void> {
  const config = existing(paths, name)
  await untilStopped(stderrLog().with({ cluster: name }), (log, signal) =>
    run({ config, paths, log, signal, revive: () => spawnSupervisor({ paths, config, directory }, true) }),
  )
}

/** Runs something until SIGTERM or SIGINT; an error that nobody has caught ends the process. */
async function untilStopped(log: Log, run: (log: Log, signal: AbortSignal) => Promise<void>): Promise<void> {
  const abort = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => abort.abort())
  process.on('unhandledRejection', error => {
    if (abort.signal.aborted) return
    log.error('a promise nobody waited for failed', { error })
    process.exit(1)
  })
  await run(log, abort.signal)
}

main(process.argv.slice(2)).then(
  code => process.exit(code),
  error => {
    process.stderr.write(`kutter: ${messageOf(error)}\n`)
    if (process.env.KUTTER_LOG === 'debug' && error instanceof Error) process.stderr.write(`${error.stack}\n`)
    process.exit(error instanceof UsageError ? 2 : 1)
  },
)
