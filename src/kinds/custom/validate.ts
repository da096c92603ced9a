// Validates a value by a schema, with the messages of Kubernetes.
//
// With an old value, only problems of changed parts are reported. A part that did not change had its problems before,
// and they must not prevent a change of another part (KEP-4008). Elements of lists are compared by their keys.
//
// Source: k8s.io/kube-openapi pkg/validation (validate, errors); apiextensions-apiserver pkg/apiserver/validation.
import { RE2JS } from 're2js'
import { own } from '../../base/own.ts'
import { sameJson } from '../../api/equal.ts'
import { type Path, type Problem, root } from '../../api/path.ts'
import { isObject } from '../../api/patch/merge.ts'
import type { Json } from '../../api/schema/node.ts'
import { oneSchema, type SchemaProps } from '../apiextensions/jsonschema.ts'
import { isOfFormat } from './formats.ts'

/**
 * The result of a check. `passed` counts the checks without a problem. The alternative that passed most is reported.
 */
interface Result {
  problems: Problem[]
  passed: number
}

/** Returns the problems of an object. `old` is the object that it replaces. */
export function schemaProblems(schema: SchemaProps, value: Json, old?: Json): Problem[] {
  return check(schema, value, root, old).problems
}

type Check = (schema: SchemaProps, value: Json, at: Path, name: string, old: Json | undefined) => Result

/** The checks of a value, in the order of their problems in the message. */
const checks: readonly Check[] = [
  checkType,
  checkAlternatives,
  checkText,
  checkFormat,
  checkNumber,
  checkList,
  checkEnum,
  checkFields,
]

function check(schema: SchemaProps, value: Json, at: Path, old: Json | undefined, name = nameOf(at)): Result {
  const all: Result = { problems: [], passed: 0 }
  if (old !== undefined && sameJson(value, old)) return { problems: [], passed: 1 }
  for (const one of checks) merge(all, one(schema, value, at, name, old))
  return all
}

const nameOf = (at: Path) => (at === root ? '' : at.toString())

function merge(into: Result, { problems, passed }: Result): void {
  for (const problem of problems) into.problems.push(problem)
  into.passed += problems.length ? passed : passed + 1
}

const fine: Result = Object.freeze({ problems: [], passed: 0 }) as Result
const failed = (...problems: Problem[]): Result => ({ problems, passed: 0 })

/** `spec.replicas in body should be less than 5`, as the validator of Kubernetes names a value. */
const inBody = (name: string, text: string) => `${name} in body ${text}`

function typeOf(value: Json): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'bigint') return 'integer'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number'
  return typeof value
}

function checkType(schema: SchemaProps, value: Json, at: Path, name: string): Result {
  const { type = '', nullable } = schema
  const types = schema['x-kubernetes-int-or-string'] ? ['integer', 'string'] : type ? [type] : []
  const given = typeOf(value)
  if (value === null && (nullable || !types.length)) return fine
  if (!types.length || types.includes(given) || (given === 'integer' && types.includes('number'))) return fine
  return failed(at.typeInvalid(given, inBody(name, `must be of type ${types.join(',')}: ${JSON.stringify(given)}`)))
}

/** Checks anyOf, oneOf, allOf and not. */
function checkAlternatives(schema: SchemaProps, value: Json, at: Path, name: string, old: Json | undefined): Result {
  const out: Result = { problems: [], passed: 0 }
  const quoted = JSON.stringify(name)
  // Upstream these problems have no path.
  const sentence = (text: string) => failed(root.invalid('', `${quoted} must ${text}`))
  const { anyOf, oneOf, allOf, not } = schema
  if (anyOf?.length) {
    const results = anyOf.map(one => check(one, value, at, old, name))
    if (!results.some(isClean)) {
      merge(out, sentence('validate at least one schema (anyOf)'))
      merge(out, nearest(results))
    }
  }
  if (oneOf?.length) {
    const results = oneOf.map(one => check(one, value, at, old, name))
    const valid = results.filter(isClean).length
    if (valid !== 1) {
      const found = valid ? `Found ${valid} valid alternatives` : 'Found none valid'
      merge(out, sentence(`validate one and only one schema (oneOf). ${found}`))
      if (!valid) merge(out, nearest(results))
    }
  }
  if (allOf?.length) {
    const results = allOf.map(one => check(one, value, at, old, name))
    for (const result of results) merge(out, result)
    const valid = results.filter(isClean).length
    if (valid < results.length)
      merge(out, sentence(`validate all the schemas (allOf)${valid ? '' : '. None validated'}`))
  }
  if (not && isClean(check(not, value, at, undefined, name))) merge(out, sentence('not validate the schema (not)'))
  return out
}

const isClean = ({ problems }: Result) => problems.length === 0

/** The failure of the alternative that passed most checks. Of several such, the first. */
const nearest = (results: readonly Result[]): Result =>
  results.reduce((best, result) => (result.passed > best.passed ? result : best))

