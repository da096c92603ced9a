// What the scheduler works out about the devices of one pod: which claims it has, what can be allocated for them on each
// node, and what it takes when it has a node. Nothing here waits or writes to the API.
// Source: plugins/dynamicresources/dynamicresources.go (PreFilter, Filter, Score, Reserve).
import type { Clock } from '../../base/clock.ts'
import type { Random } from '../../base/random.ts'
import { matchesTerms } from '../../kinds/core/node-selection.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { extendedClaimAnnotation } from '../../kinds/resource/claim-use.ts'
import type { ResourceClaim } from '../../kinds/resource/resourceclaim.ts'
import type { AllocationResult } from '../../kinds/resource/resourceclaimstatus.ts'
import type { Handle, No, Rejected } from '../framework.ts'
import type { NodeInfo, PodInfo } from '../info.ts'
import { resourceName } from '../resources.ts'
import { allocate, type Budget, type Choice, decisionBudget } from './allocate.ts'
import { type ExtendedClaim, extendedClaim, ExtendedResources } from './extended.ts'
import { type Ledger, ledgerOf } from './ledger.ts'
import { claimKey, claimsOf, obstacle } from './pod-claims.ts'
import { isOverdue, readinessOf } from './readiness.ts'
import type { Unallocated } from './requests.ts'
import { allocationOf } from './result.ts'

/** The alternatives of a request have scores from this one down. */
const maxAlternatives = 8
/** The first resource that is neither CPU, memory, storage nor pods. */
const firstExtended = 4

interface Claim {
  claim: ResourceClaim
  /** Undefined as long as the claim has no devices. */
  allocation: AllocationResult | undefined
}

/** What was found on one node. */
interface Plan {
  claims: readonly (Unallocated & { uid: string })[]
  choices: readonly (readonly Choice[])[]
  extended: ExtendedClaim | undefined
}

/** What a pod takes on its node. */
interface Reservation {
  /** By the uid of the claim. */
  allocations: ReadonlyMap<string, AllocationResult>
  extended: (ExtendedClaim & { allocation: AllocationResult }) | undefined
}

/** The state of one decision on a pod with claims. */
export interface DeviceState {
  pod: Pod
  claims: readonly Claim[]
  /** Resources that a class stands for, with the name of the class, by their index. */
  extended: ReadonlyMap<number, string>
  /** The claim for extended resources of an earlier attempt that was not cleaned up. */
  stale: ResourceClaim | undefined
  budget: Budget
  plans: Map<string, Plan>
  /** Claims whose devices some node cannot reach, or that do not become ready. */
  unsuited: Set<ResourceClaim>
  hasAlternatives: boolean
  reserved?: Reservation
  /** Claims as they were written for the pod. */
  bound: ResourceClaim[]
}

/** Under which the devices for extended resources are held, since their claim does not exist yet. */
export const extendedUid = (pod: Pod): string => `extended resources of ${pod.metadata.uid}`

const refuse = (no: string): No => ({ no, ever: false })
const elsewhere = refuse('resourceclaim not available on the node')
const leftOver = refuse('cannot schedule extended resource claim')

export class DevicePlanner {
  readonly ledger: Ledger
  readonly #resources: ExtendedResources
  readonly #clock: Clock
  readonly #random: Random
  readonly #patienceMs: number

  /** @param patienceMs how long a claim may wait for the conditions of its devices */
  constructor(handle: Handle, patienceMs: number) {
    this.ledger = ledgerOf(handle)
    this.#clock = handle.clock
    this.#random = handle.random
    this.#patienceMs = patienceMs
    this.#resources = new ExtendedResources(this.ledger.classes, handle.signal)
  }

  /** The state for a pod. Undefined if it has no devices, rejected if no node can have any for it now. */
  prepare(info: PodInfo): DeviceState | Rejected | undefined {
    const { pod } = info
    const extended = this.#extendedOf(info)
    if (!pod.spec.resourceClaims?.length && !extended.size) return undefined
    const found = claimsOf(pod, this.ledger.claims)
    if ('waits' in found) return { rejected: found.waits }
    if (!found.length && !extended.size) return undefined
    for (const claim of found) {
      const why = obstacle(claim, pod, this.ledger)
      if (why !== undefined) return { rejected: why }
    }
    const claims = found.map(claim => ({ claim, allocation: this.ledger.allocationOf(claim) }))
    return {
      pod,
      claims,
      extended,
      stale: extended.size ? this.#staleClaim(pod) : undefined,
      budget: { left: decisionBudget },
      plans: new Map(),
      unsuited: new Set(),
      hasAlternatives: claims.some(
        ({ claim, allocation }) =>
          !allocation && claim.spec.devices.requests?.some(request => request.firstAvailable?.length),
      ),
      bound: [],
    }
  }

