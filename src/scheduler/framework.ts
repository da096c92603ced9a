// The interface of scheduling plugins. A plugin is one object whose methods are the points of a pod's way to its node;
// a point that a plugin does not have costs nothing. The result of `prepare` is the plugin's state for one pod, and is
// passed to all its later points.
//
//   preEnqueue ─► (queue, in the order of `before`) ─► prepare ─► filter (each node) ──────────────┐
//                                                                   └─ no node: postFilter          ▼
//   postBind ◄─ bind ◄─ preBind ◄─ permit (may wait) ◄─ reserve ◄─ best node ◄─ × weight ◄─ normalize ◄─ score
//
// What a plugin may rely on:
//
// - One plugin object serves all pods of its profile. The points up to `permit` are called for one pod after the other,
//   in the order of the picture; the later ones run in the background, for several pods at once.
// - The snapshot does not change between two calls of one decision, unless extenders are asked in between. During
//   `postFilter`, pods are taken off nodes and put back; `Failure.ask` sees them as they are at that moment.
// - After a successful `reserve` either `postBind` or `unreserve` follows. `unreserve` is also called for plugins whose
//   `reserve` was not reached, in the reverse order, so it must be able to find nothing to give back.
//
// What a plugin must do in return: leave pods, nodes and the snapshot unchanged, and keep no NodeInfo beyond a
// decision, since it changes afterwards. Its answers must depend on no more than its `depends` declares, since they are
// cached by that. And it must have a `wakeOn` for every change that may turn its refusal into a pass, or the pod waits
// for five minutes; one that is too broad only costs time.
//
// When a plugin throws, the error affects as little as possible:
//
//   preEnqueue                            the pod is set aside and tried again after five minutes
//   before                                the two pods count as equal
//   filter                                the node is refused; the attempt fails only if no other node passes
//   score                                 the node has a score of 0
//   prepare, prepareScore, normalize,     the attempt fails, and the pod backs off; the condition of the pod has the
//   postFilter, reserve, permit,          message
//   preBind, bind
//   unreserve, postBind                   the error is logged
//   wakeOn                                the change counts as helpful
//
// Source: kube-scheduler's scheduling framework (KEP-624), staging/src/k8s.io/kube-scheduler/framework.
import { messageOf } from '../base/errors.ts'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import { sameJson } from '../api/equal.ts'
import type { AnyKind, Kind, KubeObject } from '../api/kind.ts'
import type { MirrorChange } from '../api/mirror.ts'
import type { Client } from '../client/index.ts'
import type { Fields } from '../api/config-file.ts'
import type { NodeInfo, PodInfo } from './info.ts'
import type { Snapshot } from './snapshot.ts'
import type { Pod } from '../kinds/core/pod.ts'
import { isTerminal } from '../kinds/core/pod-phase.ts'

export const maxScore = 100

/** Why a node cannot take a pod. With `ever: false` it could not either if pods were evicted from it. */
export interface No {
  no: string | readonly string[]
  ever: boolean
}

/** The plugin does not take part in the decision on this pod. */
export const skip: unique symbol = Symbol.for('kutter.scheduler.skip')

/** The pod cannot run on any node, for the reason in `rejected`. */
export interface Rejected {
  rejected: string
}

export interface Wake {
  kind: AnyKind
  /** Whether this change may let a pod run that this plugin kept from running. */
  when(pod: PodInfo, change: MirrorChange): boolean
}

/** The refusal of one node. */
export interface Refusal {
  node: NodeInfo
  plugin: string
  no: No
  /** The error, when the plugin threw instead of answering. */
  error?: unknown
}

/** An error that a plugin threw. Source of the message: pkg/scheduler/framework/runtime/framework.go. */
export class PluginError extends Error {
  constructor(point: string, plugin: string, cause: unknown) {
    super(`running ${point} plugin ${JSON.stringify(plugin)}: ${messageOf(cause)}`, { cause })
    this.name = 'PluginError'
  }
}

/** A node that would have room if these pods were evicted. */
export interface Eviction {
  node: NodeInfo
  victims: readonly PodInfo[]
  /** How many of the victims violate a disruption budget. */
  violations: number
}

/** A decision that found no node, for `postFilter`. */
export interface Failure {
  /** The refusals of the nodes that were evaluated. */
  refusals: readonly Refusal[]
  /** The refusal of all other nodes. */
  others: No | undefined
  snapshot: Snapshot
  /** Takes a pod off its node for a moment, and puts it back. */
  take(pod: PodInfo, node: NodeInfo): void
  put(pod: PodInfo, node: NodeInfo): void
  /** The refusal of a node with the pods that it has at this moment. */
  ask(node: NodeInfo): Refusal | undefined
  /** Whether the answer for a node depends on nothing but that node and the pods on it. */
  local: boolean
  /** Lets extenders narrow evictions down. Undefined when none of them takes part. */
  narrow: ((evictions: readonly Eviction[]) => Promise<readonly Eviction[]>) | undefined
}

export interface PostFiltered {
  /** Appended to the pod's condition and event. */
  message?: string
  /**
   * The change of the pod's nomination. With an eviction the pod is nominated for the node of the eviction. With
   * `remove` its nomination is removed, since no eviction would help it. Undefined if the nomination stays.
   */
  nomination?: Eviction | 'remove'
}

/**
 * The answer of `permit`. With `deny` the pod returns to the queue. With `waitMs` it waits until the plugin allows or
 * rejects it by `Handle.waiting`; after that time it is rejected.
 */
export type Permission = 'allow' | { deny: string } | { waitMs: number }

