// Which part of an object a write may change, and so own: with a subresource its part, and with the object itself
// everything except the status.
// Source: GetResetFields of the strategies in pkg/registry.
import { except, type FieldSet, only } from '../api/apply/fieldset.ts'
import type { AnyKind, KubeObject } from '../api/kind.ts'
import { asJson, type Mutable } from '../api/schema/node.ts'
import type { Operation } from '../api/operation.ts'
import { editable } from './body.ts'

/** A path of a field, as elements of a field set: `['f:spec', 'f:replicas']`. */
type FieldPath = readonly string[]

const path = (...fields: string[]): FieldPath => fields.map(field => `f:${field}`)

/** The fields that are written by subresources of some kinds. */
const parts: Readonly<Record<string, readonly FieldPath[]>> = {
  ephemeralcontainers: [path('spec')],
  resize: [path('spec')],
  finalize: [path('spec'), path('metadata')],
  approval: [path('status', 'conditions'), path('metadata')],
}

/** Returns a function that leaves those members of a set that a write to `subresource` may own. */
export function ownableBy(kind: AnyKind, subresource: string): (changed: FieldSet) => FieldSet {
  const part = partOf(kind, subresource)
  const unowned = kind.unowned?.map(names => path(...names))
  return unowned ? changed => except(part(changed), unowned) : part
}

function partOf(kind: AnyKind, subresource: string): (changed: FieldSet) => FieldSet {
  if (subresource === 'status' && kind.custom) return changed => only(changed, [path('status')])
  if (subresource === 'status') {
    const kept = (kind.statusKeeps ?? []).map(field => path('metadata', field))
    return changed => except(only(changed, [path('status'), path('metadata')]), kept)
  }
  const part = parts[subresource]
  if (part) return changed => only(changed, part)
  return kind.status ? changed => except(changed, [path('status')]) : changed => changed
}

/** The live object with the status and the metadata of `sent`, which is what a write to the status proposes. */
export function withStatusOf(kind: AnyKind, sent: Mutable<KubeObject>, live: KubeObject): Mutable<KubeObject> {
  const next = editable<KubeObject>(kind, live)
  if (kind.custom) {
    // The status is all that it can change.
    const { managedFields, resourceVersion, uid } = sent.metadata
    Object.assign(next.metadata, { managedFields, resourceVersion, uid })
    const { status } = asJson(sent)
    if (status === undefined) delete asJson(next).status
    else asJson(next).status = status
    return next
  }
  const kept = Object.fromEntries((kind.statusKeeps ?? []).map(field => [field, next.metadata[field]]))
  next.metadata = { ...sent.metadata, ...kept }
  return { ...next, status: asJson(sent).status ?? {} } as Mutable<KubeObject>
}

/**
 * The object that a write proposes: for the status the live one with another status, otherwise the one that was sent.
 */
export function asPart(
  { kind, subresource }: Operation,
  sent: Mutable<KubeObject>,
  live: KubeObject,
): Mutable<KubeObject> {
  return subresource === 'status' ? withStatusOf(kind, sent, live) : sent
}
