// From a request body to an object of the kind the path names: type check, unknown fields by the asked
// strictness, defaults.
import { messageOf, StatusError } from '../base/errors.ts'
import { type AnyKind, type KubeObject, parseApiVersion } from '../api/kind.ts'
import { isObject } from '../api/patch/merge.ts'
import { decode, DecodeError } from '../api/schema/decode.ts'
import type { Json, JsonObject } from '../api/schema/node.ts'
import type { OperationOptions } from '../api/operation.ts'

/** Problems of a body that do not refuse it, as Warning headers carry them. */
export type Warn = (text: string) => void

/** Decodes with defaults. Throws BadRequest worded as Kubernetes words it. */
export function decodeBody(
  kind: AnyKind,
  body: Json | undefined,
  options: Pick<OperationOptions, 'fieldValidation' | 'duplicates'>,
  warn: Warn,
): KubeObject {
  const source = checkType(kind, body)
  const unknown: string[] = []
  const strictness = options.fieldValidation ?? 'Warn'
  let object: KubeObject
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
    )
  }
  report(kind, options, unknown, warn)
  return stamp(kind, withDefaults(kind, object))
}

/** Refuses what a strict decoder refuses, or warns of it. YAML is read for doubles before anything else. */
function report(
  kind: AnyKind,
  { fieldValidation = 'Warn', duplicates = [] }: Pick<OperationOptions, 'fieldValidation' | 'duplicates'>,
  unknown: readonly string[],
  warn: Warn,
): void {
  if (fieldValidation === 'Ignore' || (!unknown.length && !duplicates.length)) return
  const yaml = duplicates[0]?.startsWith('line ') ?? false
  if (fieldValidation === 'Warn') {
    for (const text of yaml ? [...duplicates, ...unknown] : [...unknown, ...duplicates]) warn(text)
    return
  }
  const texts = yaml
    ? [`yaml: unmarshal errors:\n  ${duplicates.join('\n  ')}`, ...unknown]
    : [...unknown, ...duplicates]
  throw new StatusError(
    'BadRequest',
    `${kind.kind} in version ${JSON.stringify(kind.version)} cannot be handled as a ${kind.kind}: strict decoding error: ${texts.join(', ')}`,
  )
}

/** Fills in the defaults that depend on other fields. */
export function withDefaults(kind: AnyKind, object: KubeObject): KubeObject {
  kind.defaults?.(object)
  return object
}

/** Puts fields in order and drops what Go would not write. */
export function canonical(kind: AnyKind, object: unknown): KubeObject {
  return stamp(kind, decode(kind.schema, object, { defaults: true, copies: true }) as KubeObject)
}

function stamp(kind: AnyKind, object: KubeObject): KubeObject {
  const { kind: _kind, apiVersion: _apiVersion, ...rest } = object
  return { kind: kind.kind, apiVersion: kind.apiVersion, ...rest } as KubeObject
}

function checkType(kind: AnyKind, body: Json | undefined): JsonObject {
  if (!isObject(body))
    throw new StatusError(
      'BadRequest',
      `the object provided is unrecognized (must be of type ${kind.kind}): couldn't get version/kind; json parse error: a JSON object was expected`,
    )
  const { apiVersion, kind: name } = body
  if (typeof name !== 'string' || name === '') {
    if (name === undefined && apiVersion === undefined) return body
    throw new StatusError(
      'BadRequest',
      `the object provided is unrecognized (must be of type ${kind.kind}): Object 'Kind' is missing in '${JSON.stringify(body).slice(0, 200)}'`,
    )
  }
  const { group, version } = parseApiVersion(typeof apiVersion === 'string' ? apiVersion : '')
  if (version !== '' && (group !== kind.group || version !== kind.version)) {
    throw new StatusError(
      'BadRequest',
      `the API version in the data (${String(apiVersion)}) does not match the expected API version (${kind.apiVersion})`,
    )
  }
  if (name !== kind.kind) {
    throw new StatusError(
      'BadRequest',
      `${name} in version ${JSON.stringify(kind.version)} cannot be handled as a ${kind.kind}: the kind in the data does not match the resource of the path`,
    )
  }
  return body
}
