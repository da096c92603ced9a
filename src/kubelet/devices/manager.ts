// The devices of a node: which plugins are connected, what they list, and which containers have which devices.
//
//   plugin registers ──▶ options ──▶ lists of devices … ──▶ capacity of the node
//                                         │ the stream ends: nothing is healthy any more; after five minutes: nothing is left
//   pod is admitted ──▶ for each need: choose (plan.ts), note, ask the plugin to allocate ──▶ checkpoint ──▶ worker
//   container starts ──▶ PreStartContainer, if the plugin wants it ──▶ the answer becomes a part of its configuration
//   pod has ended ──▶ its devices are free: the next one that needs some finds that out
//
// What always holds:
//
// - A device is noted as used before anything is awaited, so two pods never get it. Choices for one resource follow each
//   other; a plugin that hangs delays the pods that need its resource, and no others.
// - A container starts only when what it has is in the checkpoint.
// - Every call to a plugin has a deadline. A plugin that fails a pod's call fails the pod, and nothing else.
//
// Source: pkg/kubelet/cm/devicemanager/manager.go.
import { messageOf } from '../../base/errors.ts'
import type { Clock } from '../../base/clock.ts'
import { Locks } from '../../base/locks.ts'
import type { Log } from '../../base/log.ts'
import { joined } from '../../base/waiters.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import type { ResourceStatus } from '../../kinds/core/podstatus.ts'
import { isExtended } from '../../kinds/core/resource-rules.ts'
import type { Rejection } from '../admission/admission.ts'
import { counts } from '../metrics.ts'
import { type ReadContainer, uidOf } from '../pod/spec.ts'
import type { Hints, Mask } from '../topology/hints.ts'
import { type HintProvider, neededAtOnce, unexpected } from '../topology/provider.ts'
import { onNode } from '../volumes/kubelet-dir.ts'
import { type Answer, mergeAnswers, readAnswer } from './answer.ts'
import { connectPlugin, type PluginCalls } from './calls.ts'
import { type Allotment, readCheckpoint, writeCheckpoint } from './checkpoint.ts'
import { complete, type Need, nearFirst, needsOf, planChoice, reusableFor } from './plan.ts'
import { countStocks, deviceHints, healthOf, healthyOf, isOver, readDevices, type Stock, unhealthy } from './stock.ts'

interface DeviceManagerOptions {
  /** The directory of the node, for which /var/lib/kubelet stands in answers. */
  nodeDir: string
  /** Where the checkpoint is. Its directory exists. */
  checkpoint: string
  /** The uids of the pods that may have devices. Undefined while they are not all known. */
  live(): ReadonlySet<string> | undefined
  /** Called when the capacity of the node may have changed. */
  onChange(): void
  /** Called with the uids of pods the health of whose devices has changed. */
  onHealth(pods: ReadonlySet<string>): void
  clock: Clock
  log: Log
  signal: AbortSignal
}

interface Plugin {
  readonly socket: string
  readonly calls: PluginCalls
  readonly options: Awaited<ReturnType<PluginCalls['options']>>
  readonly stop: AbortController
}

/** The most resources of a node. */
const maxResources = 100
/** The pause between two lists of a plugin: one that lists all the time is read ten times a second. */
const listPauseMs = 100

export class DeviceManager implements HintProvider {
  readonly #o: DeviceManagerOptions
  readonly #stocks = new Map<string, Stock>()
  /** By resource. Only those that are connected. */
  readonly #plugins = new Map<string, Plugin>()
  #allotments: Allotment[] = []
  readonly #locks = new Locks()

  constructor(options: DeviceManagerOptions) {
    this.#o = options
  }

