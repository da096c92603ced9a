// Extended resources that DeviceClasses stand for: a container that asks for `example.com/gpu: 2` gets two devices of the
// class with that name, on nodes where no device plugin offers the resource. A claim is made for it with the pod's node.
// Source: plugins/dynamicresources/extendeddynamicresources.go, deviceclass/extendedresourcecache.
import type { Mirror } from '../../api/mirror.ts'
import { quantityValue } from '../../api/quantity.ts'
import type { Container } from '../../kinds/core/container.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import type { ContainerExtendedResourceRequest } from '../../kinds/core/podstatus.ts'
import { isExtended } from '../../kinds/core/resource-rules.ts'
import type { DeviceClass } from '../../kinds/resource/deviceclass.ts'
import type { DeviceRequest } from '../../kinds/resource/types.ts'

/** Every class has this name, and the one of spec.extendedResourceName if it is set. */
const classPrefix = 'deviceclass.resource.kubernetes.io/'

/** Finds the class of a resource. Of several with one name the newest counts, then the first by name. */
export class ExtendedResources {
  readonly #classes: Mirror<DeviceClass>
  #byResource: ReadonlyMap<string, DeviceClass> | undefined

  /** @param onChange is called when a resource has got another class, or has none any more */
  constructor(classes: Mirror<DeviceClass>, signal: AbortSignal, onChange: () => void = () => {}) {
    this.#classes = classes
    const stop = classes.subscribe(() => {
      this.#byResource = undefined
      onChange()
    }, 'extended resources')
    signal.addEventListener('abort', stop, { once: true })
  }

  classOf(resource: string): DeviceClass | undefined {
    if (!this.#classes.size) return undefined
    if (resource.startsWith(classPrefix)) return this.#classes.get(undefined, resource.slice(classPrefix.length))
    if (!isExtended(resource)) return undefined
    return (this.#byResource ??= newestByResource(this.#classes.list())).get(resource)
  }
}

function newestByResource(classes: readonly DeviceClass[]): Map<string, DeviceClass> {
  const found = new Map<string, DeviceClass>()
  for (const one of classes) {
    const resource = one.spec.extendedResourceName
    const before = resource && found.get(resource)
    if (resource && (!before || precedes(one, before))) found.set(resource, one)
  }
  return found
}

function precedes({ metadata: a }: DeviceClass, { metadata: b }: DeviceClass): boolean {
  const [x, y] = [a.creationTimestamp ?? '', b.creationTimestamp ?? '']
  return x === y ? (a.name ?? '') < (b.name ?? '') : x > y
}

/** What the claim of a pod asks for, and which container uses which of its requests. */
export interface ExtendedClaim {
  requests: readonly DeviceRequest[]
  mappings: readonly ContainerExtendedResourceRequest[]
}

interface Use {
  container: Container
  /** The place among init containers and containers together. */
  index: number
  count: number
}

/** @param classes the name of the class of each resource that devices provide on the node */
export function extendedClaim({ spec }: Pod, classes: ReadonlyMap<string, string>): ExtendedClaim {
  const all = [...(spec.initContainers ?? []), ...spec.containers]
  const inits = spec.initContainers?.length ?? 0
  const requests: DeviceRequest[] = []
  const mappings: ContainerExtendedResourceRequest[] = []
  for (const resource of [...classes.keys()].sort()) {
    const uses = all.flatMap((container, index): Use[] => {
      const count = quantityValue(container.resources?.requests?.[resource])
      return count > 0 ? [{ container, index, count }] : []
    })
    const passes = ({ container, index }: Use) => index < inits && container.restartPolicy !== 'Always'
    const made = forResource(resource, classes.get(resource)!, {
      lasting: uses.filter(use => !passes(use)),
      passing: uses.filter(passes),
    })
    requests.push(...made.requests)
    mappings.push(...made.mappings)
  }
  return { requests: requests.sort((a, b) => (a.name < b.name ? -1 : 1)), mappings }
}

/**
 * Containers that last have a request each. Init containers that end before use the devices of those that start later,
 * and what they need beyond that is one request, as large as the largest need.
 */
function forResource(
  resource: string,
  deviceClassName: string,
  { lasting, passing }: { lasting: readonly Use[]; passing: readonly Use[] },
): ExtendedClaim {
  const map = ({ container }: Use, requestName: string) => ({
    containerName: container.name,
    resourceName: resource,
    requestName,
  })
  const ask = (name: string, count: number): DeviceRequest => ({
    name,
    exactly: { deviceClassName, allocationMode: 'ExactCount', count },
  })
  const own = lasting.map(use => ({ use, name: requestName(use, resource) }))
  const mappings = own.map(({ use, name }) => map(use, name))
  const needs: { use: Use; more: number }[] = []
  for (const use of passing) {
    let more = use.count
    for (const { use: later, name } of own) {
      if (later.index < use.index || more <= 0) continue
      mappings.push(map(use, name))
      more -= later.count
    }
    if (more > 0) needs.push({ use, more })
  }
  const requests = own.map(({ use, name }) => ask(name, use.count))
  const largest = needs.reduce<(typeof needs)[number] | undefined>(
    (most, need) => (most && most.more >= need.more ? most : need),
    undefined,
  )
  if (!largest) return { requests, mappings }
  const name = requestName(largest.use, resource)
  for (const { use } of needs) mappings.push(map(use, name))
  return { requests: [ask(name, largest.more), ...requests], mappings }
}

/** Named after the place of the container, and the place of the resource among those that it requests. */
function requestName({ container, index }: Use, resource: string): string {
  const place = Object.keys(container.resources?.requests ?? {})
    .sort()
    .indexOf(resource)
  return `container-${index}-request-${place}`
}
