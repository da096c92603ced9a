// Decides which nodes need a daemon pod, which have one too many, and which old one is replaced next. Pure.
//
//   planDaemons ─► planNode for each node: create, remove, ended
//               └► if nothing was to create or remove, a rolling update: planSurge or planReplacement
//
// Source: pkg/controller/daemon (daemon_controller.go, update.go, util).
import type { Draft } from '../../api/kind.ts'
import { parseTime } from '../../api/time.ts'
import { scaledValue } from '../../kinds/apps/rolling-update.ts'
import type { Toleration } from '../../kinds/core/affinity.ts'
import { matchesNodeAffinity } from '../../kinds/core/node-selection.ts'
import type { PodTemplateSpec } from '../../kinds/core/podtemplatespec.ts'
import { tolerated } from '../../kinds/core/tolerations.ts'
import { revisionLabel } from '../history.ts'
import { isAvailable, isReady } from '../pods.ts'
import type { DaemonSet } from '../../kinds/apps/daemonset.ts'
import type { Node } from '../../kinds/core/node.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { isTerminal } from '../../kinds/core/pod-phase.ts'

const prefix = 'node.kubernetes.io/'
/** Taints that every daemon pod tolerates, since it also runs on nodes with problems. */
const noExecute = ['not-ready', 'unreachable']
const noSchedule = ['disk-pressure', 'memory-pressure', 'pid-pressure', 'unschedulable']

const tolerations = new WeakMap<object, readonly Toleration[]>()

/** The tolerations of a template's daemon pods. Kept by template, since they are needed for every node. */
function tolerationsOf(template: PodTemplateSpec): readonly Toleration[] {
  let known = tolerations.get(template)
  if (!known) tolerations.set(template, (known = withDaemonTolerations(template)))
  return known
}

function withDaemonTolerations({ spec }: PodTemplateSpec): readonly Toleration[] {
  const tolerate = (names: string[], effect: 'NoExecute' | 'NoSchedule') =>
    names.map(name => ({ key: prefix + name, operator: 'Exists' as const, effect }))
  const added = [
    ...tolerate(noExecute, 'NoExecute'),
    ...tolerate(noSchedule, 'NoSchedule'),
    ...(spec.hostNetwork ? tolerate(['network-unavailable'], 'NoSchedule') : []),
  ]
  const text = (t: Toleration) => JSON.stringify([t.key, t.operator, t.effect, t.value ?? ''])
  const same = new Set(added.map(text))
  return [...(spec.tolerations ?? []).filter(t => !same.has(text(t))), ...added]
}

/** Whether the node should get a pod (`run`), and whether an existing pod may stay there (`goOn`). */
export function suits(set: DaemonSet, node: Node): { run: boolean; goOn: boolean } {
  const { template } = set.spec
  const named = !template.spec.nodeName || template.spec.nodeName === node.metadata.name
  if (!named || !matchesNodeAffinity(template, node)) return { run: false, goOn: false }
  const all = tolerationsOf(template)
  const refused = (node.spec.taints ?? []).filter(taint => !tolerated(all, taint))
  const goOn = !refused.some(taint => taint.effect === 'NoExecute')
  return { run: goOn && !refused.some(taint => taint.effect === 'NoSchedule'), goOn }
}

/** The node that a daemon pod is for, also while the pod is not bound yet. */
function targetNode(pod: Pod): string | undefined {
  if (pod.spec.nodeName) return pod.spec.nodeName
  const terms = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms
  return terms?.flatMap(term => term.matchFields ?? []).find(r => r.key === 'metadata.name')?.values?.[0]
}

/** The pod for one node. Affinity ties it to the node, so that the scheduler still checks resources and binds it. */
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
  /** The names of the nodes that get a pod. */
  create: string[]
  remove: Pod[]
  /** Failed and succeeded pods to be replaced; the back-off of their node decides when. */
  ended: Pod[]
}

interface Given {
  set: DaemonSet
  nodes: readonly Node[]
  byNode: ReadonlyMap<string, readonly Pod[]>
  /** The current revision. */
  hash: string
  now: number
}

