// How scheduling rules plug in. For each pod, every plugin prepares once; then filters say which nodes could take the
// pod, and scores say which of them should. A plugin that has nothing to say about a pod skips it.
//
//   prepare ──► filter (each node) ──► score (each feasible node) ──► normalize ──► × weight ──► best node
//
// Source: kube-scheduler's scheduling framework (KEP-624).
import type { AnyKind, Kind, KubeObject } from '../api/kind.ts'
import type { MirrorChange } from '../api/mirror.ts'
import type { DeepReadonly } from '../api/schema/node.ts'
import type { NodeInfo, Pod, PodInfo } from './info.ts'
import type { Snapshot } from './snapshot.ts'

export const maxScore = 100

/** Why a node cannot take a pod. `ever: false`: nor could it if pods were evicted from it. */
export interface No {
  no: string | readonly string[]
  ever: boolean
}

/** The plugin has nothing to say about this pod. */
export const skip: unique symbol = Symbol('skip')

/** The pod cannot run anywhere, whatever the nodes are. */
export interface Rejected {
  rejected: string
}

export interface Wake {
  kind: AnyKind
  /** Whether this change may let a pod run that this plugin kept from running. */
  when(pod: PodInfo, change: MirrorChange): boolean
}

export interface Plugin<F = unknown, S = unknown> {
  name: string
  weight: number
  /** Typed result for the filter; without it the filter gets undefined. */
  prepare?(pod: PodInfo, snapshot: Snapshot): F | typeof skip | Rejected
  /** The only nodes that can pass, when the plugin knows them by name. */
  only?(state: F): readonly string[] | undefined
  filter?(state: F, node: NodeInfo, pod: PodInfo): true | No
  /** Typed result for the score, made over the nodes that passed. */
  prepareScore?(pod: PodInfo, nodes: readonly NodeInfo[], snapshot: Snapshot): S | typeof skip
  score?(state: S, node: NodeInfo, pod: PodInfo): number
  /** Brings scores into 0…100; without it they are there already. */
  normalize?(state: S, scores: Float64Array, nodes: readonly NodeInfo[]): void
  wakeOn: readonly Wake[]
}

/** Writes a plugin down, with its state typed. */
export function definePlugin<F = undefined, S = undefined>(
  plugin: Omit<Plugin<F, S>, 'weight'> & { weight?: number },
): Plugin {
  return { weight: 1, ...plugin } as unknown as Plugin
}

/** Typed form of a wake-up. */
export function wake<T extends KubeObject>(
  kind: Kind<T>,
  when: (pod: PodInfo, after: DeepReadonly<T> | undefined, before: DeepReadonly<T> | undefined) => boolean,
): Wake {
  return {
    kind,
    when: (pod, { type, item, before }) =>
      when(
        pod,
        type === 'DELETED' ? undefined : (item.object as DeepReadonly<T>),
        before?.object as DeepReadonly<T> | undefined,
      ),
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

export const isOnNode = (pod: Pod | undefined): boolean =>
  pod !== undefined && !!pod.spec.nodeName && pod.status.phase !== 'Succeeded' && pod.status.phase !== 'Failed'

/** A pod has left a node, or holds less of it than before. */
export const freed = (after: Pod | undefined, before: Pod | undefined): boolean => isOnNode(before) && !isOnNode(after)

/** A pod has come onto a node. */
export const settled = (after: Pod | undefined, before: Pod | undefined): boolean =>
  isOnNode(after) && !isOnNode(before)
