// ResourceQuota: refuses what would exceed a quota of the namespace, and records usage in the quota's status.
//
// What always holds:
//
// - Usage is recorded before the object is stored, by a write that expects the quota's revision. Two requests that
//   together exceed a quota are therefore not both admitted, even by two servers at the same time.
// - Requests of one namespace that arrive while an earlier batch is being written form the next batch. Within a batch
//   they are decided in order of arrival, each with the usage of the earlier ones, and each quota is updated once.
// - A refused request adds nothing, neither to the quota that refused it nor to the others.
// - Usage is never reduced here. When an object is deleted, or is not stored after all, the recorded usage is too high
//   until the quota controller counts again. So quotas may refuse too much for a short time.
//
// Limits: a dry run is checked, but records nothing. A batch whose write conflicts is decided again, at most `maxTries`
// times. Resources whose usage the controller has not recorded yet are refused, since they cannot be compared. If the
// controller counts after usage is recorded and before the object is stored, it records too little until its next
// count.
// Source: plugin/pkg/admission/resourcequota.
import { Chore } from '../../base/chore.ts'
import type { Clock } from '../../base/clock.ts'
import { StatusError } from '../../base/errors.ts'
import type { AnyKind, KubeObject } from '../../api/kind.ts'
import type { Item } from '../../api/mirror.ts'
import { addQuantities, compareQuantities, subtractQuantities } from '../../api/quantity.ts'
import { Pod } from '../../kinds/core/pod.ts'
import type { Quantities } from '../../kinds/core/pod-resources.ts'
import { isCountable, isInScope, limitedPart, missingResources, usageOf } from '../../kinds/core/quota-usage.ts'
import { ResourceQuota } from '../../kinds/core/resourcequota.ts'
import { StoreConflict } from '../../store/index.ts'
import { forbidden } from '../errors.ts'
import { editable } from '../body.ts'
import type { AdmissionRequest } from './request.ts'
import type { Storage } from '../storage.ts'
import type { AdmissionPlugin } from './chain.ts'

/** Attempts to record usage, which may conflict with writes of the controller and of other servers. */
const maxTries = 10

export function resourceQuota(storage: Storage, clock: Clock): AdmissionPlugin {
  const gates = new Map<string, Gate>()
  return {
    name: 'ResourceQuota',
    async validate(request) {
      const { kind, namespace, subresource, options } = request.operation
      const counted =
        (request.type === 'CREATE' && !subresource) || (request.type === 'UPDATE' && !noQuota.has(subresource))
      if (!counted || !namespace || kind === ResourceQuota || !isCountable(kind)) return
      if (!hasQuota(storage, namespace)) return
      const asked = quotaRequest(request, clock.now())
      if (!asked) return
      if (options.dryRun) return void decide(asked, quotasOf(storage, namespace), new Map())
      let gate = gates.get(namespace)
      if (!gate) gates.set(namespace, (gate = new Gate(storage, namespace, () => gates.delete(namespace))))
      await gate.pass(asked)
    },
  }
}

const noQuota = new Set(['status', 'ephemeralcontainers', 'approval', 'finalize'])
const hasQuota = (storage: Storage, namespace: string) => {
  for (const _ of storage.mirror(ResourceQuota).items(namespace)) return true
  return false
}
const quotasOf = (storage: Storage, namespace: string) => [...storage.mirror(ResourceQuota).items(namespace)]

/** What a request would add to the usage. */
interface QuotaRequest {
  kind: AnyKind
  name: string
  object: KubeObject
  old: KubeObject | undefined
  usage: Quantities
}

function quotaRequest({ type, operation, object, old }: AdmissionRequest, now: number): QuotaRequest | undefined {
  const { kind, name } = operation
  const usage = usageOf(kind, object!, now)
  if (type === 'UPDATE') {
    const before = usageOf(kind, old!, now)
    for (const [resource, value] of Object.entries(before))
      if (usage[resource] !== undefined) usage[resource] = subtractQuantities(usage[resource], value)
    for (const [resource, value] of Object.entries(usage))
      if (compareQuantities(value, '0') <= 0) delete usage[resource]
  }
  return Object.keys(usage).length ? { kind, name, object: object!, old, usage } : undefined
}

