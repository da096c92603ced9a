// Probes: a program in the network namespace of each of some pods (programs/probe.ts), so that what all of them reach is
// found out at once.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { root, type TestCluster } from './cluster.ts'
import type { Try } from './programs/probe.ts'

/** The command that runs another one in the network namespace of a pod. */
export async function insidePod(cluster: TestCluster, uid: string): Promise<readonly string[]> {
  const find = `cat $(find /sys/fs/cgroup -path '*${uid.replaceAll('-', '?')}*' -name cgroup.procs) | head -n 1`
  const pid = (await cluster.shell(find)).stdout.trim()
  assert.match(pid, /^\d+$/, `a process of the pod ${uid}`)
  return ['nsenter', `--net=/proc/${pid}/ns/net`]
}

interface Report {
  /** The keys of the tries that were answered. */
  reached: Set<string>
  /** The keys of the packets of UDP that have come since the last report. */
  received: Set<string>
}
const nothing: Report = { reached: new Set(), received: new Set() }

export class Probe {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, (report: Report) => void>()
  #id = 0
  #isOver = false

  private constructor(child: ChildProcess) {
    this.#child = child
    createInterface({ input: child.stdout! }).on('line', line => {
      const { id, reached, received } = JSON.parse(line) as { id: number; reached: string[]; received: string[] }
      this.#waiting.get(id)?.({ reached: new Set(reached), received: new Set(received) })
      this.#waiting.delete(id)
    })
    child.stdin?.on('error', () => {})
    child.on('close', () => {
      this.#isOver = true
      for (const end of this.#waiting.values()) end(nothing)
      this.#waiting.clear()
    })
  }

  /** Starts a probe that answers with a name at ports. Resolves when it listens. */
  static async start(inside: readonly string[], name: string, ports: readonly number[]): Promise<Probe> {
    const [command = '', ...args] = [...inside, `${root}tools/node`, `${root}test/e2e/programs/probe.ts`]
    const child = spawn(command, [...args, name, ...ports.map(String)], { stdio: ['pipe', 'pipe', 'inherit'] })
    const probe = new Probe(child)
    await new Promise<void>(resolve => probe.#waiting.set(0, () => resolve()))
    assert.ok(!probe.#isOver, `the probe ${name} has ended`)
    return probe
  }

  /** The keys of the tries that were answered. */
  async reached(tries: readonly Try[]): Promise<Set<string>> {
    return (await this.report(tries)).reached
  }

  report(tries: readonly Try[] = []): Promise<Report> {
    if (this.#isOver) return Promise.resolve(nothing)
    const id = ++this.#id
    return new Promise(resolve => {
      this.#waiting.set(id, resolve)
      this.#child.stdin?.write(`${JSON.stringify({ id, tries })}\n`)
    })
  }

  async stop(): Promise<void> {
    if (this.#isOver) return
    const ended = new Promise(resolve => this.#child.once('close', resolve))
    this.#child.stdin?.end()
    await ended
  }
}
