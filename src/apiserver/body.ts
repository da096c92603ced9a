// Turns the body of a request into an object of the kind that the path names: checks its type, reports unknown and
// duplicate fields as the client asked, and sets defaults.
import { goQuote } from '../base/go-text.ts'
import { messageOf, StatusError } from '../base/errors.ts'
import { type AnyKind, apiVersionOf, type KubeObject, parseApiVersion } from '../api/kind.ts'
import { isObject } from '../api/patch/merge.ts'
import { decode, DecodeError } from '../api/schema/decode.ts'
import { copyNotes } from '../api/schema/empties.ts'
import type { Json, JsonObject, Mutable } from '../api/schema/node.ts'
import type { OperationOptions } from '../api/operation.ts'
import { builtinKinds } from '../kinds/all.ts'
import { isFormer } from './former-versions.ts'

/** Adds a warning to the response, which is sent as a Warning header. */
export type Warn = (text: string) => void

/** Decodes a body, with defaults. Throws BadRequest with the messages of Kubernetes. */
export function decodeBody(
  kind: AnyKind,
  body: Json | undefined,
  options: Pick<OperationOptions, 'fieldValidation' | 'duplicates'>,
  warn: Warn,
): Mutable<KubeObject> {
  const source = checkType(kind, body)
  const unknown: string[] = []
  const strictness = options.fieldValidation ?? 'Warn'
  let object: Mutable<KubeObject>
  try {
    object = decode(kind.schema, source, {
      defaults: true,
      ...(strictness !== 'Ignore' && { onUnknown: path => unknown.push(`unknown field ${JSON.stringify(path)}`) }),
    })
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    throw new StatusError(
      'BadRequest',
      `${kind.kind} in version ${JSON.stringify(kind.version)} cannot be handled as a ${kind.kind}: ${messageOf(error)}`,
      { cause: error },
    )
  }
  report(kind, source, options, unknown, warn)
  return stamp(kind, withDefaults(kind, object))
}

/**
 * Refuses unknown and duplicate fields, or warns about them. In YAML, duplicates are reported before other problems.
 */
function report(
  kind: AnyKind,
  source: JsonObject,
  { fieldValidation = 'Warn', duplicates = [] }: Pick<OperationOptions, 'fieldValidation' | 'duplicates'>,
  unknown: readonly string[],
  warn: Warn,
): void {
  if (fieldValidation === 'Ignore' || (!unknown.length && !duplicates.length)) return
  const yaml = duplicates[0]?.startsWith('line ') ?? false
  if (fieldValidation === 'Warn') {
    for (const text of yaml ? [...duplicates, ...unknown] : inOrderOf(source, [...unknown, ...duplicates])) warn(text)
    return
  }
  const texts = yaml
    ? [...(duplicates.length ? [`yaml: unmarshal errors:\n  ${duplicates.join('\n  ')}`] : []), ...unknown]
    : inOrderOf(source, [...unknown, ...duplicates])
  throw new StatusError(
    'BadRequest',
    `${kind.kind} in version ${JSON.stringify(kind.version)} cannot be handled as a ${kind.kind}: strict decoding error: ${texts.join(', ')}`,
  )
}

/** Sorts messages about fields by the order of the fields in a value. */
function inOrderOf(source: JsonObject, sentences: readonly string[]): string[] {
  const places = new Map<string, number>()
  const walk = (value: Json, at: string): void => {
    if (typeof value !== 'object' || value === null) return
    for (const [key, inner] of Object.entries(value)) {
      const path = Array.isArray(value) ? `${at}[${key}]` : at ? `${at}.${key}` : key
      places.set(path, places.size)
      walk(inner, path)
    }
  }
  if (sentences.length > 1) walk(source, '')
  const place = (sentence: string) => places.get(JSON.parse(sentence.slice(sentence.indexOf('"'))) as string) ?? 0
  return [...sentences].sort((a, b) => place(a) - place(b))
}

/** Sets the defaults that depend on other fields. */
function withDefaults(kind: AnyKind, object: Mutable<KubeObject>): Mutable<KubeObject> {
  kind.defaults?.(object)
  return object
}

