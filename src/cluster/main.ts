// The `kutter` command: parses the command line and runs the command it names. Exit codes: 0 for success, 1 for a
// failure, 2 for a mistake on the command line.
//
// The files of a command are loaded when it is run, since loading all of them takes longer than most commands do.
import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { messageOf } from '../base/errors.ts'
import { type Log, stderrLog } from '../base/log.ts'
import { durationOption, integerOption, type Parsed, parseArgs, UsageError } from './args.ts'
import { helpText, options } from './command-line.ts'
import { type ClusterConfig, type ClusterPaths, defaultDataDir, defaultName, pathsOf, readConfig } from './config.ts'
import { commandLine } from './hint.ts'
import { locked, reportBusy } from './lock.ts'
import { machineProblem } from './machine.ts'
import { hasOwnEtcd } from './own-etcd.ts'
import { releaseIn } from './release.ts'
import type { ComponentOptions } from './component.ts'
import type { RoleOptions } from './server.ts'
import type { StoreCommandContext } from './store-command.ts'
import { spawnSupervisor } from './supervisor.ts'
import type { UpgradeOptions } from './upgrade.ts'

/** Replaces this process by a new one with the same id, so that what keeps it running goes on to. */
function startAgain(): void {
  process.execve?.(process.execPath, [process.execPath, ...process.execArgv, ...process.argv.slice(1)], process.env)
}

const tokenLifeMs = 24 * 3600_000

/** The directory of this program, which also holds the supervisor's. */
const directory = dirname(process.argv[1]!)
const out = (text: string) => void process.stdout.write(text)
const command = existsSync('./kutter') ? './kutter' : 'kutter'

/** One command as it was typed. */
interface Invocation {
  parsed: Parsed
  /** The words after the command. */
  words: readonly string[]
  name: string
  paths: ClusterPaths
}

/** The commands by name; each returns the exit code. */
const commands: Readonly<Record<string, (invocation: Invocation) => Promise<number> | number>> = {
  up: startCluster,
  async down({ parsed, name, paths }) {
    const { down } = await import('./down.ts')
    return down({ paths, name, purge: parsed.flags.has('purge'), out })
  },
  async status({ parsed, name, paths }) {
    const { status } = await import('./status.ts')
    return status(paths, name, parsed.options.o === 'json', out)
  },
  async why({ parsed, words, name, paths }) {
    const { why } = await import('./why.ts')
    const namespace = parsed.options.n ?? parsed.options.namespace ?? 'default'
    return why(words, { paths, config: existing(paths, name), namespace, json: parsed.options.o === 'json', out })
  },
  kubeconfig({ name, paths }) {
    ownCluster(paths, name)
    out(`${paths.kubeconfig}\n`)
    return 0
  },
  async image({ words, name, paths }) {
    const { imageCommand } = await import('./image-command.ts')
    return imageCommand(words, { paths, config: existing(paths, name), out })
  },
  async node({ words, name, paths }) {
    const { nodeCommand } = await import('./nodes.ts')
    ownCluster(paths, name)
    return locked(paths, reportBusy(name, out), () =>
      nodeCommand(words, { paths, config: ownCluster(paths, name), out }),
    )
  },
  async token({ parsed, words, name, paths }) {
    const { tokenCommand } = await import('./token-command.ts')
    const ttlMs = parsed.options.ttl === '0' ? 0 : (durationOption(parsed, 'ttl')?.ms ?? tokenLifeMs)
    const isServer = parsed.flags.has('for-server')
    return tokenCommand(words, { paths, config: ownCluster(paths, name), ttlMs, isServer, out })
  },
  async snapshot(invocation) {
    const { snapshotCommand } = await import('./store-command.ts')
    return alone(invocation, context => snapshotCommand(invocation.words, context))
  },
  async store(invocation) {
    const { storeCommand } = await import('./store-command.ts')
    return alone(invocation, context => storeCommand(invocation.words, context))
  },
  async certs({ parsed, words, name, paths }) {
    const { certsCommand } = await import('./certs-command.ts')
    return certsCommand(words, {
      paths,
      config: existing(paths, name),
      own: () => ownCluster(paths, name),
      alone: run => locked(paths, reportBusy(name, out), run),
      isFinish: parsed.flags.has('finish'),
      out,
    })
  },
  async 'support-bundle'({ words, name, paths }) {
    const { supportBundle } = await import('./support-bundle.ts')
    return supportBundle(words, { paths, name, config: ownCluster(paths, name), out })
  },
  async upgrade(invocation) {
    const { upgrade, upgradeBack } = await import('./upgrade.ts')
    const { parsed, name, paths } = invocation
    const context: UpgradeOptions = {
      paths,
      name,
      config: ownCluster(paths, name),
      directory,
      start: () => startCluster(invocation),
      alone: run => locked(paths, reportBusy(name, out), run),
      out,
    }
    return parsed.flags.has('back') ? upgradeBack(context) : upgrade(context)
  },
  install: async ({ name, paths }) => (await import('./systemd.ts')).install(unitContext(paths, name)),
  uninstall: async ({ name, paths }) => (await import('./systemd.ts')).uninstall(unitContext(paths, name)),
  version() {
    const release = releaseIn(directory)
    out(`Kutter ${release.version} in ${release.directory}\n`)
    return 0
  },
  async member({ parsed, words, name, paths }) {
    const { memberCommand } = await import('./member-command.ts')
    return memberCommand(words, { paths, config: ownCluster(paths, name), json: parsed.options.o === 'json', out })
  },
  async secrets({ words, name, paths }) {
    const { secretsCommand } = await import('./secrets-command.ts')
    return secretsCommand(words, { paths, config: ownCluster(paths, name), out })
  },
  check: async () => (await import('./check.ts')).check(out),
  server,
  agent,
  'controller-manager': async ({ parsed }) => component(parsed, (await import('./component.ts')).runControllerManager),
  scheduler: async ({ parsed }) => component(parsed, (await import('./component.ts')).runSchedulerAlone),
  help({ parsed, words }) {
    out(helpText(words[0]))
    return parsed.words.length ? 0 : 2
  },
}

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
      `${JSON.stringify(name)} is not a valid name of a cluster: it must have 1 to 32 lowercase letters, digits and dashes, and begin and end with a letter or digit`,
    )
  const paths = pathsOf(resolve(parsed.options['data-dir'] ?? defaultDataDir), name)
  const command = Object.hasOwn(commands, action) ? commands[action] : undefined
  if (!command)
    throw new UsageError(`unknown command ${JSON.stringify(action)}; run kutter --help for a list of commands`)
  return command({ parsed, words, name, paths })
}

