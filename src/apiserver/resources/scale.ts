// The scale subresource: the same form of replica count for all kinds that have one. A Scale is computed from its
// object and written back to the object's replica field; it is not stored. Its resource version is that of the object,
// so that a client can expect a version of the whole object.
// Source: pkg/registry/apps/deployment/storage (ScaleREST).
import { Item } from '../../api/mirror.ts'
import type { AnyKind, KubeObject } from '../../api/kind.ts'
import { selectorOf, selectorText } from '../../api/labels.ts'
import type { LabelSelector } from '../../api/meta.ts'
import { readPath, writePath } from '../../api/jsonpath.ts'
import { isObject } from '../../api/patch/merge.ts'
import type { JsonObject, Mutable } from '../../api/schema/node.ts'
import { invalidError, root } from '../../api/path.ts'
import { Scale } from '../../kinds/autoscaling/scale.ts'
import { canonical, decodeBody, editable } from '../body.ts'
import type { Handler } from '../core.ts'
import { otherUid } from '../errors.ts'
import { checkName, placeInNamespace } from '../placement.ts'
import { mayRetry, patchedBody } from '../writes.ts'

/** The Scale of an object. */
export function scaleOf(kind: AnyKind, object: KubeObject): KubeObject {
  const paths = kind.scale!
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata
  const selector = paths.selector ? readPath(object, paths.selector) : undefined
  const text = typeof selector === 'string' ? selector : isObject(selector) ? selectorText(asSelector(selector)) : ''
  return canonical(Scale, {
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: readPath(object, paths.spec) ?? 0 },
    status: { replicas: readPath(object, paths.status) ?? 0, ...(text && { selector: text }) },
  })
}

/** The selector of a ReplicationController is a map, and that of the other kinds a LabelSelector. */
function asSelector(selector: JsonObject) {
  const isLabelSelector = 'matchLabels' in selector || 'matchExpressions' in selector
  return selectorOf((isLabelSelector ? selector : { matchLabels: selector }) as LabelSelector)!
}

export const getScale: Handler = async ({ registry }, operation) => {
  const item = await registry.get(operation)
  return { type: 'object', kind: Scale, item: new Item(scaleOf(operation.kind, item.object), item.revision) }
}

const write: Handler = async ({ registry }, operation, warn) => {
  const { kind, patchType, body, options } = operation
  const patches = patchType && patchType !== 'apply'
  const sentFor = (old: KubeObject) => {
    const patched = patches ? patchedBody(Scale, patchType, scaleOf(kind, old), body ?? null) : body
    const scale = decodeBody(Scale, patched, options, warn) as Mutable<Scale>
    checkName(operation, scale)
    placeInNamespace({ ...operation, kind: Scale }, scale)
    return scale
  }
  // A Scale that is sent as a whole is checked before the object is looked up.
  if (!patches) sentFor({ metadata: {} } as KubeObject)
  const item = await registry.update(
    operation,
    old => {
      const { spec, metadata } = sentFor(old)
      const { replicas = 0 } = spec
      if (replicas < 0)
        throw invalidError(Scale, operation.name, [
          root.field('spec', 'replicas').invalid(replicas, 'must be greater than or equal to 0'),
        ])
      if (metadata.uid && metadata.uid !== old.metadata.uid) throw otherUid(kind, old.metadata, metadata.uid)
      const next = editable<KubeObject>(kind, old as KubeObject)
      writePath(next, kind.scale!.spec, replicas)
      if (metadata.resourceVersion) next.metadata.resourceVersion = metadata.resourceVersion
      return next
    },
    { retry: patches ? mayRetry(operation) : false, warn },
  )
  return { type: 'object', kind: Scale, item: new Item(scaleOf(kind, item.object), item.revision) }
}

export const updateScale = write
export const patchScale = write
