// The claims of the pods of a node: prepared by their drivers before a pod starts, and unprepared when it has ended.
//
//   pod's volumes are there ──▶ read its claims ──▶ note ──▶ NodePrepareResources, once per driver ──▶ note ──▶ sandbox
//   container starts ──▶ the CDI devices of the requests that it names become a part of its configuration
//   pod's containers have ended ──▶ NodeUnprepareResources of the claims that no other pod has ──▶ note
//                                                             ──▶ only now the pod's status may be Succeeded or Failed
//
// What always holds:
//
// - A claim is in the checkpoint from before the first call until after the last one. So whichever moment a kubelet is
//   killed at, the next one finds what has to be undone.
// - Work on one claim follows each other. A driver that hangs delays the pods with its claims, and no others.
// - A pod whose claims cannot be used leaves no trace, so that it can end although a driver was never there.
// - Every call has a deadline. A driver that fails or lies fails the pods that need it, which are tried again.
//
// Source: pkg/kubelet/cm/dra/manager.go.
import type { Clock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import { Locks } from '../../base/locks.ts'
import type { Log } from '../../base/log.ts'
import type { Client } from '../../client/index.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { ResourceClaim } from '../../kinds/resource/resourceclaim.ts'
import { counts } from '../metrics.ts'
import { namespaceOf, type ReadContainer, uidOf } from '../pod/spec.ts'
import type { ClaimRef, DraCalls } from './calls.ts'
import { readCheckpoint, writeCheckpoint } from './checkpoint.ts'
import { claimsOf, driversFor, hasClaims, isForRequest, usesOf } from './pod-claims.ts'
import { checkAnswers, keyOf, type NodeClaim, readDevices } from './prepared.ts'

interface ManagerOptions {
  client: Pick<Client, 'get'>
  /** Throws when a driver is not there. */
  driver(name: string): DraCalls
  /** Where the checkpoint is. Its directory exists. */
  checkpoint: string
  clock: Clock
  log: Log
}

/** A claim that a pod may use, with the drivers of its devices. */
interface Allowed extends ClaimRef {
  readonly drivers: readonly string[]
}

export class DraManager {
  readonly #o: ManagerOptions
  /** By namespace and name. */
  #claims: ReadonlyMap<string, NodeClaim> = new Map()
  readonly #locks = new Locks()

  constructor(options: ManagerOptions) {
    this.#o = options
  }

  /** Reads what a former kubelet has noted. To be called once, before all else. */
  async open(): Promise<void> {
    const { claims, problem } = await readCheckpoint(this.#o.checkpoint)
    if (problem !== undefined) this.#o.log.error('which pods have which claims cannot be read', { why: problem })
    this.#claims = new Map(claims.map(claim => [keyOf(claim), claim]))
  }

  /** What the node has of a claim. */
  claim = (namespace: string, name: string): NodeClaim | undefined => this.#claims.get(keyOf({ namespace, name }))

  /** The uids of the pods that have claims. */
  pods(): Set<string> {
    return new Set([...this.#claims.values()].flatMap(({ pods }) => [...pods]))
  }

  /** Whether drivers may have something prepared for a pod. */
  holds = (uid: string): boolean => this.#of(uid).length > 0

  #of = (uid: string): NodeClaim[] => [...this.#claims.values()].filter(({ pods }) => pods.has(uid))

  /** The pods that have a device of a driver, as `POOL/DEVICE`. */
  podsWith(driver: string, devices: ReadonlySet<string>): Set<string> {
    const pods = new Set<string>()
    for (const claim of this.#claims.values())
      if (claim.drivers.get(driver)?.some(({ pool, device }) => devices.has(`${pool}/${device}`)))
        for (const pod of claim.pods) pods.add(pod)
    return pods
  }

  /** Lets drivers prepare the claims of a pod. Undefined if it has none. The promise rejects with why it cannot start. */
  prepare(pod: Pod, signal: AbortSignal): Promise<void> | undefined {
    if (!hasClaims(pod)) return undefined
    return this.#timed('PrepareResources', 'prepare dynamic resources', signal, () => this.#prepare(pod, signal))
  }

  async #prepare(pod: Pod, signal: AbortSignal): Promise<void> {
    const allowed: Allowed[] = []
    for (const { name, isOwned } of claimsOf(pod)) allowed.push(await this.#allowed(pod, name, isOwned, signal))
    // A pod that needs a driver which is not there is not noted, and so it can end without it.
    for (const { drivers } of allowed) for (const name of drivers) this.#o.driver(name)
    await this.#locked(allowed, signal, async () => {
      for (const { namespace, name, uid } of allowed) {
        const there = this.claim(namespace, name)
        if (there && there.uid !== uid)
          throw new Error(
            `old ResourceClaim with same name ${name} and different UID ${there.uid} still exists (previous pod force-deleted?!)`,
          )
      }
      const isNoted = allowed.every(claim => this.claim(claim.namespace, claim.name)?.pods.has(uidOf(pod)))
      const isNew = ({ namespace, name, drivers }: Allowed) => {
        const there = this.claim(namespace, name)
        return !there?.isPrepared || drivers.some(driver => !there.drivers.has(driver))
      }
      const open = allowed.filter(isNew)
      if (isNoted && !open.length) return
      await this.#change(claims => {
        for (const claim of allowed) claims.set(keyOf(claim), notedFor(claim, uidOf(pod), claims.get(keyOf(claim))))
      })
      for (const [driver, claims] of byDriver(open)) await this.#ask(driver, claims, signal)
      if (!open.length) return
      await this.#change(claims => {
        for (const claim of open) claims.set(keyOf(claim), { ...claims.get(keyOf(claim))!, isPrepared: true })
      })
    })
  }

  /** Throws an error that says why the pod may not use the claim. */
  async #allowed(pod: Pod, name: string, isOwned: boolean, signal: AbortSignal): Promise<Allowed> {
    const namespace = namespaceOf(pod)
    let claim: ResourceClaim
    try {
      claim = await this.#o.client.get(ResourceClaim, { namespace, name }, { signal })
    } catch (cause) {
      throw new Error(`fetch ResourceClaim ${name}: ${messageOf(cause)}`, { cause })
    }
    return { namespace, name, uid: claim.metadata.uid ?? '', drivers: driversFor(pod, claim, isOwned) }
  }

  /** Asks a driver to prepare claims, and keeps in memory what it answers. */
  async #ask(driver: string, claims: readonly ClaimRef[], signal: AbortSignal): Promise<void> {
    const answers = await called('NodePrepareResources', this.#o.driver(driver).prepare(claims.map(refOf), signal))
    checkAnswers('NodePrepareResources', claims, answers)
    const prepared = claims.map(claim => ({ claim, devices: readDevices(answers[claim.uid]!) }))
    const next = new Map(this.#claims)
    for (const { claim, devices } of prepared) {
      const there = next.get(keyOf(claim))!
      next.set(keyOf(claim), { ...there, drivers: new Map([...there.drivers, [driver, devices]]) })
    }
    this.#claims = next
  }

  /**
   * The CDI devices of a container, by name. Undefined if it uses no claims. The promise rejects when drivers must prepare
   * them again and do not, since the checkpoint was lost.
   */
  devicesOf(pod: Pod, container: ReadContainer, signal: AbortSignal): Promise<string[]> | undefined {
    return hasClaims(pod) && usesOf(pod, container).length ? this.#devicesOf(pod, container, signal) : undefined
  }

  async #devicesOf(pod: Pod, container: ReadContainer, signal: AbortSignal): Promise<string[]> {
    const uses = usesOf(pod, container)
    const namespace = namespaceOf(pod)
    if (uses.some(({ claim }) => !this.claim(namespace, claim)?.pods.has(uidOf(pod)))) await this.prepare(pod, signal)
    const ids = uses.flatMap(({ claim, request }) => {
      const devices = [...(this.claim(namespace, claim)?.drivers.values() ?? [])].flat()
      return devices.filter(({ requests }) => isForRequest(requests, request)).flatMap(({ cdiIds }) => cdiIds)
    })
    return [...new Set(ids)]
  }

  /** Lets drivers undo what they prepared for a pod that has ended. It can be repeated, and must be until it resolves. */
  async unprepare(uid: string, signal?: AbortSignal): Promise<void> {
    if (!this.holds(uid)) return
    await this.#timed('UnprepareResources', 'unprepare dynamic resources', signal, () =>
      this.#locked(this.#of(uid), signal, () => this.#unprepare(uid, signal)),
    )
  }

  async #unprepare(uid: string, signal: AbortSignal | undefined): Promise<void> {
    const mine = this.#of(uid)
    const unused = mine.filter(({ pods }) => pods.size === 1)
    for (const [driver, claims] of byDriver(unused.map(claim => ({ ...claim, drivers: [...claim.drivers.keys()] })))) {
      const call = this.#o.driver(driver).unprepare(claims.map(refOf), signal)
      checkAnswers('NodeUnprepareResources', claims, await called('NodeUnprepareResources', call))
    }
    await this.#change(claims => {
      for (const { namespace, name } of mine) {
        const key = keyOf({ namespace, name })
        const there = claims.get(key)
        const pods = new Set(there?.pods)
        pods.delete(uid)
        if (there && pods.size) claims.set(key, { ...there, pods })
        else claims.delete(key)
      }
    })
  }

  /** Runs `work` while nothing else is done for the claims. */
  #locked<T>(claims: readonly ClaimRef[], signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    // All take them in the same order, so that none waits for another that waits for it.
    const take = ([first, ...rest]: string[]): Promise<T> =>
      first === undefined ? work() : this.#locks.run(`claim ${first}`, signal, () => take(rest))
    return take(claims.map(keyOf).sort())
  }

  /** Changes what is noted, on disk and then in memory. Throws an error when the disk does, and nothing changes. */
  #change(change: (claims: Map<string, NodeClaim>) => void): Promise<void> {
    return this.#locks.run('checkpoint', undefined, async () => {
      const next = new Map(this.#claims)
      change(next)
      await writeCheckpoint(this.#o.checkpoint, next.values()).catch((cause: unknown) => {
        throw new Error(`checkpoint ResourceClaim state: ${messageOf(cause)}`, { cause })
      })
      // Drivers may have answered for other claims while it was written.
      const now = new Map(this.#claims)
      change(now)
      this.#claims = now
      counts.claims(this.#claims.values())
    })
  }

  async #timed(operation: string, what: string, signal: AbortSignal | undefined, work: () => Promise<void>) {
    const { clock } = this.#o
    const from = clock.steady()
    let isError = true
    try {
      await work()
      isError = false
    } catch (cause) {
      signal?.throwIfAborted()
      throw new Error(`${what}: ${messageOf(cause)}`, { cause })
    } finally {
      counts.draOperation(clock.steady() - from, operation, isError)
    }
  }
}

const refOf = ({ namespace, name, uid }: ClaimRef): ClaimRef => ({ namespace, name, uid })

/** A claim that a pod uses from now on. */
function notedFor(claim: Allowed, pod: string, there: NodeClaim | undefined): NodeClaim {
  const missing = claim.drivers.filter(driver => !there?.drivers.has(driver))
  return {
    ...refOf(claim),
    pods: new Set([...(there?.pods ?? []), pod]),
    drivers: new Map([...(there?.drivers ?? []), ...missing.map(driver => [driver, []] as const)]),
    isPrepared: there?.isPrepared === true && !missing.length,
  }
}

/** The claims of each driver. */
function byDriver<C extends ClaimRef & { readonly drivers: readonly string[] }>(
  claims: readonly C[],
): Map<string, C[]> {
  const batches = new Map<string, C[]>()
  for (const claim of claims)
    for (const driver of claim.drivers) batches.set(driver, [...(batches.get(driver) ?? []), claim])
  return batches
}

/** The answer of a call, whose failure says which one it was. */
async function called<T>(name: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (cause) {
    throw new Error(`${name}: ${messageOf(cause)}`, { cause })
  }
}
