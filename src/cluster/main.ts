// The `kutter` command: reads the command line and calls the role or action it names.
import 'reflect-metadata'
import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { messageOf } from '../base/errors.ts'
import { type Log, stderrLog } from '../base/log.ts'
import { runAgent } from './agent.ts'
import { durationOption, integerOption, type Parsed, parseArgs, portRangeOption, UsageError } from './args.ts'
import { check } from './check.ts'
import { helpText, options } from './command-line.ts'
import { runControllerManager, runSchedulerAlone } from './component.ts'
import {
  type ClusterConfig,
  type ClusterPaths,
  defaultDataDir,
  defaultName,
  pathsOf,
  readConfig,
  type ServerPart,
  serverParts,
} from './config.ts'
import { down } from './down.ts'
import { commandLine } from './hint.ts'
import { locked, sayBusy } from './lock.ts'
import { runJoined } from './join.ts'
import { machineProblem } from './machine.ts'
import { tokenCommand } from './token-command.ts'
import { imageCommand } from './image-command.ts'
import { nodeCommand } from './nodes.ts'
import { type RoleOptions, runServer } from './server.ts'
import { status } from './status.ts'
import { spawnSupervisor } from './supervisor.ts'
import { up } from './up.ts'
import { why } from './why.ts'

const tokenLifeMs = 24 * 3600_000
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
    out(helpText(parsed.words[0]))
    return 0
  }
  const name = parsed.options.name ?? defaultName
  if (!/^[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?$/.test(name))
    throw new UsageError(
      `a cluster's name is up to 32 lower case letters, digits and dashes, not ${JSON.stringify(name)}`,
    )
  const paths = pathsOf(resolve(parsed.options['data-dir'] ?? defaultDataDir), name)
  switch (action) {
    case 'up': {
      const port = integerOption(parsed, 'port', 1, 65535)
      const nodes = integerOption(parsed, 'nodes', 1, maxNodes)
      const nodePorts = portRangeOption(parsed, 'service-node-port-range')
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
        ...timings(parsed),
        ...(schedulerConfig && { schedulerConfig: resolve(schedulerConfig) }),
        ...disabled(parsed),
        ...(nodePorts && { nodePorts }),
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
      ownCluster(paths, name)
      out(`${paths.kubeconfig}\n`)
      return 0
    case 'image':
      return imageCommand(words, { paths, config: existing(paths, name), out })
    case 'node':
      ownCluster(paths, name)
      return locked(paths, sayBusy(name, out), () =>
        nodeCommand(words, { paths, config: ownCluster(paths, name), out }),
      )
    case 'check':
      return check(out)
    case 'server':
      await role(paths, name, o => {
        const schedulerConfig = parsed.options['scheduler-config']
        return runServer({
          ...o,
          config: { ...o.config, ...timings(parsed), ...disabled(parsed), ...(schedulerConfig && { schedulerConfig }) },
        })
      })
      return 0
    case 'agent':
      return agent(parsed, paths, name)
    case 'controller-manager':
    case 'scheduler': {
      const run = action === 'scheduler' ? runSchedulerAlone : runControllerManager
      const log = stderrLog()
      await run({ parsed, log, signal: untilSignal(log) })
      return 0
    }
    case 'token': {
      const ttlMs = parsed.options.ttl === '0' ? 0 : (durationOption(parsed, 'ttl')?.ms ?? tokenLifeMs)
      return tokenCommand(words, { paths, config: ownCluster(paths, name), ttlMs, out })
    }
    case 'help':
      out(helpText(words[0]))
      return parsed.words.length ? 0 : 2
    default:
      throw new UsageError(`unknown command ${JSON.stringify(action)}; kutter --help lists them`)
  }
}

/** What the command line says about how long things may take. */
function timings(parsed: Parsed): Pick<ClusterConfig, 'nodeMonitorGracePeriod' | 'clusterSigningDuration'> {
  const grace = durationOption(parsed, 'node-monitor-grace-period')?.text
  const signing = durationOption(parsed, 'cluster-signing-duration')?.text
  return { ...(grace && { nodeMonitorGracePeriod: grace }), ...(signing && { clusterSigningDuration: signing }) }
}

/** `--disable controller-manager,scheduler`; with an empty list everything runs again. */
function disabled(parsed: Parsed): Pick<ClusterConfig, 'disable'> {
  const text = parsed.options.disable
  if (text === undefined) return {}
  const names = text.split(',').filter(Boolean)
  const unknown = names.find(name => !serverParts.includes(name as ServerPart))
  if (unknown) throw new UsageError(`--disable ${JSON.stringify(unknown)}: known are ${serverParts.join(', ')}`)
  return { disable: names as ServerPart[] }
}

/** The agent of a node of this machine's cluster, or of one that joins a cluster elsewhere. */
async function agent(parsed: Parsed, paths: ClusterPaths, name: string): Promise<number> {
  const { server, token, node, 'node-name': nodeName = node, 'node-ip': nodeIP } = parsed.options
  const config = readConfig(paths)
  if (server === undefined && config && !config.joined) {
    await role(paths, name, o => runAgent({ ...o, nodeName: nodeName ?? o.config.nodeName }))
    return 0
  }
  const problem = machineProblem()
  if (problem) throw new Error(problem)
  const kubeletPort = integerOption(parsed, 'kubelet-port', 1, 65535)
  const log = stderrLog().with({ cluster: name })
  await runJoined({
    paths,
    name,
    log,
    signal: untilSignal(log),
    ...(server && { server }),
    ...(token && { token }),
    ...(nodeName && { nodeName }),
    ...(nodeIP && { nodeIP }),
    ...(kubeletPort !== undefined && { kubeletPort }),
  })
  return 0
}

/** Aborts with SIGTERM; ends the process at a failure nobody waits for. */
function untilSignal(log: Log): AbortSignal {
  const abort = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => abort.abort())
  process.on('unhandledRejection', error => {
    if (abort.signal.aborted) return
    log.error('a promise nobody waited for failed', { error })
    process.exit(1)
  })
  return abort.signal
}

function existing(paths: ClusterPaths, name: string): ClusterConfig {
  const config = readConfig(paths)
  if (!config)
    throw new UsageError(
      `there is no cluster ${name} in ${paths.dataDir}; make one with: ${commandLine('kutter', 'up', paths)}`,
    )
  return config
}

/** For what only the machine of the server can do. */
function ownCluster(paths: ClusterPaths, name: string): ClusterConfig {
  const config = existing(paths, name)
  if (config.joined)
    throw new UsageError(`this machine is only a node of ${config.joined.server}; do that where the server runs`)
  return config
}

/** Runs a role of a cluster on this machine until SIGTERM. */
async function role(paths: ClusterPaths, name: string, run: (options: RoleOptions) => Promise<void>): Promise<void> {
  const config = existing(paths, name)
  const log = stderrLog().with({ cluster: name })
  await run({
    config,
    paths,
    log,
    signal: untilSignal(log),
    revive: () => spawnSupervisor({ paths, config, directory }, true),
  })
}

// Whoever reads this may stop early, as `head` does: what is under way is finished nevertheless.
process.stdout.on('error', error => {
  if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error
})

main(process.argv.slice(2)).then(
  code => process.exit(code),
  error => {
    process.stderr.write(`kutter: ${messageOf(error)}\n`)
    if (process.env.KUTTER_LOG === 'debug' && error instanceof Error) process.stderr.write(`${error.stack}\n`)
    process.exit(error instanceof UsageError ? 2 : 1)
  },
)