  filter(state: DeviceState, info: NodeInfo): true | No {
    if (state.stale) return leftOver
    const { node } = info
    const unsuited = state.claims.filter(claim => claim.allocation && !this.#suits(claim, node))
    for (const { claim } of unsuited) state.unsuited.add(claim)
    const extended = this.#extendedOn(state, info)
    const claims = unallocated(state, extended)
    if (claims.length) {
      const reachable = {
        pools: this.ledger.pools.at(node),
        classOf: (name: string) => this.ledger.classes.get(undefined, name),
        rules: this.ledger.rules.list(),
      }
      const choices = allocate(claims, reachable, this.ledger.usage, state.budget)
      if ('unfit' in choices) return refuse(choices.unfit)
      state.plans.set(info.name, { claims, choices, extended })
    }
    return unsuited.length ? elsewhere : true
  }

  /** The earlier the alternatives that were chosen, the more. */
  score({ plans }: DeviceState, { name }: NodeInfo): number {
    let score = 0
    for (const choices of plans.get(name)?.choices ?? [])
      for (const { request, part, claim } of new Set(choices.map(({ want }) => want))) {
        if (part === undefined) continue
        const { firstAvailable = [] } = claim.spec.devices.requests!.find(one => one.name === request)!
        score += maxAlternatives - firstAvailable.findIndex(one => one.name === part)
      }
    return score
  }

  /** Counts what was found on the node as in use. */
  reserve(state: DeviceState, { pod }: PodInfo, { name: node }: NodeInfo): true | string {
    const plan = state.plans.get(node)
    if (!plan) return true
    const made = { node, makeId: () => this.#random.uuid() }
    const allocations = new Map(
      plan.claims.map((claim, i) => [claim.uid, allocationOf(claim, plan.choices[i]!, made)] as const),
    )
    if (!this.ledger.hold(allocations)) return 'devices were allocated to other claims meanwhile'
    const allocation = allocations.get(extendedUid(pod))
    state.reserved = {
      allocations,
      extended: plan.extended && allocation ? { ...plan.extended, allocation } : undefined,
    }
    return true
  }

  #suits({ claim, allocation }: Claim, node: NodeInfo['node']): boolean {
    const terms = allocation?.nodeSelector?.nodeSelectorTerms
    if (terms && !matchesTerms(node, terms)) return false
    const readiness = readinessOf(claim)
    if (readiness === 'ready' || !claim.status.allocation) return true
    return readiness === 'waiting' && !isOverdue(claim, this.#clock.now(), this.#patienceMs)
  }

  #extendedOf({ requests }: PodInfo): Map<number, string> {
    const found = new Map<number, string>()
    for (let i = firstExtended; i < requests.length; i++) {
      const deviceClass = requests[i]! > 0 ? this.#resources.classOf(resourceName(i)) : undefined
      if (deviceClass) found.set(i, deviceClass.metadata.name ?? '')
    }
    return found
  }

  /** The claim for the resources that no device plugin offers on the node. */
  #extendedOn({ pod, extended }: DeviceState, { allocatable }: NodeInfo): ExtendedClaim | undefined {
    const classes = new Map<string, string>()
    for (const [index, deviceClass] of extended) if (!allocatable[index]) classes.set(resourceName(index), deviceClass)
    return classes.size ? extendedClaim(pod, classes) : undefined
  }

  #staleClaim({ metadata }: Pod): ResourceClaim | undefined {
    return this.ledger.claims
      .ownedBy(metadata.uid ?? '')
      .find(claim => claim.metadata.annotations?.[extendedClaimAnnotation] === 'true')
  }
}

/** What is to be allocated on a node: the claims without devices, and one for extended resources. */
function unallocated({ pod, claims }: DeviceState, extended: ExtendedClaim | undefined): Plan['claims'] {
  const found = claims.flatMap(({ claim, allocation }) =>
    allocation ? [] : [{ uid: claim.metadata.uid ?? '', key: claimKey(claim), spec: claim.spec }],
  )
  if (!extended) return found
  const key = `${pod.metadata.namespace}/<extended-resources>`
  return [...found, { uid: extendedUid(pod), key, spec: { devices: { requests: extended.requests } } }]
}
