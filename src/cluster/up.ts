// `kutter up`: from nothing to a cluster whose node is Ready and whose DNS answers. Every step is safe to repeat.
import { mkdir } from 'node:fs/promises'
import { realClock } from '../base/clock.ts'
import { messageOf, isReason } from '../base/errors.ts'
import { silentLog } from '../base/log.ts'
import { Client, httpsTransport } from '../client/index.ts'
import { Node } from '../kinds/core/node.ts'
import { Service } from '../kinds/core/service.ts'
import { run } from '../linux/index.ts'
import { type ClusterConfig, type ClusterPaths, ensureConfig, readConfig } from './config.ts'
import { dnsAnswers } from './dns-probe.ts'
import { stopProcesses } from './down.ts'
import { contextName, kubeconfigOf, mergeIntoUserConfig, writeKubeconfig } from './kubeconfig.ts'
import { ask } from './link.ts'
import { diskProblem, machineProblem, missingPackages, portFree } from './machine.ts'
import { Pki } from './pki.ts'
import { servingCertificate } from './server.ts'
import { durationText, Steps } from './steps.ts'
import { spawnSupervisor } from './supervisor.ts'

export interface UpOptions {
  paths: ClusterPaths
  name: string
  port?: number
  install: boolean
  /** Where this program's files are. */
  directory: string
  /** What the user typed to get here, for the hints at the end. */
  command: string
  out: (text: string) => void
}

const readyTimeoutMs = 120_000
const pollMs = 15
/** Polls between two looks at the processes. */
const stateEvery = 20
/** A process that ended this often at the start will not come up by itself. */
const hopelessRestarts = 3

/** Returns the exit code. Throws Error with one clear sentence when it cannot be done. */
export async function up(options: UpOptions): Promise<number> {
  const { paths, name, out } = options
  const problem = machineProblem()
  if (problem) throw new Error(problem)
  const running = await ask(paths.socket, { command: 'status' })
  if (running?.processes.length) {
    const config = readConfig(paths)
    out(
      `The cluster ${name} is running already (https://127.0.0.1:${config?.port}). ${options.command} status tells how it is.\n`,
    )
    return 0
  }
  const steps = new Steps(out, process.stdout.isTTY === true)
  await install(options, steps)
  const full = await diskProblem(paths.dataDir)
  if (full) throw new Error(full)
  const config = await ensureConfig(paths, { name, ...(options.port !== undefined && { port: options.port }) })
  if (!(await portFree(config.port)))
    throw new Error(
      `port ${config.port} is taken by another program; choose another one with --port, or stop that program`,
    )
  if (!(await portFree(config.kubeletPort)))
    throw new Error(
      `port ${config.kubeletPort}, which the kubelet needs, is taken by another program; stop that program`,
    )
  const { client, close } = await steps.run('certificates and kubeconfig', () => prepare(paths, config))
  try {
    for (const dir of [paths.run, paths.logs, paths.manifests, paths.images])
      await mkdir(dir, { recursive: true, mode: 0o700 })
    spawnSupervisor({ paths, config, directory: options.directory }, false)
    const deadline = realClock.now() + readyTimeoutMs
    await steps.run('API server answers', () =>
      until(deadline, paths, () => client.find(Service, { namespace: 'default', name: 'kubernetes' }).then(Boolean)),
    )
    await steps.run(`node ${config.nodeName} is Ready`, () =>
      until(deadline, paths, () => nodeReady(client, config.nodeName)),
    )
    await steps.run('DNS answers', () =>
      until(deadline, paths, () => dnsAnswers(config.dnsAddress, `kubernetes.default.svc.${config.domain}`)),
    )
  } catch (error) {
    // Nothing half-started stays.
    await stopProcesses(paths)
    throw error
  } finally {
    close()
  }
  out(farewell(options, config, steps.totalMs()))
  return 0
}

