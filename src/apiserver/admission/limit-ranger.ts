// LimitRanger: sets default requests and limits of containers, and refuses pods and claims outside the bounds of their
// namespace.
//
// - Defaults are set for each limit range of the namespace in the order of their names. A value that a container or an
//   earlier range has set stays.
// - Pods are checked when they are created or resized, and claims whenever they are written.
// - The problems of one limit range are reported together. Ranges after the first that refuses are not reported.
//
// Source: plugin/pkg/admission/limitranger.
import { objectKey } from '../../api/mirror.ts'
import { compareQuantities, quantityMilli } from '../../api/quantity.ts'
import type { Mutable } from '../../api/schema/node.ts'
import type { Container } from '../../kinds/core/container.ts'
import { LimitRange } from '../../kinds/core/limitrange.ts'
import { type LimitRangeItem } from '../../kinds/core/limitrangespec.ts'
import type { PersistentVolumeClaim } from '../../kinds/core/persistentvolumeclaim.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { podLimits, podRequests, type Quantities } from '../../kinds/core/pod-resources.ts'
import type { AdmissionRequest } from './request.ts'
import { forbidden } from '../errors.ts'
import type { Storage } from '../storage.ts'
import { type AdmissionPlugin, isFor } from './chain.ts'

const annotation = 'kubernetes.io/limit-ranger'

export function limitRanger(storage: Storage): AdmissionPlugin {
  const rangesIn = (namespace: string) =>
    storage
      .mirror(LimitRange)
      .list(namespace)
      .sort((a, b) => (objectKey(a) < objectKey(b) ? -1 : 1))
  return {
    name: 'LimitRanger',
    mutate(request) {
      if (!isAboutPod(request)) return
      const pod = request.object as Mutable<Pod>
      for (const { spec } of rangesIn(request.operation.namespace))
        for (const item of spec.limits ?? []) if (item.type === 'Container') setDefaults(pod, item)
    },
    validate(request) {
      // The first range that refuses is reported, and no later ones.
      for (const { spec } of rangesIn(request.operation.namespace)) {
        const problems = [...new Set((spec.limits ?? []).flatMap(item => [...problemsOf(request, item)]))]
        if (problems.length)
          throw forbidden(
            request.operation.kind,
            request.operation.name,
            problems.length === 1 ? problems[0]! : `[${problems.join(', ')}]`,
          )
      }
    },
  }
}

/** Whether a request sets the resources of a pod: its creation, or an update through the subresource `resize`. */
const isAboutPod = (request: AdmissionRequest): boolean =>
  (request.type === 'CREATE' && isFor(request, '', 'pods')) ||
  (request.type === 'UPDATE' && request.operation.kind === Pod && request.operation.subresource === 'resize')

/** What one item of a limit range refuses in a request. */
function* problemsOf(request: AdmissionRequest, item: LimitRangeItem): Iterable<string> {
  if (isAboutPod(request)) yield* violations(request.object as Mutable<Pod>, item)
  else if (
    item.type === 'PersistentVolumeClaim' &&
    (request.type === 'CREATE' || request.type === 'UPDATE') &&
    isFor(request, '', 'persistentvolumeclaims')
  ) {
    const { requests = {} } = (request.object as Mutable<PersistentVolumeClaim>).spec.resources ?? {}
    for (const [name, min] of Object.entries(item.min ?? {})) yield* below(name, item.type, min, requests, {})
    for (const [name, max] of Object.entries(item.max ?? {})) yield* requestAbove(name, item.type, max, requests)
  }
}