  /** Reads what a former kubelet has noted. To be called once, before all else. */
  async open(): Promise<void> {
    const { resources, allotments, problem } = await readCheckpoint(this.#o.checkpoint)
    if (problem !== undefined) this.#o.log.error('which pods have which devices cannot be read', { why: problem })
    this.#allotments = [...allotments]
    // Until its plugin has registered again, a resource has no devices.
    const none = { devices: new Map(), stoppedAt: this.#o.clock.steady() }
    for (const resource of [...resources, ...allotments.map(allotment => allotment.resource)])
      this.#stocks.set(resource, none)
  }

  /** The number of devices of each resource that has, or had, a plugin. */
  counts = (): ReturnType<typeof countStocks> => countStocks(this.#stocks, this.#o.clock.steady())

  /** The devices of each resource. */
  get stocks(): ReadonlyMap<string, Stock> {
    return this.#stocks
  }

  /** What a pod's containers have. */
  allotmentsOf = (uid: string): Allotment[] => this.#allotments.filter(allotment => allotment.uid === uid)

  /** Takes a plugin into use, in place of an earlier one for the resource. Throws why that is impossible. */
  async register(resource: string, socket: string): Promise<void> {
    const { signal, log } = this.#o
    if (!isExtended(resource)) throw new Error(`the ResourceName ${JSON.stringify(resource)} is invalid`)
    await this.#locks.run(`plugin ${resource}`, signal, async () => {
      if (!this.#stocks.has(resource)) this.#forget()
      if (!this.#stocks.has(resource) && this.#stocks.size >= maxResources)
        throw new Error(`the node has ${maxResources} resources of devices already`)
      const calls = connectPlugin(socket)
      let options: Plugin['options']
      try {
        await calls.connect(signal)
        options = await calls.options(signal)
      } catch (error) {
        calls.close()
        throw error
      }
      this.#plugins.get(resource)?.stop.abort(new Error('another plugin has registered'))
      const plugin = { socket, calls, options, stop: new AbortController() }
      this.#plugins.set(resource, plugin)
      this.#stocks.set(resource, { devices: this.#stocks.get(resource)?.devices ?? new Map(), stoppedAt: undefined })
      counts.pluginRegistered(resource)
      log.info('a device plugin is registered', { resource, socket })
      void this.#follow(resource, plugin)
      await this.#save().catch((error: unknown) =>
        log.error('the resources of plugins are not noted', { why: messageOf(error) }),
      )
    })
  }

  /** Makes room for other resources, if there are too many: those that are over, and that no container has. */
  #forget(): void {
    if (this.#stocks.size < maxResources) return
    for (const resource of this.#stocks.keys()) if (!this.#kept(resource)) this.#stocks.delete(resource)
  }

  #kept(resource: string): boolean {
    const stock = this.#stocks.get(resource)
    const isUsed = this.#allotments.some(allotment => allotment.resource === resource)
    return isUsed || (stock !== undefined && !isOver(stock, this.#o.clock.steady()))
  }

  /** Ends the use of the plugin at a socket. */
  unregister(resource: string, socket: string): void {
    const plugin = this.#plugins.get(resource)
    if (plugin?.socket === socket) plugin.stop.abort(new Error('the plugin is not registered any more'))
  }

  /** Reads the lists of a plugin until it ends. */
  async #follow(resource: string, plugin: Plugin): Promise<void> {
    const { clock, log, onChange } = this.#o
    const { signal, release } = joined(this.#o.signal, plugin.stop.signal)
    let why = 'the plugin has ended its list'
    try {
      for await (const { devices } of plugin.calls.lists(signal)) {
        const listed = readDevices(devices)
        if (signal.aborted) break
        this.#restock(resource, { devices: listed, stoppedAt: undefined })
        onChange()
        await clock.sleep(listPauseMs, signal)
      }
    } catch (error) {
      why = messageOf(error)
    }
    release()
    plugin.calls.close()
    if (this.#plugins.get(resource) !== plugin) return
    this.#plugins.delete(resource)
    const devices = unhealthy(this.#stocks.get(resource)?.devices ?? new Map())
    this.#restock(resource, { devices, stoppedAt: clock.steady() })
    if (this.#o.signal.aborted) return
    log.warn('a device plugin has gone', { resource, why })
    onChange()
  }

  #restock(resource: string, stock: Stock): void {
    const before = this.#stocks.get(resource)
    this.#stocks.set(resource, stock)
    const isNews = (id: string) => healthOf(before, id) !== healthOf(stock, id)
    const changed = this.#allotments.filter(allotment => allotment.resource === resource && allotment.ids.some(isNews))
    if (changed.length) this.#o.onHealth(new Set(changed.map(({ uid }) => uid)))
  }

  /** The health of the devices of a container, by resource. */
  healthOf(uid: string, container: string): ResourceStatus[] {
    const held = this.#allotments.filter(item => item.uid === uid && item.container === container)
    return held.map(({ resource, ids }) => ({
      name: resource,
      resources: ids.map(id => ({ resourceID: id, health: healthOf(this.#stocks.get(resource), id) })),
    }))
  }

  /**
   * Gives a pod that is admitted its devices. Undefined if it needs none; otherwise a promise of the reason why it cannot
   * have them, which does not reject but with the signal's reason. It can be repeated.
   */
  allot(pod: Pod): Promise<Rejection | undefined> | undefined {
    return this.#needs(pod).length ? this.#allotAll(pod) : undefined
  }

  #needs = (pod: Pod): Need[] => needsOf(pod, resource => this.#stocks.has(resource))

  /** Where devices are near to which a pod's containers should be: nothing for resources whose devices are anywhere. */
  hints(pod: Pod, containers: readonly ReadContainer[]): Hints {
    const names = new Set(containers.map(({ name }) => name))
    const needs = this.#needs(pod)
    const asked = needs.filter(({ container }) => names.has(container))
    if (asked.length) this.#free()
    return new Map(
      [...new Set(asked.map(({ resource }) => resource))].map(resource => {
        const stock = this.#stocks.get(resource)
        const count = neededAtOnce(pod, containers, ({ name }) => countOf(asked, resource, name))
        const held = this.#allotments.filter(item => item.resource === resource)
        const own = held.filter(({ uid, container }) => uid === uidOf(pod) && names.has(container))
        const reusable = reusableFor(asked.find(need => need.resource === resource)!, needs, held)
        return [resource, stock && deviceHints(stock, { count, inUse: idsOf(held), own: idsOf(own), reusable })]
      }),
    )
  }

  /** Gives one container of a pod that is admitted its devices, near to these NUMA nodes as far as there are enough. */
  allocate(
    pod: Pod,
    { name }: Pick<ReadContainer, 'name'>,
    affinity: Mask | undefined,
  ): Promise<Rejection | undefined> | undefined {
    const isAsked = this.#needs(pod).some(({ container }) => container === name)
    return isAsked ? this.#allotAll(pod, { container: name, affinity }) : undefined
  }

  #allotAll(pod: Pod, only?: { container: string; affinity: Mask | undefined }): Promise<Rejection | undefined> {
    const { signal } = this.#o
    const uid = uidOf(pod)
    return this.#locks.run(`pod ${uid}`, signal, async () => {
      const needs = this.#needs(pod)
      const before = new Set(this.allotmentsOf(uid))
      try {
        for (const need of needs)
          if (!only || need.container === only.container) await this.#allotOne(uid, need, needs, only?.affinity)
        await this.#save()
        return undefined
      } catch (error) {
        this.#allotments = this.#allotments.filter(item => item.uid !== uid || before.has(item))
        signal.throwIfAborted()
        return unexpected(messageOf(error))
      }
    })
  }

  async #allotOne(uid: string, need: Need, needs: readonly Need[], affinity: Mask | undefined): Promise<void> {
    const { signal, clock } = this.#o
    const { container, resource, count } = need
    const noted = await this.#locks.run(`resource ${resource}`, signal, async () => {
      this.#free()
      const ofResource = this.#allotments.filter(allotment => allotment.resource === resource)
      const stock = this.#stocks.get(resource)
      const choice = planChoice(uid, need, needs, {
        healthy: stock && healthyOf(stock),
        inUse: new Set(ofResource.flatMap(({ ids }) => ids)),
        holdings: ofResource.filter(allotment => allotment.uid === uid),
      })
      if (choice.is === 'held') return undefined
      if (choice.is === 'refused') throw new Error(choice.why)
      const open = choice.is === 'open' && stock ? nearFirst(choice, count, stock, affinity) : choice
      const ids = open.is === 'chosen' ? open.ids : complete(open, count, await this.#preferred(resource, open, count))
      const allotment: Allotment = { uid, container, resource, ids, answer: undefined }
      this.#allotments.push(allotment)
      return allotment
    })
    if (!noted) return
    const plugin = this.#plugins.get(resource)
    if (!plugin) throw new Error(`endpoint ${resource} has been stopped`)
    const from = clock.steady()
    const answer = readAnswer(await plugin.calls.allocate(noted.ids, signal))
    counts.allotted(clock.steady() - from, resource)
    const at = this.#allotments.indexOf(noted)
    // The pod has ended meanwhile.
    if (at < 0) throw new Error(`the devices of ${resource} are not needed any more`)
    this.#allotments[at] = { ...noted, answer }
  }

  async #preferred(
    resource: string,
    { reused, available }: { reused: readonly string[]; available: readonly string[] },
    count: number,
  ): Promise<readonly string[]> {
    const plugin = this.#plugins.get(resource)
    if (!plugin?.options.getPreferredAllocationAvailable) return []
    try {
      return await plugin.calls.prefer([...reused, ...available], reused, count, this.#o.signal)
    } catch (error) {
      throw new Error(`device plugin GetPreferredAllocation rpc failed with err: ${messageOf(error)}`, { cause: error })
    }
  }

  /** Forgets what pods have that have ended. */
  #free(): void {
    const live = this.#o.live()
    if (live) this.#allotments = this.#allotments.filter(({ uid }) => live.has(uid))
  }

  /**
   * What a container that starts gets with its devices. Undefined if it has none. Throws an error when it cannot have
   * them, or its plugin fails.
   */
  async optionsOf(pod: Pod, container: string, signal: AbortSignal): Promise<Answer | undefined> {
    const needs = this.#needs(pod).filter(need => need.container === container)
    if (!needs.length) return undefined
    const held = () => this.allotmentsOf(uidOf(pod)).filter(allotment => allotment.container === container)
    const isComplete = () =>
      needs.every(({ resource }) => held().some(item => item.resource === resource && item.answer))
    if (!isComplete()) {
      // The resource has had no plugin when the pod was admitted.
      const rejection = await this.#allotAll(pod)
      if (rejection) throw new Error(rejection.message)
    }
    for (const { resource, ids } of held()) {
      const plugin = this.#plugins.get(resource)
      if (!plugin?.options.preStartRequired) continue
      await plugin.calls.preStart(ids, signal).catch((error: unknown) => {
        throw new Error(`device plugin PreStartContainer rpc failed with err: ${messageOf(error)}`, { cause: error })
      })
    }
    const answers = held().map(({ answer }) => answer)
    const merged = mergeAnswers(answers.filter(answer => answer !== undefined))
    const mounts = merged.mounts.map(mount => ({ ...mount, hostPath: onNode(mount.hostPath, this.#o.nodeDir) }))
    return { ...merged, mounts }
  }

  async #save(): Promise<void> {
    await this.#locks.run('checkpoint', undefined, () => {
      // What is over shows as zero until the kubelet ends, and the next one does not report it.
      const resources = [...this.#stocks.keys()].filter(resource => this.#kept(resource))
      return writeCheckpoint(this.#o.checkpoint, { resources, allotments: this.#allotments })
    })
  }
}

const idsOf = (allotments: readonly Allotment[]): Set<string> => new Set(allotments.flatMap(({ ids }) => ids))

const countOf = (needs: readonly Need[], resource: string, name: string): number =>
  needs.find(need => need.resource === resource && need.container === name)?.count ?? 0
