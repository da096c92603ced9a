// Which devices a container gets: the needs of a pod in the order of its containers, and the choice for each of them.
// Pure. Source: pkg/kubelet/cm/devicemanager/manager.go (Allocate, devicesToAllocate).
import { quantityValue } from '../../api/quantity.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { isExtended } from '../../kinds/core/resource-rules.ts'
import { initContainers, isSidecar, mainContainers } from '../pod/spec.ts'
import { type Mask, maskOf } from '../topology/hints.ts'
import type { Stock } from './stock.ts'

/** A number of devices of one resource for one container. */
export interface Need {
  readonly container: string
  readonly resource: string
  readonly count: number
  /** Whether the container ends before the next ones begin, which may have its devices then. */
  readonly isPassing: boolean
}

/** The ids that a container has of a resource. */
interface Holding {
  readonly container: string
  readonly resource: string
  readonly ids: readonly string[]
}

/** What the choice for a need depends on. */
interface Supply {
  /** The ids of the healthy devices. Undefined if no plugin has registered for the resource. */
  readonly healthy: ReadonlySet<string> | undefined
  /** The ids that any pod has. */
  readonly inUse: ReadonlySet<string>
  /** What the containers of this pod have so far, of this resource. */
  readonly holdings: readonly Holding[]
}

type Choice =
  | { readonly is: 'held' }
  /** `reused` is certain; the others are to be taken from `available`, and the plugin may prefer some. */
  | { readonly is: 'open'; readonly reused: readonly string[]; readonly available: readonly string[] }
  | { readonly is: 'chosen'; readonly ids: readonly string[] }
  | { readonly is: 'refused'; readonly why: string }

/** What a pod needs of the resources of devices: init containers first, each resource in the order of the spec. */
export function needsOf(pod: Pod, isDevice: (resource: string) => boolean): Need[] {
  const needs = (container: ReturnType<typeof mainContainers>[number], isPassing: boolean): Need[] => {
    const limits = 'resources' in container ? (container.resources?.limits ?? {}) : {}
    return Object.entries(limits)
      .filter(([resource]) => isExtended(resource) && isDevice(resource))
      .map(([resource, amount]) => ({ container: container.name, resource, count: quantityValue(amount), isPassing }))
      .filter(({ count }) => count > 0)
  }
  return [
    ...initContainers(pod).flatMap(container => needs(container, !isSidecar(container))),
    ...mainContainers(pod).flatMap(container => needs(container, false)),
  ]
}

/** The ids that earlier init containers leave to a need: what they had, without what still runs has. */
export function reusableFor(need: Need, needs: readonly Need[], holdings: readonly Holding[]): Set<string> {
  const ofResource = needs.filter(other => other.resource === need.resource)
  const earlier = ofResource.slice(0, ofResource.indexOf(need))
  const idsOf = (isPassing: boolean) =>
    earlier
      .filter(other => other.isPassing === isPassing)
      .flatMap(other => holdings.find(({ container }) => container === other.container)?.ids ?? [])
  const running = new Set(idsOf(false))
  return new Set(idsOf(true).filter(id => !running.has(id)))
}

/** An open choice in which devices near to some NUMA nodes come before all others. */
export function nearFirst(
  choice: Extract<Choice, { is: 'open' }>,
  count: number,
  { devices }: Pick<Stock, 'devices'>,
  affinity: Mask | undefined,
): Extract<Choice, { is: 'open' }> {
  if (affinity === undefined) return choice
  const { reused, available } = choice
  const near = available.filter(id => maskOf(devices.get(id)?.numaNodes ?? []) & affinity)
  if (near.length >= count - reused.length) return { ...choice, available: near }
  const taken = new Set(near)
  return { ...choice, reused: [...reused, ...near], available: available.filter(id => !taken.has(id)) }
}

/** The choice for one of a pod's needs. `podUid` is for messages. */
export function planChoice(podUid: string, need: Need, needs: readonly Need[], supply: Supply): Choice {
  const { container, resource, count } = need
  const { healthy, inUse, holdings } = supply
  const refused = (why: string): Choice => ({ is: 'refused', why })
  const held = holdings.find(holding => holding.container === container)?.ids
  if (held && held.length !== count)
    return refused(
      `pod ${JSON.stringify(podUid)} container ${JSON.stringify(container)} changed request for resource ${JSON.stringify(resource)} from ${held.length} to ${count}`,
    )
  if (!healthy) return refused(`cannot allocate unregistered device ${resource}`)
  if (!healthy.size) return refused(`no healthy devices present; cannot allocate unhealthy devices ${resource}`)
  if (held?.some(id => !healthy.has(id)))
    return refused(`previously allocated devices are no longer healthy; cannot allocate unhealthy devices ${resource}`)
  if (held) return { is: 'held' }
  // A device that became unhealthy is left to nobody.
  const reusable = Array.from(reusableFor(need, needs, holdings)).filter(id => healthy.has(id))
  const reused = reusable.slice(0, count)
  if (reused.length === count) return { is: 'chosen', ids: reused }
  const available = Array.from(healthy).filter(id => !inUse.has(id))
  const missing = count - reused.length
  if (available.length < missing)
    return refused(
      `requested number of devices unavailable for ${resource}. Requested: ${missing}, Available: ${available.length}`,
    )
  return { is: 'open', reused, available }
}

/**
 * The ids of an open choice: those that the plugin prefers, and then the first ones. What a plugin prefers and is not
 * available counts for nothing.
 */
export function complete(
  { reused, available }: Extract<Choice, { is: 'open' }>,
  count: number,
  preferred: readonly string[],
): string[] {
  const may = new Set(available)
  const wanted = preferred.filter(id => may.has(id))
  return Array.from(new Set([...reused, ...wanted, ...available])).slice(0, count)
}
