// Decisions without an API server, on given nodes and pods: for tables in tests, and to measure the scheduler alone.
import { VirtualClock } from '../base/clock.ts'
import { silentLog } from '../base/log.ts'
import { type Random, seededRandom } from '../base/random.ts'
import type { Labels } from '../api/labels.ts'
import { type AnyMirror, Mirror } from '../api/mirror.ts'
import { Client } from '../client/index.ts'
import { defaultConfig, type SchedulerConfig } from './config.ts'
import { choose, type DecideOptions, type Decision, failureOf, findNodes } from './decide.ts'
import type { PostFiltered } from './framework.ts'
import type { PodInfo } from './info.ts'
import { Nominations } from './nominations.ts'
import type { Profile } from './profile.ts'
import { makeProfiles } from './profiles.ts'
import { type Cluster, Snapshot } from './snapshot.ts'
import { WaitingRoom } from './waiting.ts'

interface Offline {
  snapshot: Snapshot
  nominations: Nominations
  profile: Profile
  /** Decides on a pod without putting it on a node. The next search begins after the nodes that were asked. */
  decide(pod: PodInfo): Decision
  /** The message of a pod without a node, and the eviction that would make room. Throws if the pod fits. */
  makeRoom(pod: PodInfo): { message: string; made: PostFiltered }
}

interface OfflineOptions {
  config?: SchedulerConfig
  random?: Random
  namespaces?: Readonly<Record<string, Labels>>
  ownSelector?: Cluster['ownSelector']
  /** The mirror of a kind; by default an empty one. */
  mirror?: (kind: { kind: string }) => AnyMirror | undefined
}

export function openOffline(options: OfflineOptions = {}): Offline {
  const { config = defaultConfig, random = seededRandom(1), namespaces = {} } = options
  const clock = new VirtualClock()
  const client = new Client({
    serve: () => Promise.reject(new Error('there is no API server')),
    user: { name: 'offline', groups: [] },
    userAgent: 'offline',
    clock,
    log: silentLog,
    shared: kind => options.mirror?.(kind) ?? new Mirror(),
  })
  const { signal } = new AbortController()
  const waiting = new WaitingRoom(clock)
  const forgetAnswers = () => profile?.answers.clear()
  const handle = { client, clock, random, log: silentLog, signal, waiting, forgetAnswers }
  const [profile] = makeProfiles(config, handle).values()
  const snapshot = new Snapshot({
    namespaceLabels: name => namespaces[name],
    ownSelector: options.ownSelector ?? (() => undefined),
  })
  const nominations = new Nominations(snapshot)
  let start = 0
  const at = (): DecideOptions => ({ profile: profile!, snapshot, random, nominations, start })
  return {
    snapshot,
    nominations,
    profile: profile!,
    decide(pod) {
      const found = findNodes(pod, at())
      start = found.total ? (start + found.looked) % found.total : 0
      return choose(found, at())
    },
    makeRoom(pod) {
      const found = findNodes(pod, at())
      const { outcome } = choose(found, at())
      if (outcome.type === 'node') throw new Error(`${pod.key} fits on ${outcome.node.name}`)
      // Without nodes there is nothing to evict.
      if (found.total === 0) return { message: outcome.message, made: {} }
      const failure = failureOf(found, at(), undefined)
      const messages: string[] = []
      let made: PostFiltered = {}
      for (const plugin of profile!.postFilters) {
        const answer = plugin.postFilter!(pod, failure)
        if (answer instanceof Promise) throw new Error('there is no API server to wait for')
        made = answer
        if (typeof made.nomination === 'object') messages.length = 0
        if (made.message) messages.push(made.message)
        if (typeof made.nomination === 'object') break
      }
      return { message: messages.length ? `${outcome.message} ${messages.join(', ')}` : outcome.message, made }
    },
  }
}
