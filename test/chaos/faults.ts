// The faults of a cluster under chaos: each breaks something, and returns what ends it.
import type { Random } from '../../src/base/random.ts'
import { below } from './clients.ts'
import type { LinkMode, Medium } from './medium.ts'
import type { ChaosNode, Connection } from './node.ts'
import type { ProcessClock } from './process-clock.ts'
import type { Server } from './server.ts'
import type { Traps } from './trap.ts'

export type Mend = () => void
export type Fault = readonly [name: string, make: () => Mend]

const [second, hour] = [1000, 3600_000]
const leaseMs = 15 * second

/** What operations of several writes write. */
const trapped = [
  'kutter.dev.allocations/',
  'core/services/',
  'core/services/',
  'networking.k8s.io/ipaddresses/',
  'core/pods/',
  'core/namespaces/',
  'core/configmaps/temp-',
  'policy/poddisruptionbudgets/',
  'apps/statefulsets/',
  'coordination.k8s.io/leases/kube-system/',
]

export interface Parts {
  random: Random
  medium: Medium
  server: Server
  /** Of the controllers, as far as that is observed. */
  leader: Server
  servers: readonly Server[]
  node: ChaosNode
  candidate: { clock: ProcessClock; connection: Connection }
  traps: Traps
  /** Runs something after a time of the cluster's clock. */
  after(ms: number, run: () => void): void
  count(fault: string): void
}

/** The faults of parts that were chosen. */
export function faultsOf(parts: Parts): Fault[] {
  const { random, server, leader, node, candidate, medium, after } = parts
  return [
    ['none', () => () => {}],
    ['server killed', () => (server.kill(), () => void server.start())],
    ['leader killed', () => (leader.kill(), () => void leader.start())],
    ['server starts again', () => (server.kill(), void server.start(), () => {})],
    ['a trap between writes', () => trap(parts)],
    ['a trap between writes', () => trap(parts)],
    ['server paused', () => (server.pause(), () => server.resume())],
    ['leader paused for just longer than its lease', () => pauseLeader(leader, random, after)],
    ...linkFaults(medium, server, 'a server'),
    ...linkFaults(medium, leader, 'the leader'),
    ['answers of the store lost', () => loseAnswers(medium, server)],
    ['node cut', () => (node.connection.cut(), () => node.connection.mend())],
    ['kubelet killed', () => (void node.kill(), () => node.start())],
    ['node boots', () => (node.reboot(), () => {})],
    ['time set', () => (server.setTime(random.float() < 0.5 ? hour : -hour), () => {})],
    ['candidate paused', () => (candidate.clock.pause(), () => candidate.clock.resume())],
    ['candidate cut', () => (candidate.connection.cut(), () => candidate.connection.mend())],
    ['history compacted', () => (void compact(server, medium, random).catch(() => {}), () => {})],
    ...medium.faults,
  ]
}

const linkFaults = (medium: Medium, { index }: Server, whose: string): Fault[] =>
  (
    [
      ['cut', 'cut'],
      ['stalls', 'stalled'],
      ['is deaf', 'deaf'],
    ] as const
  ).map(([what, mode]) => [`store of ${whose} ${what}`, () => setLink(medium, index, mode)])

function setLink(medium: Medium, server: number, mode: LinkMode): Mend {
  const link = medium.link(server)
  link?.set(mode)
  return () => link?.set('open')
}

/** Most traps are sprung by the next change that somebody makes; one that is not is put away. */
function trap({ random, traps, servers, count }: Parts): Mend {
  const prefix = `/registry/${trapped[below(random, trapped.length)]!}`
  const when = random.float() < 0.5 ? 'before' : 'after'
  let ended: Server | undefined
  const spring = (index: number) => {
    count('server killed between writes')
    ended = servers[index]!
    ended.kill()
  }
  traps.set({ prefix, left: 1 + below(random, 4), when, spring })
  return () => {
    traps.clear()
    void ended?.start()
  }
}

function pauseLeader(leader: Server, random: Random, after: Parts['after']): Mend {
  leader.pause()
  after(leaseMs + random.float() * 4 * second, () => leader.resume())
  return () => {}
}

function loseAnswers(medium: Medium, { index }: Server): Mend {
  const link = medium.link(index)
  if (!link) return () => {}
  link.losesAnswers = true
  return () => void (link.losesAnswers = false)
}

/** Leaves enough for watches that have not seen all yet, or little, after which they begin again. */
async function compact(server: Server, { leastHistory }: Medium, random: Random): Promise<void> {
  const { store } = server.plane?.core.storage ?? {}
  const left = random.float() < 0.5 ? 500 : leastHistory
  await store?.compact(Math.max(0, store.stats().revision - left))
}