interface Waiting {
  request: QuotaRequest
  resolve: () => void
  reject: (reason: unknown) => void
}

/** Decides the requests of one namespace, one batch at a time. It lives as long as requests are waiting. */
class Gate {
  readonly #storage: Storage
  readonly #namespace: string
  readonly #passing: Chore
  #waiting: Waiting[] = []

  /** @param empty called when no request waits any more */
  constructor(storage: Storage, namespace: string, empty: () => void) {
    this.#storage = storage
    this.#namespace = namespace
    this.#passing = new Chore({}, async () => {
      await this.#passAll()
      if (!this.#waiting.length) empty()
    })
  }

  pass(request: QuotaRequest): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request, resolve, reject })
      this.#passing.wake()
    })
  }

  async #passAll(): Promise<void> {
    const batch = this.#waiting
    this.#waiting = []
    try {
      await this.#decideAll(batch)
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }

  async #decideAll(batch: readonly Waiting[]): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const quotas = quotasOf(this.#storage, this.#namespace)
      const used = new Map<string, Quantities>()
      const outcome = batch.map(({ request }) => {
        try {
          decide(request, quotas, used)
        } catch (error) {
          return error
        }
        return undefined
      })
      try {
        await this.#recordUsage(quotas, used)
      } catch (error) {
        if (!(error instanceof StoreConflict) || attempt >= maxTries) throw error
        await this.#storage.catchUp()
        continue
      }
      for (const [i, { resolve, reject }] of batch.entries()) {
        if (outcome[i] === undefined) resolve()
        else reject(outcome[i])
      }
      return
    }
  }

  async #recordUsage(quotas: readonly Item<ResourceQuota>[], used: ReadonlyMap<string, Quantities>): Promise<void> {
    for (const { object, revision } of quotas) {
      const now = used.get(object.metadata.name ?? '')
      if (!now) continue
      const next = editable<ResourceQuota>(ResourceQuota, object)
      next.status.used = { ...next.status.used, ...now }
      await this.#storage.write(ResourceQuota, next, revision)
    }
  }
}

/** Adds a request to the usage by quota. Throws Forbidden, and adds nothing, if that exceeds one of the quotas. */
function decide(request: QuotaRequest, quotas: readonly Item<ResourceQuota>[], used: Map<string, Quantities>): void {
  const sums = new Map<string, Quantities>()
  for (const { object: quota } of quotas) {
    if (!isInScope(quota.spec, request.kind, request.object)) continue
    const name = quota.metadata.name ?? ''
    const hard = quota.status.hard ?? {}
    const asked = limitedPart(request.usage, quota.spec.hard)
    if (request.kind === Pod && !request.old) {
      const missing = missingResources(request.object as Pod, quota.spec.hard)
      if (missing) throw forbidden(request.kind, request.name, `failed quota: ${name}: must specify ${missing}`)
    }
    const resources = Object.keys(asked)
    if (!resources.length) continue
    const unknown = resources.filter(r => hard[r] === undefined || quota.status.used?.[r] === undefined)
    if (unknown.length)
      throw forbidden(
        request.kind,
        request.name,
        `status unknown for quota: ${name}, resources: ${unknown.sort().join(',')}`,
      )
    const before = { ...quota.status.used, ...used.get(name) }
    const after = Object.fromEntries(resources.map(r => [r, addQuantities(before[r]!, asked[r]!)]))
    const over = resources.filter(
      r => compareQuantities(asked[r]!, '0') > 0 && compareQuantities(after[r]!, hard[r]!) > 0,
    )
    if (over.length) throw exceeded(request, name, over, { asked, before, hard })
    sums.set(name, { ...used.get(name), ...after })
  }
  for (const [name, sum] of sums) used.set(name, sum)
}

function exceeded(
  { kind, name }: QuotaRequest,
  quota: string,
  over: readonly string[],
  { asked, before, hard }: Record<'asked' | 'before' | 'hard', Quantities>,
): StatusError {
  const list = (values: Quantities) =>
    [...over]
      .sort()
      .map(resource => `${resource}=${values[resource]}`)
      .join(',')
  return forbidden(
    kind,
    name,
    `exceeded quota: ${quota}, requested: ${list(asked)}, used: ${list(before)}, limited: ${list(hard)}`,
  )
}