/** The plan for a set; `hash` is the current revision. */
export function planDaemons(
  set: DaemonSet,
  nodes: readonly Node[],
  pods: readonly Pod[],
  hash: string,
  now: number,
): DaemonPlan {
  // A pod that has ended and is terminating does not occupy its node any more.
  const byNode = groupByNode(pods.filter(pod => !(isTerminal(pod) && pod.metadata.deletionTimestamp)))
  const given = { set, nodes, byNode, hash, now }
  const plan: DaemonPlan = { create: [], remove: [], ended: [] }
  const known = new Set(nodes.map(node => node.metadata.name ?? ''))
  for (const node of nodes) planNode(given, node, plan)
  // No other controller deletes the unbound pods of deleted nodes. Bound ones are left to pod garbage collection.
  for (const pod of pods) {
    const target = targetNode(pod)
    if (target && !known.has(target) && !pod.spec.nodeName && !pod.metadata.deletionTimestamp) plan.remove.push(pod)
  }
  // Old pods are replaced only once every node has the pods it should have.
  const isSettled = !plan.create.length && !plan.remove.length
  if (set.spec.updateStrategy.type !== 'RollingUpdate' || !isSettled) return plan
  const update = limitsOf(given).surge > 0 ? planSurge(given) : planReplacement(given)
  return { ...update, ended: plan.ended.filter(pod => !update.remove.includes(pod)) }
}

function groupByNode(pods: readonly Pod[]): Map<string, Pod[]> {
  const byNode = new Map<string, Pod[]>()
  for (const pod of pods) {
    const node = targetNode(pod)
    if (!node) continue
    const same = byNode.get(node)
    if (same) same.push(pod)
    else byNode.set(node, [pod])
  }
  return byNode
}

function planNode(given: Given, node: Node, plan: DaemonPlan): void {
  const { set, byNode } = given
  const name = node.metadata.name ?? ''
  const pods = byNode.get(name) ?? []
  const { run, goOn } = suits(set, node)
  const staying = pods.filter(pod => !pod.metadata.deletionTimestamp)
  if (run && !pods.length) plan.create.push(name)
  else if (!goOn) plan.remove.push(...staying)
  else {
    plan.ended.push(...staying.filter(isTerminal))
    const active = staying.filter(pod => !isTerminal(pod)).sort(byCreation)
    if (!allowsSurge(set)) plan.remove.push(...active.slice(1))
    else if (active.length > 1) plan.remove.push(...surplusOfSurge(given, active))
    else if (!active.length && run) plan.create.push(name)
  }
}

/** A surge allows two pods, the old one and its successor, until the successor is available or the old one unready. */
function surplusOfSurge({ set, hash, now }: Given, active: readonly Pod[]): Pod[] {
  const updated = active.find(pod => isOf(pod, hash))
  const old = active.find(pod => !isOf(pod, hash))
  const surplus = active.filter(pod => pod !== updated && pod !== old)
  const isReplaced = updated && old && (!isReady(old) || isAvailable(updated, set.spec.minReadySeconds ?? 0, now))
  return isReplaced ? [...surplus, old] : surplus
}

const isOf = (pod: Pod, hash: string) => pod.metadata.labels?.[revisionLabel] === hash

const byCreation = (a: Pod, b: Pod) =>
  Number(!!b.spec.nodeName) - Number(!!a.spec.nodeName) ||
  (parseTime(a.metadata.creationTimestamp) ?? 0) - (parseTime(b.metadata.creationTimestamp) ?? 0) ||
  ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1)

const allowsSurge = ({ spec: { updateStrategy } }: DaemonSet) =>
  updateStrategy.type === 'RollingUpdate' &&
  Number.parseInt(String(updateStrategy.rollingUpdate?.maxSurge ?? 0), 10) > 0

function limitsOf({ set, nodes }: Given): { surge: number; unavailable: number; wanted: Node[] } {
  const wanted = nodes.filter(node => suits(set, node).run)
  const rolling = set.spec.updateStrategy.rollingUpdate
  const surge = scaledValue(rolling?.maxSurge ?? 0, wanted.length, 'up')
  const unavailable = scaledValue(rolling?.maxUnavailable ?? 1, wanted.length, 'up')
  // If both limits round to 0, one pod may be unavailable; otherwise the update would never go on.
  return { surge, unavailable: wanted.length && !surge && !unavailable ? 1 : unavailable, wanted }
}

