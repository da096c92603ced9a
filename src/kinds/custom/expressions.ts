// Evaluates the CEL rules of a schema on an object.
//
// - Each rule is evaluated for each value of its level that is not null, with `self`, and with `oldSelf` where the
//   value had an old one: fields and map values by name, elements of lists by their keys.
// - A rule over the old value is skipped where there is none, unless it takes an optional one.
// - A rule that fails for a part that is as it was before is a warning, unless it is over the old value.
// - All evaluations of one object have one budget. Beyond it the object is refused, and nothing more is evaluated.
//
// Source: apiextensions-apiserver pkg/apiserver/schema/cel/validation.go.
import { own } from '../../base/own.ts'
import { sameJson } from '../../api/equal.ts'
import type { Path, Problem } from '../../api/path.ts'
import { isObject } from '../../api/patch/merge.ts'
import type { Json } from '../../api/schema/node.ts'
import { adapt, Failure, Optional, type Program, type Value } from '../../cel/index.ts'
import { compileLevel, type CompiledRule } from '../apiextensions/compiled-rules.ts'
import { fieldAt } from '../apiextensions/field-path.ts'
import { oneSchema, type SchemaProps, type ValidationRule } from '../apiextensions/jsonschema.ts'
import { listMapKey } from './validate.ts'

/** What the rules of one object may still cost together. */
export interface Budget {
  left: number
}

/** Source: apiserver pkg/apis/cel (RuntimeCELCostBudget). */
export const wholeBudget = (): Budget => ({ left: 10_000_000 })

const maxMessageBytes = 5 * 1024

const withRules = new WeakMap<SchemaProps, boolean>()

/** Whether a schema has rules at any depth. */
export function hasRules(schema: SchemaProps): boolean {
  const known = withRules.get(schema)
  if (known !== undefined) return known
  const below = [
    ...Object.values(schema.properties ?? {}),
    oneSchema(schema.items),
    oneSchema(schema.additionalProperties),
  ]
  const has =
    Boolean(schema['x-kubernetes-validations']?.length) || below.some(one => one !== undefined && hasRules(one))
  withRules.set(schema, has)
  return has
}

interface RuleOptions {
  /** The value that this one replaces. */
  old?: Json | undefined
  /** Whether the value is a whole object, whatever its schema says. */
  isRoot?: boolean
  budget?: Budget
  /** Called for each rule that fails for a part that did not change. */
  warn?: ((problem: Problem) => void) | undefined
}

/** The problems of a value by the rules of its schema. */
export function ruleProblems(schema: SchemaProps, value: Json, at: Path, options: RuleOptions = {}): Problem[] {
  if (!hasRules(schema)) return []
  const { old, isRoot = false, budget = wholeBudget(), warn } = options
  const evaluation = new Evaluation(budget, warn)
  evaluation.value({ schema, value, old, at, isRoot, unchanged: old !== undefined && sameJson(value, old) })
  return evaluation.problems
}

interface Place {
  schema: SchemaProps
  value: Json
  old: Json | undefined
  at: Path
  isRoot: boolean
  /** Whether the value, or the nearest one around it that has an old one, is as it was before. */
  unchanged: boolean
}

class Evaluation {
  readonly problems: Problem[] = []
  readonly #budget: Budget
  readonly #warn: RuleOptions['warn']
  /** Whether nothing more is evaluated. */
  #ended = false

  constructor(budget: Budget, warn: RuleOptions['warn']) {
    this.#budget = budget
    this.#warn = warn
  }

  value(place: Place): void {
    const { schema, value } = place
    if (this.#ended || value === null || !hasRules(schema)) return
    if (schema['x-kubernetes-validations']?.length) this.#rules(place)
    if (Array.isArray(value)) this.#elements(place, value)
    else if (isObject(value))
      for (const [key, inner] of Object.entries(value)) {
        const property = own(schema.properties, key)
        const known = property ?? oneSchema(schema.additionalProperties)
        if (!known) continue
        const old = isObject(place.old) ? own(place.old, key) : undefined
        this.value(below(place, known, inner, old, property ? place.at.field(key) : place.at.key(key)))
      }
  }

  #elements(place: Place, value: readonly Json[]): void {
    const { schema, old, at } = place
    const items = oneSchema(schema.items)
    if (!items) return
    const keys = schema['x-kubernetes-list-map-keys']
    const isMap = schema['x-kubernetes-list-type'] === 'map' && keys !== undefined
    const byKey = new Map(isMap && Array.isArray(old) ? old.map(element => [listMapKey(keys, element), element]) : [])
    for (const [i, element] of value.entries())
      this.value(below(place, items, element, isMap ? byKey.get(listMapKey(keys, element)) : undefined, at.index(i)))
  }

