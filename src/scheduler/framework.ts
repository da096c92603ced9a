// How scheduling rules plug in. A plugin is one object whose methods are the points of a pod's way to its node; a
// point a plugin does not have costs nothing. What `prepare` returns is the plugin's own state for this pod and is
// handed to all its later points.
//
//   preEnqueue ─► (queue, in the order of `before`) ─► prepare ─► filter (each node) ──────────────┐
//                                                                   └─ no node: postFilter          ▼
//   postBind ◄─ bind ◄─ preBind ◄─ permit (may wait) ◄─ reserve ◄─ best node ◄─ × weight ◄─ normalize ◄─ score
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
import type { Fields } from './fields.ts'
import type { NodeInfo, PodInfo } from './info.ts'
import type { Snapshot } from './snapshot.ts'
import type { Pod } from '../kinds/core/pod.ts'
import { isTerminal } from '../kinds/core/pod-phase.ts'

export const maxScore = 100

/** Why a node cannot take a pod. `ever: false`: nor could it if pods were evicted from it. */
export interface No {
  no: string | readonly string[]
  ever: boolean
}

/** The plugin has nothing to say about this pod. */
export const skip: unique symbol = Symbol.for('kutter.scheduler.skip')

/** The pod cannot run anywhere, whatever the nodes are. */
export interface Rejected {
  rejected: string
}

export interface Wake {
  kind: AnyKind
  /** Whether this change may let a pod run that this plugin kept from running. */
  when(pod: PodInfo, change: MirrorChange): boolean
}

/** One node's refusal. */
export interface Refusal {
  node: NodeInfo
  plugin: string
  no: No
  /** Set when it is no answer: the plugin threw. */
  error?: unknown
}

/** A plugin threw. Source of the wording: pkg/scheduler/framework/runtime/framework.go. */
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
  /** How many of them a disruption budget would rather keep. */
  violations: number
}

/** A decision that found no node, for `postFilter`. */
export interface Failure {
  /** Nodes that were asked and refused. */
  refusals: readonly Refusal[]
  /** What goes for all other nodes. */
  others: No | undefined
  snapshot: Snapshot
  /** Takes a pod off its node for a moment, and puts it back. */
  take(pod: PodInfo, node: NodeInfo): void
  put(pod: PodInfo, node: NodeInfo): void
  /** What keeps the pod from the node as things stand. */
  ask(node: NodeInfo): Refusal | undefined
  /** Whether the answer for a node depends on nothing but that node and the pods on it. */
  local: boolean
  /** Lets extenders object to evictions; undefined when none of them wants to be asked. */
  narrow: ((evictions: readonly Eviction[]) => Promise<readonly Eviction[]>) | undefined
}

export interface PostFiltered {
  /** Appended to the pod's condition and event. */
  message?: string
  /** Pods to evict; the pod waits for their node. */
  eviction?: Eviction
  /** The node that the pod was to get is of no use any more. */
  giveUp?: boolean
}

/** allow: go on; deny: back to the queue; waitMs: until another part of the plugin allows or rejects it, or so long. */
export type Permission = 'allow' | { deny: string } | { waitMs: number }