/** Sets the missing requests and limits of all containers, and lists them in an annotation. */
function setDefaults(pod: Mutable<Pod>, item: LimitRangeItem): void {
  const notes: string[] = []
  for (const [what, list] of [
    ['container', pod.spec.containers],
    ['init container', pod.spec.initContainers ?? []],
  ] as const) {
    for (const container of list) {
      const limits = missing(container.resources.limits, item.default)
      // A default limit is also the default request, unless the item has one.
      const requests = missing(container.resources.requests, {
        ...missing(container.resources.limits, item.default),
        ...item.defaultRequest,
      })
      if (Object.keys(limits).length) container.resources.limits = { ...container.resources.limits, ...limits }
      if (Object.keys(requests).length) container.resources.requests = { ...container.resources.requests, ...requests }
      const names = (q: Quantities) => Object.keys(q).sort().join(', ')
      if (Object.keys(requests).length) notes.push(`${names(requests)} request for ${what} ${container.name}`)
      if (Object.keys(limits).length) notes.push(`${names(limits)} limit for ${what} ${container.name}`)
    }
  }
  if (notes.length)
    pod.metadata.annotations = {
      ...pod.metadata.annotations,
      [annotation]: `LimitRanger plugin set: ${notes.join('; ')}`,
    }
}

/** The defaults of those resources for which no quantity is set. */
const missing = (have: Quantities | undefined, defaults: Readonly<Quantities> | undefined): Quantities =>
  Object.fromEntries(Object.entries(defaults ?? {}).filter(([name]) => have?.[name] === undefined))

function* violations(pod: Pod, item: LimitRangeItem): Iterable<string> {
  if (item.type === 'Container') {
    for (const container of [...pod.spec.containers, ...(pod.spec.initContainers ?? [])])
      yield* check('Container', container.resources, item)
  } else if (item.type === 'Pod') {
    // The overhead of a runtime class does not count, since the pod has not requested it.
    const { overhead: _, ...spec } = pod.spec
    yield* check('Pod', { requests: podRequests(spec), limits: podLimits(spec) }, item)
  }
}

function* check(type: string, resources: Container['resources'], item: LimitRangeItem): Iterable<string> {
  const { requests = {}, limits = {} } = resources
  for (const [name, min] of Object.entries(item.min ?? {})) yield* below(name, type, min, requests, limits)
  for (const [name, max] of Object.entries(item.max ?? {})) yield* above(name, type, max, requests, limits)
  for (const [name, ratio] of Object.entries(item.maxLimitRequestRatio ?? {}))
    yield* tooFarApart(name, type, ratio, requests, limits)
}

/** Yields at most one problem of a resource, as do all checks below. */
function* below(
  name: string,
  type: string,
  min: string,
  { [name]: request }: Readonly<Quantities>,
  { [name]: limit }: Readonly<Quantities>,
): Iterable<string> {
  const least = `minimum ${name} usage per ${type} is ${min}`
  if (request === undefined) yield `${least}.  No request is specified`
  else if (compareQuantities(request, min) < 0) yield `${least}, but request is ${request}`
  else if (limit !== undefined && compareQuantities(limit, min) < 0) yield `${least}, but limit is ${limit}`
}

function* above(
  name: string,
  type: string,
  max: string,
  requests: Readonly<Quantities>,
  { [name]: limit }: Readonly<Quantities>,
): Iterable<string> {
  const most = `maximum ${name} usage per ${type} is ${max}`
  if (limit === undefined) yield `${most}.  No limit is specified`
  else if (compareQuantities(limit, max) > 0) yield `${most}, but limit is ${limit}`
  else if (requests[name] !== undefined) yield* requestAbove(name, type, max, requests)
}

function* requestAbove(
  name: string,
  type: string,
  max: string,
  { [name]: request }: Readonly<Quantities>,
): Iterable<string> {
  const most = `maximum ${name} usage per ${type} is ${max}`
  if (request === undefined) yield `${most}.  No request is specified`
  else if (compareQuantities(request, max) > 0) yield `${most}, but request is ${request}`
}

function* tooFarApart(
  name: string,
  type: string,
  ratio: string,
  requests: Readonly<Quantities>,
  limits: Readonly<Quantities>,
): Iterable<string> {
  const most = `${name} max limit to request ratio per ${type} is ${ratio}`
  const [limit, request] = [quantityMilli(limits[name]), quantityMilli(requests[name])]
  if (request === 0) yield `${most}, but no request is specified or request is 0`
  else if (limit === 0) yield `${most}, but no limit is specified or limit is 0`
  else if (limit / request > quantityMilli(ratio) / 1000)
    yield `${most}, but provided ratio is ${(limit / request).toFixed(6)}`
}