const unitContext = (paths: ClusterPaths, name: string) => ({
  paths,
  name,
  config: readConfig(paths),
  program: join(releaseIn(directory).directory, 'kutter'),
  out,
})

async function startCluster({ parsed, name, paths }: Invocation): Promise<number> {
  const [{ up }, { upOptions }] = await Promise.all([import('./up.ts'), import('./up-options.ts')])
  const place = { paths, name, install: !parsed.flags.has('no-install'), directory, command, out }
  return up({ ...place, ...upOptions(parsed, name) })
}

async function server(invocation: Invocation): Promise<number> {
  const { parsed, name, paths } = invocation
  if (parsed.options.join !== undefined) {
    await joinAsServer(invocation, parsed.options.join)
    return startJoined(invocation)
  }
  const [{ runServer }, { serverOptions }] = await Promise.all([import('./server.ts'), import('./up-options.ts')])
  const changes = serverOptions(parsed, name)
  await role(paths, name, parsed.options.node, o => runServer({ ...o, config: { ...o.config, ...changes } }))
  return 0
}

/** A server that cannot start after it has joined leaves again, so that the others do not count on it. */
async function startJoined(invocation: Invocation): Promise<number> {
  const { name, paths } = invocation
  try {
    return await startCluster(invocation)
  } catch (error) {
    const [{ leaveEtcd }, { down }] = await Promise.all([import('./join-server.ts'), import('./down.ts')])
    await leaveEtcd(existing(paths, name), paths)
    if (hasOwnEtcd(existing(paths, name))) await down({ paths, name, purge: true, out })
    throw error
  }
}

/** Gets keys and configuration from a server that is there; only the start is left to do then. */
async function joinAsServer({ parsed, name, paths }: Invocation, join: string): Promise<void> {
  const { token, 'node-name': nodeName } = parsed.options
  if (!token)
    throw new UsageError(
      'kutter server --join requires --token; create one on a server with: kutter token create --for-server',
    )
  const port = integerOption(parsed, 'port', 1, 65535)
  const problem = machineProblem()
  if (problem) throw new Error(problem)
  const { joinServer } = await import('./join-server.ts')
  const more = { ...(nodeName && { nodeName }), ...(port !== undefined && { port }) }
  await locked(paths, reportBusy(name, out), () => joinServer({ paths, name, server: join, token, ...more }))
}