function checkText(schema: SchemaProps, value: Json, at: Path, name: string): Result {
  if (typeof value !== 'string') return fine
  const { minLength, maxLength, pattern } = schema
  const length = maxLength === undefined && minLength === undefined ? 0 : [...value].length
  const problems: Problem[] = []
  if (maxLength !== undefined && length > maxLength) problems.push(at.tooLong(maxLength))
  if (minLength !== undefined && length < minLength)
    problems.push(at.invalid(value, inBody(name, `should be at least ${minLength} chars long`)))
  if (pattern && !matches(pattern, value)) problems.push(at.invalid(value, inBody(name, `should match '${pattern}'`)))
  return failed(...problems)
}

const patterns = new Map<string, RE2JS>()
const maxPatterns = 2_000

/** Whether a pattern matches a part of a text, in time proportional to its length. Throws for an invalid pattern. */
function matches(pattern: string, text: string): boolean {
  let compiled = patterns.get(pattern)
  if (!compiled) {
    if (patterns.size >= maxPatterns) patterns.clear()
    patterns.set(pattern, (compiled = RE2JS.compile(pattern)))
  }
  return compiled.matcher(text).find()
}

function checkFormat({ format }: SchemaProps, value: Json, at: Path, name: string): Result {
  if (!format || typeof value !== 'string' || isOfFormat(format, value)) return fine
  return failed(at.typeInvalid(value, inBody(name, `must be of type ${format}: ${JSON.stringify(value)}`)))
}

function checkNumber(schema: SchemaProps, value: Json, at: Path, name: string): Result {
  if (typeof value !== 'number' && typeof value !== 'bigint') return fine
  const { minimum, maximum, multipleOf, exclusiveMinimum, exclusiveMaximum } = schema
  const number = Number(value)
  const problems: Problem[] = []
  const should = (text: string) => problems.push(at.invalid(value, inBody(name, `should be ${text}`)))
  if (multipleOf !== undefined && !Number.isInteger(number / multipleOf)) should(`a multiple of ${multipleOf}`)
  if (maximum !== undefined && (exclusiveMaximum ? number >= maximum : number > maximum))
    should(`less than ${exclusiveMaximum ? '' : 'or equal to '}${maximum}`)
  if (minimum !== undefined && (exclusiveMinimum ? number <= minimum : number < minimum))
    should(`greater than ${exclusiveMinimum ? '' : 'or equal to '}${minimum}`)
  return failed(...problems)
}

function checkList(schema: SchemaProps, value: Json, at: Path, name: string, old: Json | undefined): Result {
  if (!Array.isArray(value)) return fine
  const { minItems, maxItems } = schema
  const items = oneSchema(schema.items)
  const out: Result = { problems: [], passed: 0 }
  if (items) {
    const before = oldElements(schema, old)
    for (const [i, element] of value.entries())
      merge(out, check(items, element, at.index(i), before(element), `${name}[${i}]`))
  }
  if (minItems !== undefined && value.length < minItems)
    merge(out, failed(at.invalid(value.length, inBody(name, `should have at least ${minItems} items`))))
  if (maxItems !== undefined && value.length > maxItems) merge(out, failed(at.tooMany(value.length, maxItems)))
  return out
}

/** Finds the old element for a new one. Only elements with keys can be found. */
function oldElements(schema: SchemaProps, old: Json | undefined): (element: Json) => Json | undefined {
  const keys = schema['x-kubernetes-list-map-keys']
  if (!Array.isArray(old) || schema['x-kubernetes-list-type'] !== 'map' || !keys) return () => undefined
  const byKey = new Map(old.map(element => [listMapKey(keys, element), element]))
  return element => byKey.get(listMapKey(keys, element))
}

/** The keys of an element, as text. */
export const listMapKey = (keys: readonly string[], element: Json): string =>
  JSON.stringify(keys.map(key => (isObject(element) ? (own(element, key) ?? null) : null)))

function checkEnum(schema: SchemaProps, value: Json, at: Path): Result {
  if (!schema.enum?.length || schema.enum.some(one => sameJson(one, value))) return fine
  if (value === null && schema.nullable) return fine
  return failed(
    at.notSupported(
      value,
      schema.enum.map(one => (typeof one === 'string' ? one : JSON.stringify(one))),
    ),
  )
}

function checkFields(schema: SchemaProps, value: Json, at: Path, name: string, old: Json | undefined): Result {
  if (!isObject(value)) return fine
  const { minProperties, maxProperties, required = [] } = schema
  const count = Object.keys(value).length
  if (minProperties !== undefined && count < minProperties)
    return failed(at.invalid(count, inBody(name, `should have at least ${minProperties} properties`)))
  if (maxProperties !== undefined && count > maxProperties) return failed(at.tooMany(count, maxProperties))
  const out: Result = { problems: [], passed: 0 }
  const before = isObject(old) ? old : undefined
  for (const [key, inner] of Object.entries(value)) {
    const known = schemaOfField(schema, key)
    if (known) merge(out, check(known, inner, at.field(key), own(before, key), name ? `${name}.${key}` : key))
  }
  // A field with a default counts as present: in a default, those of its fields are not set yet.
  for (const key of required)
    if (!Object.hasOwn(value, key) && (own(schema.properties, key)?.default ?? null) === null)
      merge(out, failed(at.field(key).required()))
  return out
}

/** The schema of a field. Undefined if it has none. */
export const schemaOfField = (schema: SchemaProps, key: string): SchemaProps | undefined =>
  own(schema.properties, key) ?? oneSchema(schema.additionalProperties)