export interface Plugin<F = unknown, S = unknown> {
  name: string
  /** The factor of its scores, unless the configuration has another. */
  weight: number
  /** PreEnqueue. Returns why the pod may not enter the queue, or true. */
  preEnqueue?(pod: PodInfo): true | string
  /** QueueSort. Whether `a` is decided on before `b`. Equal pods are decided on in the order in which they came. */
  before?(a: PodInfo, b: PodInfo): boolean
  /** PreFilter. Returns the state for all later points; without this method they receive undefined. */
  prepare?(pod: PodInfo, snapshot: Snapshot): F | typeof skip | Rejected
  /**
   * On what the answers for pods with the same signature depend. With `node`, they depend only on the node and the pods
   * on it, and are cached. With `pods`, they depend on pods of other nodes too. Without it, they may depend on
   * anything.
   */
  depends?: 'node' | 'pods'
  /** The names of the only nodes that can pass, if the pod names them. */
  only?(state: F): readonly string[] | undefined
  filter?(state: F, node: NodeInfo, pod: PodInfo): true | No
  /** PostFilter. Tries to make room when no node passed. The first plugin that returns an eviction is the last. */
  postFilter?(pod: PodInfo, failure: Failure): PostFiltered | Promise<PostFiltered>
  /** PreScore. Returns the state for `score` and `normalize`, made for the nodes that passed. */
  prepareScore?(pod: PodInfo, nodes: readonly NodeInfo[], snapshot: Snapshot): S | typeof skip
  score?(state: S, node: NodeInfo, pod: PodInfo): number
  /** Brings the scores into 0 to 100, in place. Without it `score` must return numbers in that range. */
  normalize?(state: S, scores: Float64Array, nodes: readonly NodeInfo[]): void
  /** Reserves what the pod needs on its node, in the plugin's own records. Returns true, or why that is impossible. */
  reserve?(pod: PodInfo, node: NodeInfo, state: F | undefined): true | string
  /** Gives back what was reserved, because a later point failed. */
  unreserve?(pod: PodInfo, node: NodeInfo, state: F | undefined): void
  permit?(pod: PodInfo, node: NodeInfo, state: F | undefined): Permission
  /** Does what the pod needs before it is bound. Throws if that fails. */
  preBind?(pod: PodInfo, node: NodeInfo, state: F | undefined): Promise<void>
  /** Binds the pod. Returns false to leave that to the next plugin. */
  bind?(pod: PodInfo, node: NodeInfo, state: F | undefined): Promise<boolean>
  postBind?(pod: PodInfo, node: NodeInfo, state: F | undefined): void
  wakeOn: readonly Wake[]
}

/** Defines a plugin, with types for its states and defaults for `weight` and `wakeOn`. */
export function definePlugin<F = undefined, S = undefined>(
  plugin: Omit<Plugin<F, S>, 'weight' | 'wakeOn'> & { weight?: number; wakeOn?: readonly Wake[] },
): Plugin {
  return { weight: 1, wakeOn: [], ...plugin }
}

/** Pods that wait at `permit`. */
export interface WaitingPods {
  list(): readonly { pod: PodInfo; node: string; plugins: readonly string[] }[]
  /** The plugin permits the pod. The pod goes on when all plugins that made it wait have done so. */
  allow(uid: string, plugin: string): void
  reject(uid: string, plugin: string, message: string): void
}

/** The parts of the scheduler that a plugin may use. */
export interface Handle {
  client: Client
  clock: Clock
  random: Random
  log: Log
  signal: AbortSignal
  waiting: WaitingPods
  /**
   * Drops all kept answers. A plugin with `depends: 'node'` calls it when something else has changed on which its
   * answers depend.
   */
  forgetAnswers(): void
}

/** Makes a plugin in two steps: `read` checks its arguments, and its result is called once for each profile. */
export interface PluginMaker {
  name: string
  read(args: Fields): (handle: Handle) => Plugin
}

/** A plugin without arguments. */
export const plain = (plugin: Plugin): PluginMaker => ({ name: plugin.name, read: () => () => plugin })

/** A wake-up with types. `after` is undefined for a deletion, `before` for a new object. */
export function wake<T extends KubeObject>(
  kind: Kind<T>,
  when: (pod: PodInfo, after: T | undefined, before: T | undefined) => boolean,
): Wake {
  return {
    kind,
    when: (pod, { type, item, before }) =>
      when(pod, type === 'DELETED' ? undefined : (item.object as T), before?.object as T | undefined),
  }
}

/** Scales scores to 0 to 100, in place, with the highest at 100. With `reverse`, the lowest is the best. */
export function spreadScores(scores: Float64Array, reverse = false): void {
  let top = 0
  for (const score of scores) if (score > top) top = score
  for (let i = 0; i < scores.length; i++) {
    const share = top === 0 ? 0 : Math.floor((scores[i]! * maxScore) / top)
    scores[i] = top === 0 ? (reverse ? maxScore : 0) : reverse ? maxScore - share : share
  }
}

const isOnNode = (pod: Pod | undefined): boolean => pod !== undefined && !!pod.spec.nodeName && !isTerminal(pod)

/** Whether a pod has left its node, by deletion or because it ended. */
export const freed = (after: Pod | undefined, before: Pod | undefined): boolean => isOnNode(before) && !isOnNode(after)

/** Whether a pod was bound to a node. */
export const settled = (after: Pod | undefined, before: Pod | undefined): boolean =>
  isOnNode(after) && !isOnNode(before)

/** Whether the labels of a bound pod have changed. */
export const relabelled = (after: Pod | undefined, before: Pod | undefined): boolean =>
  isOnNode(after) &&
  before !== undefined &&
  after!.metadata.labels !== before.metadata.labels &&
  !sameJson(after!.metadata.labels, before.metadata.labels)