export interface Plugin<F = unknown, S = unknown> {
  name: string
  /** Factor of its scores where the configuration names none. */
  weight: number
  /** PreEnqueue: what keeps the pod out of the queue; true when nothing does. */
  preEnqueue?(pod: PodInfo): true | string
  /** QueueSort: which of two pods is decided on first; first come first served among equals. */
  before?(a: PodInfo, b: PodInfo): boolean
  /** PreFilter. Typed result for all later points; without it they get undefined. */
  prepare?(pod: PodInfo, snapshot: Snapshot): F | typeof skip | Rejected
  /**
   * What answers for pods of equal signatures depend on: `node`, on nothing but the node and the pods on it, and they
   * are remembered; `pods`, on pods elsewhere, too. Without it, on anything.
   */
  depends?: 'node' | 'pods'
  /** The only nodes that can pass, when the plugin knows them by name. */
  only?(state: F): readonly string[] | undefined
  filter?(state: F, node: NodeInfo, pod: PodInfo): true | No
  /** Tries to make room when no node passed; the first plugin with an eviction ends it. */
  postFilter?(pod: PodInfo, failure: Failure): PostFiltered | Promise<PostFiltered>
  /** PreScore. Typed result for the score, made over the nodes that passed. */
  prepareScore?(pod: PodInfo, nodes: readonly NodeInfo[], snapshot: Snapshot): S | typeof skip
  score?(state: S, node: NodeInfo, pod: PodInfo): number
  /** Brings scores into 0…100; without it they are there already. */
  normalize?(state: S, scores: Float64Array, nodes: readonly NodeInfo[]): void
  /** Takes what the pod needs on its node, in the plugin's own books; true, or why not. */
  reserve?(pod: PodInfo, node: NodeInfo, state: F | undefined): true | string
  /** Gives it back: a later point failed. Called for plugins whose reserve was not reached, too. */
  unreserve?(pod: PodInfo, node: NodeInfo, state: F | undefined): void
  permit?(pod: PodInfo, node: NodeInfo, state: F | undefined): Permission
  /** Work to be done before the binding; throwing sends the pod back to the queue. */
  preBind?(pod: PodInfo, node: NodeInfo, state: F | undefined): Promise<void>
  /** Binds the pod; false leaves it to the next plugin. */
  bind?(pod: PodInfo, node: NodeInfo, state: F | undefined): Promise<boolean>
  postBind?(pod: PodInfo, node: NodeInfo, state: F | undefined): void
  wakeOn: readonly Wake[]
}

/** Writes a plugin down, with its state typed. */
export function definePlugin<F = undefined, S = undefined>(
  plugin: Omit<Plugin<F, S>, 'weight' | 'wakeOn'> & { weight?: number; wakeOn?: readonly Wake[] },
): Plugin {
  return { weight: 1, wakeOn: [], ...plugin } as unknown as Plugin
}

/** Pods held at `permit`. */
export interface WaitingPods {
  list(): readonly { pod: PodInfo; node: string; plugins: readonly string[] }[]
  /** The plugin has nothing against the pod any more. */
  allow(uid: string, plugin: string): void
  reject(uid: string, plugin: string, message: string): void
}

/** What a plugin may use of the scheduler around it. */
export interface Handle {
  client: Client
  clock: Clock
  random: Random
  log: Log
  signal: AbortSignal
  waiting: WaitingPods
}

/** Makes plugins: first reads their arguments in the configuration, then, once a profile, makes the plugin. */
export interface PluginMaker {
  name: string
  read(args: Fields): (handle: Handle) => Plugin
}

/** A plugin without arguments. */
export const plain = (plugin: Plugin): PluginMaker => ({ name: plugin.name, read: () => () => plugin })

/** Typed form of a wake-up. */
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

/** Spreads scores over 0…100, with the best at 100; `reverse` when low is good. */
export function spreadScores(scores: Float64Array, reverse = false): void {
  let top = 0
  for (const score of scores) if (score > top) top = score
  for (let i = 0; i < scores.length; i++) {
    const share = top === 0 ? 0 : Math.floor((scores[i]! * maxScore) / top)
    scores[i] = top === 0 ? (reverse ? maxScore : 0) : reverse ? maxScore - share : share
  }
}

const isOnNode = (pod: Pod | undefined): boolean => pod !== undefined && !!pod.spec.nodeName && !isTerminal(pod)

/** A pod has left a node. */
export const freed = (after: Pod | undefined, before: Pod | undefined): boolean => isOnNode(before) && !isOnNode(after)

/** A pod has come onto a node. */
export const settled = (after: Pod | undefined, before: Pod | undefined): boolean =>
  isOnNode(after) && !isOnNode(before)

/** A pod on a node has other labels than before. */
export const relabelled = (after: Pod | undefined, before: Pod | undefined): boolean =>
  isOnNode(after) &&
  before !== undefined &&
  after!.metadata.labels !== before.metadata.labels &&
  !sameJson(after!.metadata.labels, before.metadata.labels)
