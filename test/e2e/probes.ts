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

export class Probe {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, (reached: Set<string>) => void>()
  #id = 0
  #isOver = false

  private constructor(child: ChildProcess) {
    this.#child = child
    createInterface({ input: child.stdout! }).on('line', line => {
      const { id, reached } = JSON.parse(line) as { id: number; reached: string[] }
      this.#waiting.get(id)?.(new Set(reached))
      this.#waiting.delete(id)
    })
    child.stdin?.on('error', () => {})
    child.on('close', () => {
      this.#isOver = true
      for (const end of this.#waiting.values()) end(new Set())
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
  reached(tries: readonly Try[]): Promise<Set<string>> {
    if (this.#isOver) return Promise.resolve(new Set())
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