/** The new and the old pod of each node that has or needs one. Undefined for a node with several new or old pods. */
function* pairs({ byNode, hash }: Given, wanted: readonly Node[]) {
  const names = new Set([...wanted.map(node => node.metadata.name ?? ''), ...byNode.keys()])
  for (const name of names) {
    const staying = (byNode.get(name) ?? []).filter(pod => !pod.metadata.deletionTimestamp)
    const [updated, old] = [staying.filter(pod => isOf(pod, hash)), staying.filter(pod => !isOf(pod, hash))]
    if (updated.length > 1 || old.length > 1) yield undefined
    else yield { name, updated: updated[0], old: old[0] }
  }
}

/** Removes old pods as fast as maxUnavailable allows. Unavailable ones go at once, since they serve nothing. */
function planReplacement(given: Given): Pick<DaemonPlan, 'create' | 'remove'> {
  const { set, now } = given
  const { unavailable: limit, wanted } = limitsOf(given)
  const available = (pod: Pod) => isAvailable(pod, set.spec.minReadySeconds ?? 0, now)
  let unavailable = 0
  const [bad, good]: [Pod[], Pod[]] = [[], []]
  for (const pair of pairs(given, wanted)) {
    if (!pair || Boolean(pair.updated) === Boolean(pair.old)) unavailable++
    else if (pair.updated && !available(pair.updated)) unavailable++
    else if (pair.old && !available(pair.old)) {
      bad.push(pair.old)
      unavailable++
    } else if (pair.old) good.push(pair.old)
  }
  const remove = [...bad, ...good.slice(0, Math.max(0, limit - unavailable))]
  return { create: [], remove }
}

/** Creates new pods beside old ones, and removes an old one once its successor is available. */
function planSurge(given: Given): Pick<DaemonPlan, 'create' | 'remove'> {
  const { set, nodes, now } = given
  const { surge: limit, wanted } = limitsOf(given)
  const wants = new Set(wanted.map(node => node.metadata.name ?? ''))
  const known = new Set(nodes.map(node => node.metadata.name ?? ''))
  const available = (pod: Pod) => isAvailable(pod, set.spec.minReadySeconds ?? 0, now)
  let [surging, availableNodes] = [0, 0]
  const remove: Pod[] = []
  const [atOnce, candidates, unwanted]: [string[], string[], Pod[]] = [[], [], []]
  for (const pair of pairs(given, wanted)) {
    const { name = '', updated, old } = pair ?? {}
    const shown = old ?? updated
    if (shown && available(shown)) availableNodes++
    if (!pair) surging++
    else if (old && updated) {
      if (available(updated)) remove.push(old)
      else surging++
    } else if (old && known.has(name)) {
      if (!wants.has(name)) (available(old) ? unwanted : remove).push(old)
      else (available(old) ? candidates : atOnce).push(name)
    }
  }
  // On a node that should not have a pod any more, the old one stays until enough others are available.
  remove.push(...unwanted.slice(0, Math.max(0, availableNodes - wanted.length)))
  return { create: [...atOnce, ...candidates.slice(0, Math.max(0, limit - surging))], remove }
}

/** The status of a set. Its numbers count nodes, not pods. */
export function planDaemonStatus(
  set: DaemonSet,
  nodes: readonly Node[],
  pods: readonly Pod[],
  hash: string,
  now: number,
): Draft<DaemonSet['status']> {
  const byNode = groupByNode(pods.filter(pod => !(isTerminal(pod) && pod.metadata.deletionTimestamp)))
  const count = {
    desiredNumberScheduled: 0,
    currentNumberScheduled: 0,
    numberMisscheduled: 0,
    numberReady: 0,
    updatedNumberScheduled: 0,
    numberAvailable: 0,
  }
  for (const node of nodes) {
    // Of several pods on a node only the oldest counts.
    const [pod] = [...(byNode.get(node.metadata.name ?? '') ?? [])].sort(byCreation)
    if (!suits(set, node).run) {
      if (pod) count.numberMisscheduled++
      continue
    }
    count.desiredNumberScheduled++
    if (!pod) continue
    count.currentNumberScheduled++
    if (isReady(pod)) count.numberReady++
    if (isAvailable(pod, set.spec.minReadySeconds ?? 0, now)) count.numberAvailable++
    if (isOf(pod, hash)) count.updatedNumberScheduled++
  }
  return {
    ...set.status,
    ...count,
    numberUnavailable: count.desiredNumberScheduled - count.numberAvailable,
    observedGeneration: set.metadata.generation ?? 0,
  }
}