/** Runs controllers or the scheduler in a process of their own. */
async function component(parsed: Parsed, run: (options: ComponentOptions) => Promise<void>): Promise<number> {
  const log = stderrLog()
  await run({ parsed, log, signal: untilSignal(log) })
  return 0
}

/** Runs a command on a store or on snapshots. Only one command at a time changes a cluster. */
async function alone(
  { parsed, name, paths }: Invocation,
  run: (context: StoreCommandContext) => Promise<number>,
): Promise<number> {
  const [{ parseStore }, { fileOptions }, { defaultSnapshotsKept }] = await Promise.all([
    import('./store-location.ts'),
    import('./up-options.ts'),
    import('./snapshots.ts'),
  ])
  const { to } = parsed.options
  parseStore(to, name)
  const context = {
    paths,
    name,
    existing: () => ownCluster(paths, name),
    keep: integerOption(parsed, 'keep', 0, 10_000) ?? defaultSnapshotsKept,
    to: to === undefined ? undefined : { ...fileOptions(parsed), store: to },
    out,
  }
  return locked(paths, reportBusy(name, out), () => run(context))
}

/** Runs the agent of a node: of this machine's own cluster, or of a cluster on another machine that it joins. */
async function agent({ parsed, paths, name }: Invocation): Promise<number> {
  const { server, token, node, 'node-name': nodeName = node, 'node-ip': nodeIP } = parsed.options
  const config = readConfig(paths)
  if (server === undefined && config && !config.joined) {
    const { runAgent } = await import('./agent.ts')
    await role(paths, name, nodeName, runAgent)
    return 0
  }
  const problem = machineProblem()
  if (problem) throw new Error(problem)
  const kubeletPort = integerOption(parsed, 'kubelet-port', 1, 65535)
  const log = stderrLog().with({ cluster: name })
  const [{ runJoined }, { fileOptions }] = await Promise.all([import('./join.ts'), import('./up-options.ts')])
  const end = await runJoined({
    paths,
    name,
    log,
    signal: untilSignal(log),
    ...(server && { server }),
    ...(token && { token }),
    ...(nodeName && { nodeName }),
    ...(nodeIP && { nodeIP }),
    ...(kubeletPort !== undefined && { kubeletPort }),
    ...fileOptions(parsed),
  })
  if (end === 'moved') startAgain()
  return 0
}

/** A signal that aborts with SIGTERM or SIGINT. Until then an unhandled rejection ends the process with code 1. */
function untilSignal(log: Log): AbortSignal {
  const abort = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => abort.abort())
  process.on('unhandledRejection', error => {
    if (abort.signal.aborted) return
    log.error('unhandled rejection', { error })
    process.exit(1)
  })
  return abort.signal
}

function existing(paths: ClusterPaths, name: string): ClusterConfig {
  const config = readConfig(paths)
  if (!config)
    throw new UsageError(
      `there is no cluster ${name} in ${paths.dataDir}; create it with: ${commandLine('kutter', 'up', paths)}`,
    )
  return config
}

/** The configuration of a cluster whose server runs here. Throws UsageError on a machine that only joined one. */
function ownCluster(paths: ClusterPaths, name: string): ClusterConfig {
  const config = existing(paths, name)
  if (config.joined)
    throw new UsageError(
      `this machine is only a node of the cluster at ${config.joined.server}; run this command on the machine of its server`,
    )
  return config
}

/** Runs a role of a cluster on this machine until SIGTERM. */
async function role(
  paths: ClusterPaths,
  name: string,
  node: string | undefined,
  run: (options: RoleOptions) => Promise<void>,
): Promise<void> {
  const config = existing(paths, name)
  const log = stderrLog().with({ cluster: name })
  await run({
    config,
    nodeName: node ?? config.nodeName,
    paths,
    log,
    signal: untilSignal(log),
    revive: () => spawnSupervisor({ paths, config, directory }, true),
  })
}

// The reader of a pipe may close it early, as `head` does. That must not interrupt the command.
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