function farewell({ name, command }: UpOptions, config: ClusterConfig, ms: number): string {
  const context = contextName(name)
  return `
The cluster is up: https://127.0.0.1:${config.port}, after ${durationText(ms)}. Try:

  kubectl --context ${context} get pods -A
  ${command} image build examples/images/busybox examples/images/myapp
  kubectl --context ${context} apply -f examples/canarydemo.yaml
  curl 127.0.0.1:32600
  ${command} status          how it is
  ${command} down            stop it; the data stays

`
}

async function install(options: UpOptions, steps: Steps): Promise<void> {
  const missing = missingPackages()
  if (!missing.length) return
  if (!options.install)
    throw new Error(
      `missing Debian packages: ${missing.join(', ')}; install them with: apt-get install ${missing.join(' ')}`,
    )
  await steps.run(`installing ${missing.join(', ')}`, async () => {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    const get = () =>
      run('apt-get', ['install', '-y', '--no-install-recommends', ...missing], {
        env,
        timeoutMs: 600_000,
        maxOutputBytes: 64 * 1024 * 1024,
      })
    try {
      await get()
    } catch {
      // The package lists may be older than the packages.
      await run('apt-get', ['update'], { env, timeoutMs: 300_000, maxOutputBytes: 64 * 1024 * 1024 })
      await get()
    }
  })
}

async function prepare(paths: ClusterPaths, config: ClusterConfig) {
  const pki = new Pki(paths.pki, realClock)
  const authority = await pki.authority()
  await servingCertificate(pki, config)
  const admin = await pki.certificate('admin', { commonName: 'kutter-admin', organizations: ['system:masters'] }, [
    'client auth',
    'digital signature',
  ])
  const server = `https://127.0.0.1:${config.port}`
  const own = kubeconfigOf(contextName(config.name), server, authority.certPem, admin)
  await writeKubeconfig(paths.kubeconfig, own)
  await mergeIntoUserConfig(own)
  const transport = httpsTransport(() => ({ server, ca: authority.certPem, cert: admin.certPem, key: admin.keyPem }))
  const client = new Client({
    serve: transport.serve,
    user: { name: 'kutter-admin', groups: [] },
    userAgent: 'kutter',
    clock: realClock,
    log: silentLog,
  })
  return { client, close: () => (client.close(), transport.close()) }
}

async function nodeReady(client: Client, name: string): Promise<boolean> {
  const node = await client.find(Node, { name })
  return node?.status.conditions?.some(c => c.type === 'Ready' && c.status === 'True') ?? false
}

async function throwIfFailing(paths: ClusterPaths): Promise<void> {
  const state = await ask(paths.socket, { command: 'status' })
  const hopeless = state?.failing.find(f => f.restarts >= hopelessRestarts)
  if (hopeless) throw new Error(`the ${hopeless.process.split('/')[0]} cannot start: ${hopeless.lastWords}`)
}

/** Tries until it holds; says why when it does not in time, from what the processes report. */
async function until(deadline: number, paths: ClusterPaths, holds: () => Promise<boolean>): Promise<void> {
  let last: unknown
  let polls = 1
  for (;;) {
    try {
      if (await holds()) return
      last = undefined
    } catch (error) {
      if (isReason(error, 'Forbidden', 'Unauthorized')) throw error
      last = error
    }
    if (realClock.now() > deadline) break
    if (polls++ % stateEvery === 0) await throwIfFailing(paths)
    await realClock.sleep(pollMs)
  }
  const state = await ask(paths.socket, { command: 'status' })
  const problems = state?.processes.flatMap(p => (p.problem ? [`${p.role}: ${p.problem}`] : [])) ?? [
    'the supervisor is not running',
  ]
  throw new Error(
    `it did not get ready within ${readyTimeoutMs / 1000} s (${[...problems, ...(last ? [messageOf(last)] : [])].join('; ') || 'no problem reported'}); the logs are in ${paths.logs}`,
  )
}
