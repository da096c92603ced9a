// A network namespace in the role of another machine, on which an agent runs that joined the cluster.
import { type ChildProcess, spawn } from 'node:child_process'
import { type Result, root, run, type TestCluster } from './cluster.ts'

export class Machine {
  readonly name: string
  readonly namespace: string
  readonly #cluster: TestCluster
  #agent: ChildProcess | undefined
  /** The last part of the agent's output. */
  printed = ''

  constructor(cluster: TestCluster, name: string) {
    this.#cluster = cluster
    this.name = name
    this.namespace = `kutter-test-${name}`
  }

  /** Runs a program on the machine. */
  run(program: string, ...args: string[]): Promise<Result> {
    return run('nsenter', [`--net=/run/netns/${this.namespace}`, '--', program, ...args], {
      env: this.#cluster.env,
      timeoutMs: 30_000,
    })
  }

  get #place(): string[] {
    return ['--name', this.name, '--data-dir', this.#cluster.dataDir]
  }

  kutter(...words: string[]): Promise<Result> {
    return this.run('./kutter', ...words, ...this.#place)
  }

  /** Starts the agent, and returns without waiting for it. */
  join(server: string, token: string): void {
    const words = ['./kutter', 'agent', '--server', server, '--token', token, '--node-name', this.name, ...this.#place]
    const child = spawn('nsenter', [`--net=/run/netns/${this.namespace}`, '--', ...words], {
      cwd: root,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...this.#cluster.env },
    })
    child.stderr.on('data', (chunk: Buffer) => (this.printed = (this.printed + chunk.toString()).slice(-8_000)))
    child.on('exit', (code, signal) => (this.printed += `ended with ${code ?? signal}\n`))
    this.#agent = child
  }

  /** Ends the agent, and removes what it has made and the namespace. */
  async remove(): Promise<void> {
    const agent = this.#agent
    if (agent && agent.exitCode === null && agent.signalCode === null) {
      const ended = new Promise(resolve => agent.once('exit', resolve))
      agent.kill('SIGTERM')
      await ended
    }
    await this.kutter('down', '--purge')
    await run('ip', ['netns', 'delete', this.namespace])
  }
}