  #rules(place: Place): void {
    const { schema, value, old, at, isRoot } = place
    const isWhole = isRoot || Boolean(schema['x-kubernetes-embedded-resource'])
    const level = compileLevel(schema, isWhole)
    if ('error' in level) return this.#add(place, `rule compiler initialization error: ${level.error}`)
    const self = adapt(value, schema as Parameters<typeof adapt>[1], isWhole)
    const before =
      old === undefined || old === null ? undefined : adapt(old, schema as Parameters<typeof adapt>[1], isWhole)
    for (const rule of level.rules) {
      if (this.#ended) return
      if (rule.error !== undefined) this.#add(place, `rule compile error: ${rule.error}`)
      const isOptional = rule.rule.optionalOldSelf ?? false
      if (!rule.program || (rule.usesOldSelf && before === undefined && !isOptional)) continue
      const variables = { self, oldSelf: isOptional ? new Optional(before) : before }
      const result = this.#evaluate(rule.program, variables)
      if (result === outOfBudget) return this.#end(place, outOfBudgetText)
      if (result instanceof Failure) this.#failed(place, rule.rule, result.message)
      else if (result !== true) this.#violated(place, rule, variables, at)
    }
  }

  #evaluate(program: Program, variables: Record<string, Value | undefined>): Value | typeof outOfBudget {
    if (this.#budget.left <= 0) return outOfBudget
    const { value, cost } = program.evaluate(variables)
    if (cost > this.#budget.left) return outOfBudget
    this.#budget.left -= cost
    return value
  }

  #failed(place: Place, rule: ValidationRule, message: string): void {
    const shown = ruleText(rule)
    if (message.startsWith('operation cancelled: actual cost limit exceeded'))
      return this.#end(
        place,
        `'${message}': no further validation rules will be run due to call cost exceeds limit for rule: ${shown}`,
      )
    this.#add(
      place,
      message.startsWith('no such overload')
        ? `'${message}': call arguments did not match a supported operator, function or macro signature for rule: ${shown}`
        : `${message} evaluating rule: ${shown}`,
    )
  }

  #violated(place: Place, compiled: CompiledRule, variables: Record<string, Value | undefined>, at: Path): void {
    const { rule, usesOldSelf } = compiled
    const isOld = !usesOldSelf && place.unchanged
    if (isOld && !this.#warn) return
    const message = compiled.message && this.#evaluate(compiled.message, variables)
    if (message === outOfBudget)
      return this.#end(
        place,
        'messageExpression evaluation failed due to running out of cost budget, no further validation rules will be run',
      )
    const detail = usableMessage(message) ?? (rule.message?.trim() || `failed rule: ${rule.rule.trim()}`)
    const found = rule.fieldPath ? fieldAt(rule.fieldPath, place.schema, { lists: true }) : { names: [] }
    const path = 'names' in found ? at.field(...found.names) : at
    const problem = problemOf(rule.reason, path, place.schema.type ?? '', detail)
    if (isOld) this.#warn?.(problem)
    else this.problems.push(problem)
  }

  #add({ at, schema }: Place, text: string): void {
    this.problems.push(at.invalid(schema.type ?? '', text))
  }

  #end(place: Place, text: string): void {
    this.#add(place, text)
    this.#ended = true
  }
}

function problemOf(reason: string | undefined, path: Path, type: string, detail: string): Problem {
  switch (reason) {
    case 'FieldValueForbidden':
      return path.forbidden(detail)
    case 'FieldValueRequired':
      return path.required(detail)
    case 'FieldValueDuplicate':
      return path.duplicate(type)
    default:
      return path.invalid(type, detail)
  }
}

const outOfBudget = Symbol('out of budget')
const outOfBudgetText = 'validation failed due to running out of cost budget, no further validation rules will be run'

const below = (place: Place, schema: SchemaProps, value: Json, old: Json | undefined, at: Path): Place => ({
  schema,
  value,
  old,
  at,
  isRoot: false,
  unchanged: old === undefined ? place.unchanged : sameJson(value, old),
})

/** The text of a rule in messages about it. */
const ruleText = ({ rule, message = '' }: ValidationRule): string => (message || rule).trim()

/** The text of a message expression; undefined if it is none that can be shown. */
function usableMessage(value: Value | undefined): string | undefined {
  const text = typeof value === 'string' ? value.trim() : ''
  return text && Buffer.byteLength(text) <= maxMessageBytes && !text.includes('\n') ? text : undefined
}
