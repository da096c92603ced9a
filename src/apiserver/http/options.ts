// Query parameters to operation options. Source: meta/v1 ListOptions, CreateOptions, UpdateOptions, PatchOptions.
import { StatusError } from '../../base/errors.ts'
import { isObject } from '../../api/patch/merge.ts'
import type { Json, JsonObject } from '../../api/schema/node.ts'
import type { OperationOptions } from '../../api/operation.ts'

const bad = (name: string, value: string, expected: string) =>
  new StatusError('BadRequest', `unable to decode query parameter ${name}: ${JSON.stringify(value)} is not ${expected}`)

function integer(query: URLSearchParams, name: string): number | undefined {
  const value = query.get(name)
  if (value === null || value === '') return undefined
  if (!/^-?\d+$/.test(value)) throw bad(name, value, 'an integer')
  return Number(value)
}

/** Go reads anything but false and 0 as true, and an empty value as true. */
function flag(query: URLSearchParams, name: string): boolean | undefined {
  const value = query.get(name)
  return value === null ? undefined : !['false', '0', 'False', 'FALSE'].includes(value)
}

const invalid = (kind: string, field: string, message: string, reason: string) =>
  new StatusError('Invalid', `${kind}.meta.k8s.io "" is invalid: ${field}: ${message}`, {
    details: { group: 'meta.k8s.io', kind, causes: [{ reason, message, field }] },
  })

/** Throws BadRequest or Invalid on values that mean nothing. */
export function parseOptions(query: URLSearchParams): OperationOptions {
  const options: OperationOptions = {}
  for (const name of ['labelSelector', 'fieldSelector', 'continue', 'resourceVersion', 'fieldManager'] as const) {
    const value = query.get(name)
    if (value !== null && value !== '') options[name] = value
  }
  if (query.has('resourceVersion')) options.resourceVersion = query.get('resourceVersion')!
  for (const name of ['limit', 'timeoutSeconds'] as const) {
    const value = integer(query, name)
    if (value !== undefined) options[name] = Math.max(0, value)
  }
  for (const name of ['allowWatchBookmarks', 'sendInitialEvents', 'force'] as const) {
    const value = flag(query, name)
    if (value !== undefined) options[name] = value
  }
  const match = query.get('resourceVersionMatch')
  if (match) {
    if (match !== 'Exact' && match !== 'NotOlderThan')
      throw invalid(
        'ListOptions',
        'resourceVersionMatch',
        `Unsupported value: ${JSON.stringify(match)}: supported values: "Exact", "NotOlderThan"`,
        'FieldValueNotSupported',
      )
    options.resourceVersionMatch = match
  }
  const validation = query.get('fieldValidation')
  if (validation) {
    if (validation !== 'Strict' && validation !== 'Warn' && validation !== 'Ignore')
      throw invalid(
        'CreateOptions',
        'fieldValidation',
        `Unsupported value: ${JSON.stringify(validation)}: supported values: "Ignore", "Strict", "Warn"`,
        'FieldValueNotSupported',
      )
    options.fieldValidation = validation
  }
  const dryRun = query.getAll('dryRun')
  if (dryRun.length) {
    if (dryRun.some(value => value !== 'All'))
      throw invalid(
        'CreateOptions',
        'dryRun',
        `Unsupported value: ${JSON.stringify(dryRun)}: supported values: "All"`,
        'FieldValueNotSupported',
      )
    options.dryRun = true
  }
  if ((options.fieldManager?.length ?? 0) > 128)
    throw invalid('CreateOptions', 'fieldManager', 'Too long: may not be more than 128 bytes', 'FieldValueTooLong')
  return options
}

/** Delete options may come as query parameters, as a body, or both. */
export function deleteBody(query: URLSearchParams, body: Json | undefined): JsonObject {
  const out: JsonObject = isObject(body) ? { ...body } : {}
  const grace = integer(query, 'gracePeriodSeconds')
  if (grace !== undefined) out.gracePeriodSeconds ??= grace
  const policy = query.get('propagationPolicy')
  if (policy) out.propagationPolicy ??= policy
  const orphan = flag(query, 'orphanDependents')
  if (orphan !== undefined) out.orphanDependents ??= orphan
  return out
}
