// Which part of an object a write may change, and so own: through a subresource one part, through the object itself
// everything but the parts that have a subresource of their own.
// Source: GetResetFields of the strategies in pkg/registry.
import { except, type FieldSet, only } from '../api/apply/fieldset.ts'
import type { AnyKind, KubeObject } from '../api/kind.ts'
import { asJson, type Mutable } from '../api/schema/node.ts'
import type { Operation } from '../api/operation.ts'
import { editable } from './body.ts'

/** Paths of fields, as elements of a field set: `['f:spec', 'f:replicas']`. */
type FieldPath = readonly string[]

const path = (...fields: string[]): FieldPath => fields.map(field => `f:${field}`)

/** What is written through the subresources of single kinds. */
const parts: Readonly<Record<string, readonly FieldPath[]>> = {
  ephemeralcontainers: [path('spec')],
  resize: [path('spec')],
  finalize: [path('spec'), path('metadata')],
  approval: [path('status', 'conditions'), path('metadata')],
}

/** Leaves of a set of changed fields those that a write through `subresource` may own. */
export function ownableBy(kind: AnyKind, subresource: string): (changed: FieldSet) => FieldSet {
  const part = partOf(kind, subresource)
  const unowned = kind.unowned?.map(names => path(...names))
  return unowned ? changed => except(part(changed), unowned) : part
}

function partOf(kind: AnyKind, subresource: string): (changed: FieldSet) => FieldSet {
  if (subresource === 'status') {
    const kept = (kind.statusKeeps ?? []).map(field => path('metadata', field))
    return changed => except(only(changed, [path('status'), path('metadata')]), kept)
  }
  const part = parts[subresource]
  if (part) return changed => only(changed, part)
  return kind.status ? changed => except(changed, [path('status')]) : changed => changed
}

/** The object that a write through /status asks for: the live one with the status and the metadata of the one sent. */
export function withStatusOf(kind: AnyKind, sent: Mutable<KubeObject>, live: KubeObject): Mutable<KubeObject> {
  const next = editable<KubeObject>(kind, live)
  const kept = Object.fromEntries((kind.statusKeeps ?? []).map(field => [field, next.metadata[field]]))
  next.metadata = { ...sent.metadata, ...kept }
  return { ...next, status: asJson(sent).status ?? {} } as Mutable<KubeObject>
}

/** What a request asks for: through /status the live object with another status, otherwise what was sent. */
export function asPart(
  { kind, subresource }: Operation,
  sent: Mutable<KubeObject>,
  live: KubeObject,
): Mutable<KubeObject> {
  return subresource === 'status' ? withStatusOf(kind, sent, live) : sent
}
