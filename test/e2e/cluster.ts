// A real cluster for end-to-end tests. It is started by the kutter command under a name, ports and directories of its
// own, is used through the real kubectl, and is removed in any case.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { after, before } from 'node:test'
import { realClock } from '../../src/base/clock.ts'

export const root = new URL('../..', import.meta.url).pathname
/** Keeps the runs of two copies of the project apart. */
const copy = createHash('sha256').update(root).digest('hex').slice(0, 4)
const base = `/tmp/kutter-e2e-${copy}`
/** Debian packages are downloaded once for all runs. */
export const packageCache = '/var/cache/kutter-test'

export interface Result {
  code: number
  stdout: string
  stderr: string
}

export function run(
  command: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; stdin?: string; timeoutMs?: number } = {},
): Promise<Result> {
  return new Promise(resolve => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', chunk => (stdout += chunk))
    child.stderr.on('data', chunk => (stderr += chunk))
    child.stdin.on('error', () => {})
    child.stdin.end(options.stdin ?? '')
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 120_000)
    child.on('error', error => resolve({ code: 127, stdout, stderr: String(error) }))
    child.on('close', code => {
      clearTimeout(timer)
      resolve({ code: code ?? 137, stdout, stderr })
    })
  })
}

/** The reason why these tests cannot run here, or false. */
export const cannotRun: string | false =
  process.platform !== 'linux' || process.getuid?.() !== 0
    ? 'needs Linux and root'
    : !['/usr/bin/containerd', '/usr/sbin/containerd', '/usr/local/bin/containerd'].some(existsSync)
      ? 'containerd is not installed'
      : !['/usr/bin/kubectl', '/usr/local/bin/kubectl'].some(existsSync)
        ? 'kubectl is not installed'
        : false

export class TestCluster {
  readonly name: string
  readonly dataDir = base
  readonly env: NodeJS.ProcessEnv

  constructor(name: string) {
    this.name = name
    mkdirSync(base, { recursive: true })
    this.env = { KUBECONFIG: `${base}/${name}.kubeconfig`, KUTTER_PACKAGE_CACHE: packageCache }
  }

  /** The part that the names of this cluster's links, namespaces, tables and cgroups share. */
  get tag(): string {
    return createHash('sha256').update(`${this.dataDir}/${this.name}`).digest('hex').slice(0, 6)
  }

  kutter(...args: string[]): Promise<Result> {
    return run('./kutter', [...args, '--name', this.name, '--data-dir', this.dataDir], {
      env: this.env,
      timeoutMs: 300_000,
    })
  }

  async up(...options: string[]): Promise<Result> {
    const result = await this.kutter('up', '--port', String(portOf(this.name)), ...options)
    if (result.code !== 0) throw new Error(`kutter up: ${result.stdout}${result.stderr}`)
    return result
  }

  async down(): Promise<Result> {
    const result = await this.kutter('down', '--purge')
    rmSync(this.env.KUBECONFIG!, { force: true })
    return result
  }

  /**
   * What the cluster has on the machine, a line for each: processes, mounts, links, network namespaces, routes, tables,
   * cgroups and loop devices. Nothing after `down`.
   */
  async traces(): Promise<string> {
    const { tag, dataDir, name } = this
    // The brackets keep the patterns from matching the shell that has them in its own command line.
    const own = `${dataDir}/[${name[0]}]${name.slice(1)}`
    const looks = [
      `pgrep -af '[-]-name ${name} --data-dir ${dataDir}( |$)'`,
      `pgrep -af '[s]upervisor-main.js ${name} ${dataDir}$'`,
      `pgrep -af '${own}/'`,
      `grep '${own}/' /proc/mounts`,
      `ip -o link | grep kt${tag}`,
      `ip netns | grep ${tag}`,
      `ip route | grep kt${tag}`,
      `nft list tables | grep ${tag}`,
      `find /sys/fs/cgroup -maxdepth 4 -path '*${tag}*'`,
      `losetup --list --noheadings --output NAME,BACK-FILE | grep '${own}/'`,
    ]
    return (await run('bash', ['-c', `${looks.join('; ')}; true`])).stdout
  }

