// A request as programs and policies of users see it: named by the resource and version that the client used, with
// objects that can be shown in another version of the same resource.
//
// - A new object is shown without what the server adds after admission: its UID, creation time and generated name, and
//   the place of its revision.
// - For the subresource scale the objects are Scales, and for binding, eviction, token and streams whatever was sent.
//
// Source: apiserver pkg/admission (attributes.go, conversion.go), pkg/endpoints/handlers (create.go, update.go).
import type { AnyKind, KubeObject } from '../../api/kind.ts'
import { asObject } from '../../api/kind.ts'
import { writePath } from '../../api/jsonpath.ts'
import { copyNotes } from '../../api/schema/empties.ts'
import { asJson, type Json, type JsonObject, type Mutable } from '../../api/schema/node.ts'
import { Scale } from '../../kinds/autoscaling/scale.ts'
import { canonical, decodeBody } from '../body.ts'
import type { Catalog } from '../catalog.ts'
import { scaleOf } from '../resources/scale.ts'
import type { AdmissionRequest } from './request.ts'

interface GroupVersionKind {
  readonly group: string
  readonly version: string
  readonly kind: string
}

interface GroupVersionResource {
  readonly group: string
  readonly version: string
  readonly resource: string
}

/** A version of the resource, and the kind that its objects have there. */
export interface Form {
  readonly resource: GroupVersionResource
  readonly kind: GroupVersionKind
  /** The kind of the whole objects in this version. */
  readonly whole: AnyKind
}

export interface Attributes {
  readonly request: AdmissionRequest
  readonly phase: 'mutate' | 'validate'
  /** How the client named the resource. */
  readonly asked: Form
  readonly subresource: string
  /** The namespace; for a Namespace its own name. */
  readonly namespace: string
  readonly name: string
}

const gvk = ({ group, version, kind }: GroupVersionKind): GroupVersionKind => ({ group, version, kind })
const gvr = ({ group, version, plural }: AnyKind): GroupVersionResource => ({ group, version, resource: plural })

/** The kind of objects that a request has in one version of its resource. */
const formIn = ({ body, operation }: AdmissionRequest, whole: AnyKind): Form => ({
  resource: gvr(whole),
  kind: gvk(body ?? (operation.subresource === 'scale' ? Scale : whole)),
  whole,
})

export function attributesOf(request: AdmissionRequest, phase: Attributes['phase']): Attributes {
  const { operation, object, type } = request
  const { kind, subresource } = operation
  const given = object?.metadata?.name ?? ''
  const hidden = phase === 'mutate' && request.nameIsGenerated
  const name = hidden ? '' : operation.name || (type === 'CREATE' ? given : '')
  const isNamespace = kind.group === '' && kind.plural === 'namespaces'
  return {
    request,
    phase,
    asked: formIn(request, operation.view ?? kind),
    subresource,
    namespace: isNamespace ? name : kind.namespaced ? operation.namespace : '',
    name,
  }
}

const relatives = new WeakMap<readonly AnyKind[], Map<AnyKind, readonly AnyKind[]>>()

/** The other forms of a request's resource: its other versions, and resources whose objects are stored as the same. */
export function otherForms(catalog: Catalog, { request, asked }: Attributes): readonly Form[] {
  const { all } = catalog
  let cached = relatives.get(all)
  if (!cached) relatives.set(all, (cached = new Map()))
  let kinds = cached.get(asked.whole)
  if (!kinds) {
    const stored = (kind: AnyKind) => kind.view?.of ?? kind
    const { group, plural } = asked.whole
    kinds = all.filter(
      kind =>
        kind.plural &&
        kind !== asked.whole &&
        ((kind.group === group && kind.plural === plural) || stored(kind) === stored(asked.whole)),
    )
    cached.set(asked.whole, kinds)
  }
  return kinds.map(kind => formIn(request, kind))
}

/** The object of a request in a form; undefined if it has none. Throws StatusError when a conversion fails. */
export async function shownObject(attributes: Attributes, form: Form): Promise<JsonObject | undefined> {
  const { request, phase } = attributes
  const { object, type, nameIsGenerated } = request
  if (!object) return undefined
  const shown = await shownIn(request, form, object)
  if (type !== 'CREATE' || !isStored(request)) return shown
  const { resourceVersion: _version, ...validated } = shown.metadata as JsonObject
  if (phase === 'validate') return { ...shown, metadata: validated }
  const { uid: _uid, creationTimestamp: _time, ...metadata } = validated
  if (nameIsGenerated) delete metadata.name
  return { ...shown, metadata }
}

/** The stored object of a request in a form; undefined if there is none. */
export async function shownOld({ request }: Attributes, form: Form): Promise<JsonObject | undefined> {
  return request.old && shownIn(request, form, request.old)
}

const isStored = ({ body }: AdmissionRequest) => body === undefined

async function shownIn(request: AdmissionRequest, { whole }: Form, object: KubeObject): Promise<JsonObject> {
  const { kind, subresource } = request.operation
  if (!isStored(request)) {
    const { group, version, kind: name } = request.body!
    return { kind: name, apiVersion: group ? `${group}/${version}` : version, ...asJson(object) }
  }
  if (subresource === 'scale') return asJson(scaleOf(kind, object))
  return asJson(await converted(kind, whole, object))
}

/** An object of one version in another one of the same resource. */
async function converted(from: AnyKind, to: AnyKind, object: KubeObject): Promise<KubeObject> {
  if (from === to) return object
  if (to.view?.of === from) return canonical(to, to.view.fromStored(object))
  if (from.view?.of === to) return canonical(to, from.view.toStored(object))
  if (!from.versions || !to.versions) return object
  const stored = await from.versions.toStored(object as Mutable<KubeObject>)
  return (await to.versions.fromStored([stored]))[0]!
}

/**
 * Puts a changed object, in the form in which it was shown, in place of that of the request. Returns whether the object
 * is another one than before. Throws StatusError for what is no object of its kind.
 */
export async function takeObject(attributes: Attributes, form: Form, changed: Json): Promise<void> {
  const { request } = attributes
  const { operation, type, nameIsGenerated } = request
  const object = request.object!
  if (!isStored(request)) return replace(object, decoded(request.body!, changed))
  if (operation.subresource === 'scale') {
    const { replicas = 0 } = (decoded(Scale, changed) as Mutable<Scale>).spec
    return writePath(object, operation.kind.scale!.spec, replicas)
  }
  const shown = decoded(form.whole, changed)
  const next = asObject(await converted(form.whole, operation.kind, shown))
  if (type === 'CREATE') {
    const { uid, creationTimestamp, name } = object.metadata
    Object.assign(next.metadata, { uid, creationTimestamp, ...(nameIsGenerated && { name }) })
  }
  replace(object, next === shown ? next : structuredClone(next))
}

function decoded(kind: NonNullable<AdmissionRequest['body']>, value: Json): Mutable<KubeObject> {
  if (!kind.schema) return asObject(value as JsonObject)
  return decodeBody(kind as AnyKind, value, { fieldValidation: 'Ignore' }, () => {})
}

/** Gives an object the content of another, since the caller of admission has a reference to it. */
function replace(object: Mutable<KubeObject>, next: Mutable<KubeObject>): void {
  const fields = asJson(object)
  for (const field of Object.keys(fields)) delete fields[field]
  Object.assign(object, next)
  copyNotes(next, object)
}
