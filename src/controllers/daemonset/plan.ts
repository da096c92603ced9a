// Which nodes need a daemon pod, which have one too many, and which old one to replace next. Pure.
// Source: pkg/controller/daemon (daemon_controller.go, update.go, util).
import type { Draft } from '../../api/kind.ts'
import type { DeepReadonly } from '../../api/schema/node.ts'
import { parseTime } from '../../api/time.ts'
import { scaledValue } from '../../kinds/apps/rolling-update.ts'
import type { DaemonSet as DaemonSetObject } from '../../kinds/apps/daemonset.ts'
import type { Toleration } from '../../kinds/core/affinity.ts'
import type { Node as NodeObject } from '../../kinds/core/node.ts'
import { matchesNodeAffinity } from '../../kinds/core/node-selection.ts'
import type { PodTemplateSpec } from '../../kinds/core/podtemplatespec.ts'
import { tolerated } from '../../kinds/core/tolerations.ts'
import { revisionLabel } from '../history.ts'
import { isActive, isAvailable, isReady, isTerminal, type Pod } from '../pods.ts'

export type DaemonSet = DeepReadonly<DaemonSetObject>
export type Node = DeepReadonly<NodeObject>

const prefix = 'node.kubernetes.io/'
/** Daemon pods run on nodes in trouble too. */
const noExecute = ['not-ready', 'unreachable']
const noSchedule = ['disk-pressure', 'memory-pressure', 'pid-pressure', 'unschedulable']

function tolerationsOf({ spec }: DeepReadonly<PodTemplateSpec>): DeepReadonly<Toleration>[] {
  const tolerate = (names: string[], effect: 'NoExecute' | 'NoSchedule') =>
    names.map(name => ({ key: prefix + name, operator: 'Exists' as const, effect }))
  return [
    ...(spec.tolerations ?? []),
    ...tolerate(noExecute, 'NoExecute'),
    ...tolerate(noSchedule, 'NoSchedule'),
    ...(spec.hostNetwork ? tolerate(['network-unavailable'], 'NoSchedule') : []),
  ]
}

/** Whether the node should get a pod, and whether one that runs there may go on. */
export function suits(set: DaemonSet, node: Node): { run: boolean; goOn: boolean } {
  const { template } = set.spec
  const named = !template.spec.nodeName || template.spec.nodeName === node.metadata.name
  if (!named || !matchesNodeAffinity(template, node)) return { run: false, goOn: false }
  const tolerations = tolerationsOf(template)
  const refused = (node.spec.taints ?? []).filter(taint => !tolerated(tolerations, taint))
  const goOn = !refused.some(taint => taint.effect === 'NoExecute')
  return { run: goOn && !refused.some(taint => taint.effect === 'NoSchedule'), goOn }
}

/** The node a daemon pod is for, also before the scheduler has put it there. */
export function targetNode(pod: Pod): string | undefined {
  if (pod.spec.nodeName) return pod.spec.nodeName
  const terms = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms
  return terms?.flatMap(term => term.matchFields ?? []).find(r => r.key === 'metadata.name')?.values?.[0]
}

/** The pod for one node: bound to it by affinity, so that the scheduler still checks its room. */
export function daemonTemplate(set: DaemonSet, hash: string, node: string): Draft<PodTemplateSpec> {
  const { template } = set.spec
  const generation = set.metadata.annotations?.['deprecated.daemonset.template.generation']
  const field = { key: 'metadata.name', operator: 'In' as const, values: [node] }
  const nodeAffinity = template.spec.affinity?.nodeAffinity
  const terms = nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms
  const named = terms?.length ? terms.map(term => ({ ...term, matchFields: [field] })) : [{ matchFields: [field] }]
  return {
    ...template,
    metadata: {
      ...template.metadata,
      labels: {
        ...template.metadata.labels,
        [revisionLabel]: hash,
        ...(generation && { 'pod-template-generation': generation }),
      },
    },
    spec: {
      ...template.spec,
      tolerations: tolerationsOf(template),
      affinity: {
        ...template.spec.affinity,
        nodeAffinity: {
          ...nodeAffinity,
          requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: named },
        },
      },
    },
  }
}

export interface DaemonPlan {
  create: string[]
  remove: Pod[]
  /** Ended pods among those to remove: to be said in an event. */
  ended: Pod[]
}

/** What to make and remove; `hash` is the current revision. */
export function planDaemons(
  set: DaemonSet,
  nodes: readonly Node[],
  pods: readonly Pod[],
  hash: string,
  now: number,
): DaemonPlan {
  const byNode = groupByNode(pods)
  const plan: DaemonPlan = { create: [], remove: [], ended: [] }
  const known = new Set(nodes.map(node => node.metadata.name ?? ''))
  for (const node of nodes) planNode(set, node, byNode.get(node.metadata.name ?? '') ?? [], plan)
  // Pods for nodes that are gone and were never started nobody else removes.
  for (const pod of pods) {
    const target = targetNode(pod)
    if (target && !known.has(target) && !pod.spec.nodeName && !pod.metadata.deletionTimestamp) plan.remove.push(pod)
  }
  if (set.spec.updateStrategy.type === 'RollingUpdate') planUpdate(set, nodes, byNode, hash, now, plan)
  return plan
}