  /** Builds images, each named by its directory, or by its name below examples/images. */
  async images(...names: string[]): Promise<void> {
    const dirs = names.map(name => (name.includes('/') ? name : `examples/images/${name}`))
    const result = await this.kutter('image', 'build', ...dirs)
    if (result.code !== 0) throw new Error(`kutter image build: ${result.stderr}`)
  }

  /** Runs kubectl. Throws if it fails. */
  async kubectl(args: string, stdin?: string): Promise<string> {
    const result = await this.tryKubectl(args, stdin)
    if (result.code !== 0) throw new Error(`kubectl ${args}: exit ${result.code}: ${result.stderr}${result.stdout}`)
    return result.stdout
  }

  /** Runs kubectl. `args` are split as a shell does. */
  tryKubectl(args: string, stdin?: string): Promise<Result> {
    return run('bash', ['-c', `exec kubectl ${args}`], { env: this.env, ...(stdin !== undefined && { stdin }) })
  }

  apply(manifest: object | string, options = ''): Promise<string> {
    return this.kubectl(`apply ${options} -f -`, typeof manifest === 'string' ? manifest : JSON.stringify(manifest))
  }

  /**
   * Waits until the rules of every node lead to these pods of a service. Before that, a refused connection is no
   * fault.
   */
  async leadsTo(service: string, pods: readonly { status: { podIP?: string } }[]): Promise<void> {
    const names = (await run('ip', ['netns', 'list'])).stdout.match(new RegExp(`^kutter-${this.tag}-\\S+`, 'gm')) ?? []
    const clusterIP = (await this.kubectl(`get service ${service} -o jsonpath={.spec.clusterIP}`)).trim()
    for (const node of ['', ...names])
      await eventually(`the rules of ${node || 'the machine'} lead to ${service}`, async () => {
        const lists = ['endpoints', 'local-endpoints'].map(async map => {
          const list = ['nft', '-n', 'list', 'map', 'inet', `kutter-${this.tag}`, map]
          const [command = '', ...args] = node ? ['ip', 'netns', 'exec', node, ...list] : list
          return (await run(command, args)).stdout
        })
        const elements = (await Promise.all(lists))
          .join('\n')
          .split(/[{,\n]/)
          .filter(text => text.trim().startsWith(`${clusterIP} .`))
        return pods.every(pod => elements.some(text => text.includes(` : ${pod.status.podIP} .`)))
      })
  }

  /** Runs a shell script with the cluster's kubeconfig. */
  shell(script: string): Promise<Result> {
    return run('bash', ['-c', script], { env: this.env })
  }
}

/** A different port for each cluster, so that what a crashed run left does not stop the next one. */
function portOf(name: string): number {
  // These ports are below those that the kernel assigns to outgoing connections.
  let hash = 0
  for (const char of copy + name) hash = (hash * 31 + char.charCodeAt(0)) % 800
  return 16_000 + hash
}

/** A cluster for all tests of a file, which is started before them and removed after them. */
export function clusterForFile(
  name: string,
  images: readonly string[] = [],
  options: readonly string[] = [],
): TestCluster {
  const cluster = new TestCluster(name)
  if (cannotRun) return cluster
  before(async () => {
    // Removes what a crashed run left.
    await cluster.down()
    await cluster.up(...options)
    if (images.length) await cluster.images(...images)
  })
  after(async () => {
    const { code, stdout, stderr } = await cluster.down()
    const left = await cluster.traces()
    if (existsSync(base) && readdirSync(base).length === 0) rmSync(base, { recursive: true })
    if (code !== 0) throw new Error(`kutter down: ${stdout}${stderr}`)
    if (left || existsSync(`${base}/${name}`)) throw new Error(`kutter down --purge has left ${left || 'the data'}`)
  })
  return cluster
}

/** Repeats `attempt` until it returns a value. Throws its last failure if it does not in time. */
export async function eventually<T>(
  what: string,
  attempt: () => Promise<T | false | undefined>,
  timeoutMs = 60_000,
): Promise<T> {
  const deadline = realClock.now() + timeoutMs
  let last: unknown
  for (;;) {
    try {
      const result = await attempt()
      if (result !== false && result !== undefined) return result
      last = undefined
    } catch (error) {
      last = error
    }
    if (realClock.now() > deadline)
      throw new Error(`${what}: not within ${timeoutMs / 1000} s${last ? `: ${String(last)}` : ''}`)
    await realClock.sleep(200)
  }
}
