// Which pods of the node end so that a critical pod fits. Best-effort pods go before burstable ones, and those before
// guaranteed ones; within a class as few as possible, and of those that help as much the ones that request less. Pure.
//
// A worked example: a critical pod lacks 600m of CPU. Of the burstable pods a (200m), b (700m) and c (900m), b and c
// would each be enough, a would not. b goes, since it requests less than c.
// Source: kubernetes pkg/kubelet/preemption/preemption.go.
import { quantityMilli, quantityValue } from '../../api/quantity.ts'
import { podRequests } from '../../kinds/core/pod-resources.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { isPreemptable } from './critical.ts'
import { qosOf } from '../pod/spec.ts'

/** How much of a resource is missing: thousandths of a CPU, and bytes or pieces of everything else. */
export interface Shortage {
  resource: string
  amount: number
}

/** An amount as the node counts it: thousandths of a CPU, and whole units of everything else. */
export const amountOf = (resource: string, text: string | undefined): number =>
  resource === 'cpu' ? quantityMilli(text) : quantityValue(text)

/**
 * The pods that end for the sake of `preemptor`.
 * @param pods the pods on the node that have not ended
 * @returns the victims, or why there are not enough
 */
export function planPreemption(
  preemptor: Pod,
  pods: readonly Pod[],
  shortages: readonly Shortage[],
): { victims: readonly Pod[] } | { problem: string } {
  const candidates = pods.filter(pod => isPreemptable(preemptor, pod)).map(candidateOf)
  const left = without(shortages, candidates)
  if (left.length) return { problem: `no set of running pods found to reclaim resources: ${textOf(left)}` }
  const of = (qos: string) => candidates.filter(({ pod }) => qosOf(pod) === qos)
  const [bestEffort, burstable, guaranteed] = [of('BestEffort'), of('Burstable'), of('Guaranteed')]
  // Each class gives only what would still be missing if all of the classes before it went.
  const first = nearest(guaranteed, without(shortages, [...bestEffort, ...burstable]))
  const second = nearest(burstable, without(shortages, [...bestEffort, ...first]))
  const third = nearest(bestEffort, without(shortages, [...second, ...first]))
  return { victims: [...third, ...second, ...first].map(({ pod }) => pod) }
}

interface Candidate {
  pod: Pod
  requests: Readonly<Record<string, string>>
}

const candidateOf = (pod: Pod): Candidate => ({ pod, requests: podRequests(pod.spec) })
const requestOf = ({ requests }: Candidate, resource: string): number =>
  resource === 'pods' ? 1 : amountOf(resource, requests[resource])

/** What is still missing when these pods are gone. */
function without(shortages: readonly Shortage[], gone: readonly Candidate[]): Shortage[] {
  return shortages
    .map(({ resource, amount }) => ({
      resource,
      amount: gone.reduce((left, candidate) => left - requestOf(candidate, resource), amount),
    }))
    .filter(({ amount }) => amount > 0)
}

/** Takes the pod that brings the node nearest to what is missing, until nothing is. */
function nearest(candidates: readonly Candidate[], shortages: readonly Shortage[]): Candidate[] {
  const left = [...candidates]
  const taken: Candidate[] = []
  for (let missing = [...shortages]; missing.length && left.length; ) {
    const best = left.reduce((a, b) => (isBetter(b, a, missing) ? b : a))
    left.splice(left.indexOf(best), 1)
    taken.push(best)
    missing = without(missing, [best])
  }
  return taken
}

function isBetter(a: Candidate, b: Candidate, missing: readonly Shortage[]): boolean {
  const [mine, others] = [distance(a, missing), distance(b, missing)]
  return mine < others || (mine === others && requestsLess(a, b))
}

/** The shares of what is missing that the pod does not cover, squared and added. */
const distance = (candidate: Candidate, missing: readonly Shortage[]): number =>
  missing.reduce((sum, { resource, amount }) => {
    const left = amount - requestOf(candidate, resource)
    return left > 0 ? sum + (left / amount) ** 2 : sum
  }, 0)

function requestsLess(a: Candidate, b: Candidate): boolean {
  for (const resource of ['memory', 'cpu']) {
    const [mine, others] = [requestOf(a, resource), requestOf(b, resource)]
    if (mine !== others) return mine < others
  }
  return true
}

const textOf = (shortages: readonly Shortage[]): string =>
  `[${shortages.map(({ resource, amount }) => `(res: ${resource}, q: ${amount}), `).join('')}]`
