// Checks the CEL rules of a whole schema: whether they compile, what they cost at most, and whether rules over the old
// value have one. Only parts of the schema that are valid otherwise are looked at.
//
// The largest cost of a rule is that of one evaluation, times how many values it is evaluated for: the product of the
// limits of all lists and maps around it or, if one of them has no limit, as many as fit into one request.
//
// Source: apiextensions-apiserver pkg/apis/apiextensions/validation (validation.go, cel_validation.go).
import type { Problems } from '../../api/checks.ts'
import type { Path, Problem } from '../../api/path.ts'
import { compileLevel, type CompiledRule } from './compiled-rules.ts'
import { printedRule } from './inside.ts'
import { oneSchema, type SchemaProps } from './jsonschema.ts'

/** The largest cost of one expression, and of all of a definition. */
const costLimit = 10_000_000n
const totalCostLimit = 100_000_000n
const maxReported = 4

interface Level {
  schema: SchemaProps
  at: Path
  /** Whether values are whole objects. */
  isWhole: boolean
  /** How many values there can be at most; undefined without a limit. */
  maxCardinality: bigint | undefined
  /** The list whose elements have no old value; undefined where there is one. */
  uncorrelatable: Path | undefined
}

/** @param isValid whether a part of the schema has no other problems */
export function* validateExpressions(
  root: SchemaProps,
  at: Path,
  isValid: (schema: SchemaProps, at: Path) => boolean,
): Problems {
  const costs: { path: Path; cost: bigint }[] = []
  for (const level of levelsOf({ schema: root, at, isWhole: true, maxCardinality: 1n, uncorrelatable: undefined }))
    if (level.schema['x-kubernetes-validations']?.length && isValid(level.schema, level.at))
      yield* validateLevel(level, costs)
  yield* validateTotal(costs, at)
}

function* levelsOf(level: Level): Iterable<Level> {
  const { schema, at } = level
  const inner = (child: SchemaProps, path: Path): Level => ({
    schema: child,
    at: path,
    isWhole: Boolean(child['x-kubernetes-embedded-resource']),
    maxCardinality: multiplied(level.maxCardinality, maxElements(schema)),
    uncorrelatable:
      level.uncorrelatable ?? (schema.type === 'array' && schema['x-kubernetes-list-type'] !== 'map' ? at : undefined),
  })
  const items = oneSchema(schema.items)
  const values = oneSchema(schema.additionalProperties)
  for (const [name, property] of Object.entries(schema.properties ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)))
    yield* levelsOf(inner(property, at.field('properties').key(name)))
  if (values) yield* levelsOf(inner(values, at.field('additionalProperties')))
  if (items) yield* levelsOf(inner(items, at.field('items')))
  yield level
}

/** By how much a level multiplies the values below it; undefined without a limit. */
function maxElements({ type, additionalProperties, maxProperties, maxItems }: SchemaProps): bigint | undefined {
  const limit = (size: number | undefined) => (size === undefined ? undefined : BigInt(Math.max(0, size)))
  if (type === 'array') return limit(maxItems)
  return type === 'object' && additionalProperties !== undefined ? limit(maxProperties) : 1n
}

const multiplied = (a: bigint | undefined, b: bigint | undefined): bigint | undefined =>
  a === undefined || b === undefined ? undefined : a * b

function* validateLevel(level: Level, costs: { path: Path; cost: bigint }[]): Problems {
  const { schema, at, isWhole } = level
  const path = at.field('x-kubernetes-validations')
  const compiled = compileLevel(schema, isWhole)
  if ('error' in compiled) return yield path.internal(compiled.error)
  for (const [i, rule] of compiled.rules.entries()) {
    const here = path.index(i)
    const cost = rule.maxCost * (level.maxCardinality ?? compiled.maxCardinality)
    if (cost > costLimit) yield here.field('rule').forbidden(costText('estimated rule cost', cost, costLimit))
    costs.push({ path: here.field('rule'), cost })
    if (rule.error !== undefined) yield here.field('rule').invalid(printedRule(rule.rule), rule.error)
    yield* validateMessage(rule, here, costs)
    yield* validateOldSelf(rule, level, here)
  }
}

function* validateMessage(rule: CompiledRule, at: Path, costs: { path: Path; cost: bigint }[]): Problems {
  const path = at.field('messageExpression')
  if (rule.messageError !== undefined) return yield path.invalid(printedRule(rule.rule), rule.messageError)
  if (!rule.message) return
  if (rule.maxMessageCost > costLimit)
    yield path.forbidden(costText('estimated messageExpression cost', rule.maxMessageCost, costLimit))
  costs.push({ path, cost: rule.maxMessageCost })
}

function* validateOldSelf({ rule, usesOldSelf }: CompiledRule, { uncorrelatable }: Level, at: Path): Problems {
  if (usesOldSelf && uncorrelatable)
    yield at
      .field('rule')
      .invalid(
        rule.rule,
        `oldSelf cannot be used on the uncorrelatable portion of the schema within ${uncorrelatable.toString()}`,
      )
  else if (!usesOldSelf && rule.optionalOldSelf !== undefined)
    yield at.field('optionalOldSelf').invalid(rule.optionalOldSelf, 'may not be set if oldSelf is not used in rule')
}

/** Reports a total beyond the limit, after the rules that contribute most. */
function* validateTotal(costs: readonly { path: Path; cost: bigint }[], at: Path): Iterable<Problem> {
  const total = costs.reduce((sum, { cost }) => sum + cost, 0n)
  if (total <= totalCostLimit) return
  const expensive = costs.filter(({ cost }) => cost >= totalCostLimit / 100n)
  expensive.sort((a, b) => (a.cost > b.cost ? -1 : a.cost < b.cost ? 1 : 0))
  for (const { path } of expensive.slice(0, maxReported))
    yield path.forbidden('contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema')
  const name = 'x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema'
  yield at.forbidden(costText(name, total, totalCostLimit))
}

function costText(name: string, cost: bigint, limit: bigint): string {
  const factor = Number(cost) / Number(limit)
  const shown = factor > 100 ? 'more than 100x' : factor < 1.5 ? `${factor.toFixed(6)}x` : `${factor.toFixed(1)}x`
  return `${name} exceeds budget by factor of ${shown} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)`
}
