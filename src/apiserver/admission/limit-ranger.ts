// LimitRanger: fills in default requests and limits of containers and refuses what is out of a namespace's bounds.
// Source: plugin/pkg/admission/limitranger.
import { compareQuantities, quantityMilli } from '../../api/quantity.ts'
import type { Mutable } from '../../api/schema/node.ts'
import type { Container } from '../../kinds/core/container.ts'
import { LimitRange, type LimitRangeItem } from '../../kinds/core/limitrange.ts'
import type { PersistentVolumeClaim } from '../../kinds/core/persistentvolumeclaim.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { podLimits, podRequests, type Quantities } from '../../kinds/core/pod-resources.ts'
import type { AdmissionRequest } from './request.ts'
import { forbidden } from '../errors.ts'
import type { Storage } from '../storage.ts'
import { type AdmissionPlugin, isFor } from './chain.ts'

const annotation = 'kubernetes.io/limit-ranger'

export function limitRanger(storage: Storage): AdmissionPlugin {
  const limitsIn = (namespace: string) =>
    storage
      .mirror(LimitRange)
      .list(namespace)
      .flatMap(range => range.spec.limits ?? [])
  return {
    name: 'LimitRanger',
    mutate(request) {
      if (request.type !== 'CREATE' || !isFor(request, '', 'pods')) return
      const pod = request.object as Mutable<Pod>
      for (const item of limitsIn(request.operation.namespace)) if (item.type === 'Container') setDefaults(pod, item)
    },
    validate(request) {
      if (request.type !== 'CREATE' && request.type !== 'UPDATE') return
      const problems = limitsIn(request.operation.namespace).flatMap(item => [...problemsOf(request, item)])
      if (problems.length)
        throw forbidden(
          request.operation.kind,
          request.operation.name,
          problems.length === 1 ? problems[0]! : `[${problems.join(', ')}]`,
        )
    },
  }
}

function* problemsOf(request: AdmissionRequest, item: LimitRangeItem): Iterable<string> {
  if (isFor(request, '', 'pods')) {
    // A pod's resources change through its subresource for that, if at all.
    if (request.type === 'CREATE') yield* violations(request.object as Mutable<Pod>, item)
  } else if (item.type === 'PersistentVolumeClaim' && isFor(request, '', 'persistentvolumeclaims')) {
    const { resources = {} } = (request.object as Mutable<PersistentVolumeClaim>).spec
    // Claims have requests only: they are held against both bounds.
    yield* check(
      'PersistentVolumeClaim',
      { requests: resources.requests ?? {}, limits: resources.requests ?? {} },
      item,
    )
  }
}

function setDefaults(pod: Mutable<Pod>, item: LimitRangeItem): void {
  const notes: string[] = []
  for (const [what, list] of [
    ['container', pod.spec.containers],
    ['init container', pod.spec.initContainers ?? []],
  ] as const) {
    for (const container of list) {
      const limits = missing(container.resources.limits, item.default)
      // A default limit is also the request, where no default request is named.
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

const missing = (have: Quantities | undefined, defaults: Readonly<Quantities> | undefined): Quantities =>
  Object.fromEntries(Object.entries(defaults ?? {}).filter(([name]) => have?.[name] === undefined))

function* violations(pod: Pod, item: LimitRangeItem): Iterable<string> {
  if (item.type === 'Container') {
    for (const container of [...pod.spec.containers, ...(pod.spec.initContainers ?? [])])
      yield* check('Container', container.resources, item)
  } else if (item.type === 'Pod')
    yield* check('Pod', { requests: podRequests(pod.spec), limits: podLimits(pod.spec) }, item)
}

type Resources = Container['resources']

function* check(type: string, resources: Resources, item: LimitRangeItem): Iterable<string> {
  for (const [name, min] of Object.entries(item.min ?? {})) {
    const request = resources.requests?.[name]
    if (request === undefined) yield `minimum ${name} usage per ${type} is ${min}.  No request is specified`
    else if (compareQuantities(request, min) < 0)
      yield `minimum ${name} usage per ${type} is ${min}, but request is ${request}`
  }
  for (const [name, max] of Object.entries(item.max ?? {})) {
    const limit = resources.limits?.[name]
    if (limit === undefined) yield `maximum ${name} usage per ${type} is ${max}.  No limit is specified`
    else if (compareQuantities(limit, max) > 0)
      yield `maximum ${name} usage per ${type} is ${max}, but limit is ${limit}`
  }
  for (const [name, ratio] of Object.entries(item.maxLimitRequestRatio ?? {})) {
    const [limit, request] = [quantityMilli(resources.limits?.[name]), quantityMilli(resources.requests?.[name])]
    if (request === 0 || limit === 0)
      yield `${name} max limit to request ratio per ${type} is ${ratio}, but no request is specified or request is 0`
    else if (limit / request > quantityMilli(ratio) / 1000)
      yield `${name} max limit to request ratio per ${type} is ${ratio}, but provided ratio is ${(limit / request).toFixed(6)}`
  }
}
