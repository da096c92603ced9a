// An operation as a request of the Kubernetes API, and the answer as its result: paths, methods and bodies, without a
// connection. The client sends operations to an API server in this way, and the API server to extension servers.
import { StatusError, type StatusDetails } from '../base/errors.ts'
import { parseJson } from '../wire/json.ts'
import { asObject, type AnyKind, type KubeObject } from './kind.ts'
import { Item } from './mirror.ts'
import type { Operation, ServedResult, WatchEvent } from './operation.ts'
import { decode, DecodeError } from './schema/decode.ts'
import { fillNilLists } from './schema/nil.ts'
import { asJson, type JsonObject } from './schema/node.ts'

const patchContentTypes = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
}
const methods = {
  get: 'GET',
  list: 'GET',
  watch: 'GET',
  create: 'POST',
  update: 'PUT',
  patch: 'PATCH',
  delete: 'DELETE',
  deletecollection: 'DELETE',
}

/** What is sent for an operation. `path` includes the query. */
export interface RestRequest {
  readonly method: string
  readonly path: string
  readonly contentType: string
  readonly body: string | undefined
}

/** The request that stands for an operation. */
export function requestOf(operation: Operation): RestRequest {
  const { verb, patchType, body } = operation
  return {
    method: methods[verb],
    path: pathOf(operation),
    contentType: patchType ? patchContentTypes[patchType] : 'application/json',
    body: body === undefined ? undefined : JSON.stringify(withType(operation)),
  }
}

/** The result that an answer other than a watch contains. Throws the StatusError that it contains. */
export function resultOf(operation: Operation, code: number, text: string): ServedResult {
  if (code >= 400) throw errorOf(code, text)
  const { kind, verb } = operation
  const object = parse(text, code)
  if (verb === 'list' || (verb === 'deletecollection' && Array.isArray(object.items))) {
    const { resourceVersion = '0', continue: token } = (object.metadata ?? {}) as {
      resourceVersion?: string
      continue?: string
    }
    const given = Array.isArray(object.items) ? (object.items as JsonObject[]) : []
    const items = given.map(asObject).map(o => itemOf(kind, { ...o, kind: kind.kind, apiVersion: kind.apiVersion }))
    return { type: 'list', kind, items, revision: revisionOf(resourceVersion), ...(token && { continue: token }) }
  }
  if (object.kind === 'Status' && object.apiVersion === 'v1') return { type: 'status', status: object }
  return { type: 'object', kind, item: itemOf(kind, asObject(object)) }
}

/** The error that an answer contains. */
export function errorOf(status: number, text: string): StatusError {
  const {
    reason = '',
    message = `the server answered ${status}`,
    details,
  } = parse(text, status) as { reason?: StatusError['reason']; message?: string; details?: StatusDetails }
  return new StatusError(reason, message, { code: status, ...(details && { details }) })
}

/**
 * The events in the lines of a watch that are complete. Returns them with the bytes after the last line, which belong
 * before the next chunk.
 */
export function eventsOf(kind: AnyKind, rest: Buffer, chunk: Buffer): { events: WatchEvent[]; rest: Buffer } {
  const data = rest.length ? Buffer.concat([rest, chunk]) : chunk
  const end = data.lastIndexOf(10)
  if (end < 0) return { events: [], rest: data }
  const lines = data.subarray(0, end).toString().split('\n').filter(Boolean)
  const events = lines.map(line => {
    const event = parse(line, 200)
    const type = event.type as WatchEvent['type']
    const object = asObject((event.object ?? {}) as object)
    return { type, item: type === 'ERROR' ? new Item(object, 0) : itemOf(kind, object) }
  })
  return { events, rest: data.subarray(end + 1) }
}

function withType({ verb, kind, body, subresource }: Operation): unknown {
  if ((verb !== 'create' && verb !== 'update') || (subresource !== '' && subresource !== 'status')) return body
  return { kind: kind.kind, apiVersion: kind.apiVersion, ...(body as JsonObject) }
}

function pathOf({ verb, kind, namespace, name, subresource, options }: Operation): string {
  const base = kind.group ? `/apis/${kind.group}/${kind.version}` : `/api/${kind.version}`
  const parts = [kind.namespaced && namespace ? `namespaces/${namespace}` : '', kind.plural, name, subresource].filter(
    Boolean,
  )
  const query = new URLSearchParams()
  for (const [key, value] of Object.entries(options))
    if (value !== undefined) query.set(key, key === 'dryRun' ? 'All' : String(value))
  if (verb === 'watch') query.set('watch', 'true')
  const text = query.toString()
  return `${base}/${parts.join('/')}${text ? `?${text}` : ''}`
}

function itemOf(kind: AnyKind, object: KubeObject): Item {
  // The response of a subresource may be an object of another kind.
  const isOwn = object.kind === kind.kind
  if (kind.remote && isOwn) return remoteItem(kind, object)
  if (isOwn) fillNilLists(kind.schema, asJson(object))
  return new Item(object, revisionOf(object.metadata?.resourceVersion))
}

/** The metadata of an object of an extension server, with the types that everybody relies on. */
function remoteItem(kind: AnyKind, object: KubeObject): Item {
  try {
    const known = decode(kind.schema, object) as KubeObject
    return new Item(known, revisionOf(known.metadata.resourceVersion))
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause
    throw new StatusError('InternalError', `an object of ${kind.plural} is malformed: ${cause.message}`, { cause })
  }
}

function revisionOf(resourceVersion: unknown = '0'): number {
  const revision = Number(resourceVersion)
  if (Number.isSafeInteger(revision)) return revision
  throw new StatusError('InternalError', `the resource version ${JSON.stringify(resourceVersion)} is not a number`)
}

function parse(body: string, status: number): JsonObject {
  const fault = (cause?: unknown) =>
    new StatusError(
      'InternalError',
      `the server answered ${status} with a body that is not a JSON object: ${body.slice(0, 200)}`,
      { code: status, cause },
    )
  let value: unknown
  try {
    value = parseJson(body)
  } catch (cause) {
    throw fault(cause)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw fault()
  return value as JsonObject
}
