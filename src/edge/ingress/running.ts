// The HAProxy of a node as it runs: which servers, certificates and ports it has, how it is changed without another
// process, and how another one takes over. Ingresses and Gateways each have one.
import { cpus } from 'node:os'
import type { IPRange } from '../../api/ip-range.ts'
import type { Clock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import type { Backend } from './backend.ts'
import { placeholderPem } from './certificates.ts'
import { changeCertificate, changeServers, maxSentPem, planServers, refreshCookies, type Servers } from './changes.ts'
import { ask, hold, serversAt } from './cli.ts'
import { type Files, placeholderFile } from './config.ts'
import { nameOf } from './endpoints.ts'
import { type Binding, bindingKey, bindingsIn, isFree } from './ports.ts'
import { type Generation, Haproxy } from './process.ts'
import { unprivileged } from './user.ts'

interface RunningOptions {
  /** A directory of the node for this alone, with a short path. */
  dir: string
  /** Addresses of the cluster's pool, at which Gateways may have ports of their own. */
  pool: readonly IPRange[]
  clock: Clock
  log: Log
  signal: AbortSignal
  /** Called when the process has ended by itself. */
  ended(): void
}

/** What of a plan can be changed in a process that runs. */
interface Served {
  readonly backends: readonly Backend[]
  readonly certificates: ReadonlyMap<string, { readonly pem: string }>
}

interface Running extends Generation {
  servers: Servers
  /** The certificates of which it is known what the process has. */
  certificates: Map<string, string>
  /** Where it listens, as `bindingKey` writes it. */
  bindings: ReadonlySet<string>
  release(): void
}

const maxThreads = 4

export class RunningHaproxy {
  readonly #o: RunningOptions
  readonly #haproxy: Haproxy
  #running: Running | undefined
  /** Whether it is certain that no other process than `#running` is there. */
  #hasLooked = false

  constructor(options: RunningOptions) {
    this.#o = options
    this.#haproxy = new Haproxy(options.dir, options.clock)
  }

  /** What the process was started with; undefined without one, and `''` when it has to be replaced. */
  get digest(): string | undefined {
    return this.#running?.digest
  }

  /** Makes the directories, and goes on with a process that a former agent has started. */
  async prepare(): Promise<void> {
    await this.#haproxy.prepare()
    if (this.#running) return
    this.#hasLooked = true
    const found = await this.#haproxy.current()
    if (!found) return
    const bindings = new Set(bindingsIn(found.config))
    this.#runs(found, await serversAt(found.socket), new Map(), bindings)
  }

  /** Those places in which this node can listen. One that another program has must not take the others along. */
  async freeBindings(bindings: readonly Binding[]): Promise<ReadonlySet<string>> {
    const has = this.#running?.bindings
    const free = await Promise.all(
      bindings.map(async one => {
        const key = bindingKey(one)
        return has?.has(key) || (await isFree(one, this.#o.pool)) ? [key] : []
      }),
    )
    return new Set(free.flat())
  }

  /** What a configuration needs of the node. */
  async surroundings() {
    const threads = Math.min(maxThreads, cpus().length)
    return { ...(await unprivileged()), threads, emptyDir: this.#haproxy.emptyDir }
  }

  /**
   * Brings servers and certificates of the process up to a plan, if there is a process. If that fails, it has to be
   * replaced. Returns the number of changes of servers, and whether some are left that have connections.
   */
  async change({ backends, certificates }: Served): Promise<{ changes: number; areLeft: boolean }> {
    const running = this.#running
    if (!running) return { changes: 0, areLeft: false }
    const askIt = (command: string) => ask(running.socket, command)
    const done = { changes: 0, areLeft: false }
    try {
      const changes = planServers(running.servers, backends)
      const areLeft = await changeServers(askIt, running.servers, changes)
      await refreshCookies(askIt, backends, changes)
      Object.assign(done, { changes: changes.length, areLeft })
      await this.#changeCertificates(running, certificates, askIt)
    } catch (error) {
      if (this.#o.signal.aborted) throw error
      this.#o.log.warn('HAProxy does not take a change, starting it again', { why: messageOf(error) })
      running.digest = ''
    }
    return done
  }

  async #changeCertificates(
    running: Running,
    certificates: Served['certificates'],
    askIt: (command: string) => Promise<string>,
  ): Promise<void> {
    for (const [file, { pem }] of certificates) {
      const before = running.certificates.get(file) ?? (await this.#haproxy.certificate(file))
      running.certificates.set(file, before)
      // A file that is new comes with another configuration.
      if (before === pem || !before) continue
      // The file is written last: until then it says what has to be done again.
      if (pem.length <= maxSentPem) await changeCertificate(askIt, file, pem)
      else running.digest = ''
      await this.#haproxy.writeCertificate(file, pem)
      running.certificates.set(file, pem)
    }
  }

  /** Writes the certificates of a plan, for a process that is to be started. */
  async writeCertificates({ certificates }: Served): Promise<void> {
    if (!(await this.#haproxy.certificate(placeholderFile)))
      await this.#haproxy.writeCertificate(placeholderFile, await placeholderPem(this.#o.clock.now()))
    for (const [file, { pem }] of certificates)
      if ((await this.#haproxy.certificate(file)) !== pem) await this.#haproxy.writeCertificate(file, pem)
  }

  /** Starts a process that takes over from the one before. Returns its pid. When it throws, the one before goes on. */
  async start(files: Files, { backends, certificates }: Served, bindings: ReadonlySet<string>): Promise<number> {
    const generation = await this.#haproxy.start(files, this.#running, this.#o.signal)
    const servers: Servers = new Map(
      backends.map(({ name, servers }) => [name, new Map(servers.map(one => [nameOf(one), 'ready']))]),
    )
    this.#runs(generation, servers, new Map([...certificates].map(([file, { pem }]) => [file, pem])), bindings)
    await this.#haproxy.keepCertificates(new Set(certificates.keys()))
    return generation.pid
  }

  /** Whether HAProxy would take these files. */
  accepts(files: Files): Promise<boolean> {
    return this.#haproxy.accepts(files, this.#o.signal)
  }

  #runs(
    generation: Generation,
    servers: Servers,
    certificates: Map<string, string>,
    bindings: ReadonlySet<string>,
  ): void {
    this.#running?.release()
    const running: Running = { ...generation, servers, certificates, bindings, release: () => {} }
    running.release = hold(generation.socket, () => {
      if (this.#running !== running || this.#o.signal.aborted) return
      this.#o.log.warn('HAProxy has ended')
      this.#running = undefined
      this.#o.ended()
    })
    this.#running = running
  }

  /** Lets go of the ports, and of the process. Returns whether there could be one. */
  async finish(): Promise<boolean> {
    if (!this.#running && this.#hasLooked) return false
    this.release()
    this.#running = undefined
    await this.#haproxy.finish()
    this.#hasLooked = true
    return true
  }

  /** Lets go of the process, which goes on. */
  release(): void {
    this.#running?.release()
  }
}