export function groupByNode(pods: readonly Pod[]): Map<string, Pod[]> {
  const byNode = new Map<string, Pod[]>()
  for (const pod of pods) {
    const node = targetNode(pod)
    if (node) byNode.set(node, [...(byNode.get(node) ?? []), pod])
  }
  return byNode
}

function planNode(set: DaemonSet, node: Node, pods: readonly Pod[], plan: DaemonPlan): void {
  const { run, goOn } = suits(set, node)
  if (!goOn) {
    plan.remove.push(...pods.filter(pod => !pod.metadata.deletionTimestamp))
    return
  }
  if (run && pods.length === 0) plan.create.push(node.metadata.name ?? '')
  const ended = pods.filter(pod => isTerminal(pod) && !pod.metadata.deletionTimestamp)
  plan.ended.push(...ended)
  plan.remove.push(...ended)
  const active = pods.filter(isActive).sort(byCreation)
  // During a surge there are two for a while; more than that are a mistake.
  const allowed = surgeOf(set) > 0 ? 2 : 1
  plan.remove.push(...active.slice(allowed))
}

const byCreation = (a: Pod, b: Pod) =>
  (parseTime(a.metadata.creationTimestamp) ?? 0) - (parseTime(b.metadata.creationTimestamp) ?? 0) ||
  Number(!!b.spec.nodeName) - Number(!!a.spec.nodeName)

const surgeOf = ({ spec }: DaemonSet) =>
  spec.updateStrategy.type === 'RollingUpdate' &&
  Number.parseInt(String(spec.updateStrategy.rollingUpdate?.maxSurge ?? 0), 10)
    ? 1
    : 0

/** Replaces old pods as fast as the limits allow, unavailable ones first since nothing is lost with them. */
function planUpdate(
  set: DaemonSet,
  nodes: readonly Node[],
  byNode: ReadonlyMap<string, readonly Pod[]>,
  hash: string,
  now: number,
  plan: DaemonPlan,
): void {
  const wanted = nodes.filter(node => suits(set, node).run)
  const rolling = set.spec.updateStrategy.rollingUpdate
  const maxSurge = scaledValue(rolling?.maxSurge ?? 0, wanted.length, 'up')
  const maxUnavailable = Math.max(scaledValue(rolling?.maxUnavailable ?? 1, wanted.length, 'up'), maxSurge ? 0 : 1)
  const available = (pod: Pod) => isAvailable(pod, set.spec.minReadySeconds ?? 0, now)
  let [unavailable, surging] = [0, 0]
  const [bad, good, toSurge]: [Pod[], Pod[], string[]] = [[], [], []]
  for (const node of wanted) {
    const name = node.metadata.name ?? ''
    const pods = (byNode.get(name) ?? []).filter(pod => !plan.remove.includes(pod))
    const active = pods.filter(isActive)
    const fresh = active.find(pod => pod.metadata.labels?.[revisionLabel] === hash)
    const old = active.find(pod => pod.metadata.labels?.[revisionLabel] !== hash)
    if (maxSurge > 0 && fresh && old) {
      surging++
      if (available(fresh) || !available(old)) plan.remove.push(old)
      continue
    }
    if (!active.some(available)) unavailable++
    if (fresh || !old) continue
    if (!available(old)) bad.push(old)
    else if (maxSurge > 0) toSurge.push(name)
    else good.push(old)
  }
  plan.remove.push(...bad)
  if (maxSurge > 0) plan.create.push(...toSurge.slice(0, Math.max(0, maxSurge - surging)))
  else plan.remove.push(...good.slice(0, Math.max(0, maxUnavailable - unavailable)))
}

/** The numbers of a daemon set's status. */
export function planDaemonStatus(
  set: DaemonSet,
  nodes: readonly Node[],
  pods: readonly Pod[],
  hash: string,
  now: number,
): Draft<DaemonSetObject['status']> {
  const byNode = groupByNode(pods)
  const count = {
    desiredNumberScheduled: 0,
    currentNumberScheduled: 0,
    numberMisscheduled: 0,
    numberReady: 0,
    updatedNumberScheduled: 0,
    numberAvailable: 0,
  }
  for (const node of nodes) {
    const active = (byNode.get(node.metadata.name ?? '') ?? []).filter(pod => !isTerminal(pod)).sort(byCreation)
    if (!suits(set, node).run) {
      if (active.length) count.numberMisscheduled++
      continue
    }
    count.desiredNumberScheduled++
    if (!active.length) continue
    count.currentNumberScheduled++
    if (active.some(isReady)) count.numberReady++
    if (active.some(pod => isAvailable(pod, set.spec.minReadySeconds ?? 0, now))) count.numberAvailable++
    if (active.some(pod => pod.metadata.labels?.[revisionLabel] === hash)) count.updatedNumberScheduled++
  }
  return {
    ...set.status,
    ...count,
    numberUnavailable: count.desiredNumberScheduled - count.numberAvailable,
    observedGeneration: set.metadata.generation ?? 0,
  }
}