/** Brings an object into canonical form (api/schema/decode.ts). */
export function canonical(kind: AnyKind, object: unknown): Mutable<KubeObject> {
  return stamp(kind, decode(kind.schema, object, { defaults: true, copies: true }) as Mutable<KubeObject>)
}

/** A copy of an object that may be changed. */
export function editable<T extends KubeObject>(kind: AnyKind, object: T): Mutable<T> {
  // Decoding copies everything except opaque JSON, which is never changed in place.
  return decode(kind.schema, object) as Mutable<T>
}

function stamp(kind: AnyKind, object: Mutable<KubeObject>): Mutable<KubeObject> {
  const { kind: _kind, apiVersion: _apiVersion, ...rest } = object
  return copyNotes(object, { kind: kind.kind, apiVersion: kind.apiVersion, ...rest } as Mutable<KubeObject>)
}

/** Throws BadRequest unless a body is an object of the kind. Its apiVersion and kind may be missing. */
function checkType(kind: AnyKind, body: Json | undefined): JsonObject {
  if (body === null || body === undefined) return {}
  if (!isObject(body))
    throw unrecognized(kind, `json: cannot unmarshal ${goTypeOf(body)} into Go value of type ${typeMeta}`, body)
  const { apiVersion, kind: name } = body
  for (const [field, value] of [
    ['apiVersion', apiVersion],
    ['kind', name],
  ] as const)
    if (value !== undefined && value !== null && typeof value !== 'string')
      throw unrecognized(
        kind,
        `json: cannot unmarshal ${goTypeOf(value)} into Go struct field .${field} of type string`,
        body,
      )
  const { group, version } = apiVersion ? parseApiVersion(String(apiVersion)) : kind
  const named = name ? String(name) : kind.kind
  if (group === kind.group && version === kind.version && named === kind.kind) return body
  const refused = (why: string) =>
    new StatusError(
      'BadRequest',
      `${named} in version ${JSON.stringify(version)} cannot be handled as a ${kind.kind}: ${why}`,
    )
  const known =
    isFormer(apiVersionOf(group, version), named) ||
    builtinKinds.some(
      k => k.group === group && k.version === version && (k.kind === named || `${k.kind}List` === named),
    )
  if (!known) throw refused(notRegistered(named, apiVersionOf(group, version)))
  if (named === kind.kind)
    throw new StatusError(
      'BadRequest',
      `the API version in the data (${apiVersionOf(group, version)}) does not match the expected API version (${kind.apiVersion})`,
    )
  throw refused(`converting (${version}.${named}) to (${goPackage(kind)}.${kind.kind}): unknown conversion`)
}

/** The message of Go's scheme for a kind that it does not have. */
export const notRegistered = (kind: string, apiVersion: string): string =>
  `no kind ${goQuote(kind)} is registered for version ${goQuote(apiVersion)} in scheme "pkg/runtime/scheme.go:111"`

/** The Go type into which a body is decoded first. */
const typeMeta =
  'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'

const goTypeOf = (value: Json) =>
  Array.isArray(value)
    ? 'array'
    : typeof value === 'boolean'
      ? 'bool'
      : typeof value === 'bigint'
        ? 'number'
        : typeof value

const goPackage = ({ group }: AnyKind) => (group === '' ? 'core' : group.split('.')[0])

const unrecognized = (kind: AnyKind, why: string, body: Json) =>
  unreadableBody(kind, why, Buffer.from(JSON.stringify(body)))

/** The error for a body whose type cannot be read. */
export function unreadableBody({ kind }: Pick<AnyKind, 'kind'>, why: string, body: Buffer): StatusError {
  const text = `couldn't get version/kind; json parse error: ${why}`
  // Options of a deletion are decoded by another handler upstream, which adds nothing to the message.
  return new StatusError(
    'BadRequest',
    kind === 'DeleteOptions'
      ? text
      : `the object provided is unrecognized (must be of type ${kind}): ${text} (${summaryOf(body)})`,
  )
}

const maxSummary = 30

/** The beginning of a body, as text if it looks like JSON, otherwise as hexadecimal digits. */
export function summaryOf(body: Buffer): string {
  if (!body.length) return '<empty>'
  const start = body.subarray(0, maxSummary)
  return `${body[0] === 0x7b ? start.toString() : start.toString('hex')}${body.length > maxSummary ? ' ...' : ''}`
}
