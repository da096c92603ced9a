// Parses query parameters into the options of an operation, and checks them.
// Source: meta/v1 ListOptions, CreateOptions, UpdateOptions, PatchOptions and DeleteOptions, with their checks in
// apimachinery pkg/apis/meta/v1/validation and internalversion/validation.
import { goQuote } from '../../base/go-text.ts'
import { StatusError } from '../../base/errors.ts'
import { dryRunProblems, refuse } from '../option-checks.ts'
import { isObject } from '../../api/patch/merge.ts'
import { parseInt64 } from '../../api/int64.ts'
import { type Path, type Problem, root } from '../../api/path.ts'
import type { Json, JsonObject } from '../../api/schema/node.ts'
import type { OperationOptions, OperationVerb } from '../../api/operation.ts'

const maxFieldManagerLength = 128

/** The kind of the options of each verb, for the messages of checks. */
const optionsKinds: Readonly<Partial<Record<OperationVerb, string>>> = {
  list: 'ListOptions',
  watch: 'ListOptions',
  deletecollection: 'ListOptions',
  create: 'CreateOptions',
  update: 'UpdateOptions',
  patch: 'PatchOptions',
}

/**
 * An integer parameter. Throws BadRequest for other text. One that is too large for a number is treated as infinite.
 */
function integer(query: URLSearchParams, name: string): number | undefined {
  const value = query.get(name)
  if (value === null) return undefined
  const bad = (why: string) => new StatusError('BadRequest', `strconv.ParseInt: parsing ${goQuote(value)}: ${why}`)
  if (!/^[+-]?\d+$/.test(value)) throw bad('invalid syntax')
  const exact = parseInt64(value)
  if (exact === undefined) throw bad('value out of range')
  return Number(exact)
}

/** A boolean parameter: true unless it is `false` or `0`. Source: Convert_Slice_string_To_bool. */
export function flag(query: URLSearchParams, name: string): boolean | undefined {
  const value = query.get(name)
  return value === null ? undefined : value.toLowerCase() !== 'false' && value !== '0'
}

/** Parses the options of a verb. Throws BadRequest or Invalid for wrong values. */
export function parseOptions(query: URLSearchParams, verb: OperationVerb): OperationOptions {
  const options: OperationOptions = {}
  for (const name of ['labelSelector', 'fieldSelector', 'continue', 'fieldManager'] as const) {
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
  const kind = optionsKinds[verb]
  if (kind === 'ListOptions') parseListOptions(query, verb, options)
  else if (kind) parseWriteOptions(query, kind, options)
  return options
}

function parseListOptions(query: URLSearchParams, verb: OperationVerb, options: OperationOptions): void {
  const match = query.get('resourceVersionMatch') ?? ''
  const problems = verb === 'watch' ? watchProblems(match, options) : listProblems(match, options)
  refuse('ListOptions', [...problems])
  if (match) options.resourceVersionMatch = match as NonNullable<OperationOptions['resourceVersionMatch']>
}

function* listProblems(match: string, options: OperationOptions): Iterable<Problem> {
  const at = root.field('resourceVersionMatch')
  if (match) {
    if (!options.resourceVersion)
      yield at.forbidden('resourceVersionMatch is forbidden unless resourceVersion is provided')
    if (options.continue) yield at.forbidden('resourceVersionMatch is forbidden when continue is provided')
    if (match !== 'Exact' && match !== 'NotOlderThan') yield at.notSupported(match, ['Exact', 'NotOlderThan', ''])
    if (match === 'Exact' && options.resourceVersion === '0')
      yield at.forbidden('resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
  }
  if (options.sendInitialEvents !== undefined)
    yield root.field('sendInitialEvents').forbidden('sendInitialEvents is forbidden for list')
}

function* watchProblems(match: string, options: OperationOptions): Iterable<Problem> {
  const at = root.field('resourceVersionMatch')
  if (options.sendInitialEvents !== undefined && match !== 'NotOlderThan')
    yield at.forbidden('sendInitialEvents requires setting resourceVersionMatch to NotOlderThan')
  if (options.continue) yield at.forbidden('resourceVersionMatch is forbidden when continue is provided')
  if (!match) return
  if (options.sendInitialEvents === undefined)
    yield at.forbidden('resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided')
  if (match !== 'NotOlderThan') yield at.notSupported(match, ['NotOlderThan'])
}

function parseWriteOptions(query: URLSearchParams, kind: string, options: OperationOptions): void {
  const dryRun = query.getAll('dryRun')
  const validation = query.get('fieldValidation') ?? ''
  const problems = [...managerProblems(options.fieldManager ?? ''), ...dryRunProblems(dryRun)]
  if (validation && validation !== 'Strict' && validation !== 'Warn' && validation !== 'Ignore')
    problems.push(root.field('fieldValidation').notSupported(validation, ['', 'Ignore', 'Strict', 'Warn']))
  refuse(kind, problems)
  if (validation) options.fieldValidation = validation as NonNullable<OperationOptions['fieldValidation']>
  if (dryRun.length) options.dryRun = true
}

function* managerProblems(manager: string): Iterable<Problem> {
  const at: Path = root.field('fieldManager')
  if (Buffer.byteLength(manager) > maxFieldManagerLength) yield at.tooLong(maxFieldManagerLength)
  let position = 0
  for (const c of manager) {
    if (!/^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u.test(c)) {
      const code = c.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')
      yield at.invalid(manager, `invalid character U+${code} (at position ${position})`)
    }
    position += Buffer.byteLength(c)
  }
}

/** The options of a deletion, from query parameters and a body, of which the body takes precedence. */
export function deleteBody(query: URLSearchParams, body: Json | undefined): JsonObject {
  if (body !== undefined) return isObject(body) ? body : {}
  const out: JsonObject = {}
  const grace = integer(query, 'gracePeriodSeconds')
  if (grace !== undefined) out.gracePeriodSeconds = grace
  const policy = query.get('propagationPolicy')
  if (policy !== null) out.propagationPolicy = policy
  const orphan = flag(query, 'orphanDependents')
  if (orphan !== undefined) out.orphanDependents = orphan
  const dryRun = query.getAll('dryRun')
  if (dryRun.length) out.dryRun = dryRun
  return out
}

/** Throws BadRequest for an invalid timeout. Source: apiserver filters/request_deadline.go. */
export function checkTimeout(query: URLSearchParams): void {
  const text = query.get('timeout')
  const why = text ? durationProblem(text) : undefined
  if (why) throw new StatusError('BadRequest', `invalid timeout specified in the request URL - time: ${why}`)
}

const units = ['ns', 'us', '\u00b5s', '\u03bcs', 'ms', 's', 'm', 'h']

/** Why a text is not a duration, or undefined if it is one. Source: Go's time.ParseDuration. */
function durationProblem(text: string): string | undefined {
  let rest = text.replace(/^[-+]/, '')
  if (rest === '0') return undefined
  if (!rest) return `invalid duration ${goQuote(text)}`
  while (rest) {
    const [amount = ''] = /^\d*(?:\.\d*)?/.exec(rest) ?? []
    if (!/\d/.test(amount)) return `invalid duration ${goQuote(text)}`
    const [unit = ''] = /^[^.\d]*/.exec(rest.slice(amount.length)) ?? []
    if (!unit) return `missing unit in duration ${goQuote(text)}`
    if (!units.includes(unit)) return `unknown unit ${goQuote(unit)} in duration ${goQuote(text)}`
    rest = rest.slice(amount.length + unit.length)
  }
  return undefined
}
