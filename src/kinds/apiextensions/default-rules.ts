// Whether the defaults in a schema are values that fit it: without unknown fields, valid by the schema and its rules, and
// within the metadata of an object, metadata that an object can have.
// Source: apiextensions-apiserver pkg/apiserver/schema/defaulting/validation.go.
import type { Problems } from '../../api/checks.ts'
import { type Path, type Problem, root } from '../../api/path.ts'
import { DecodeError } from '../../api/schema/decode.ts'
import type { Json, JsonObject } from '../../api/schema/node.ts'
import { isOfEveryObject, keep } from '../custom/codec.ts'
import { type Budget, ruleProblems, wholeBudget } from '../custom/expressions.ts'
import { validateEmbedded, validateWhole } from '../custom/object-rules.ts'
import { shapeOf } from '../custom/shape.ts'
import { schemaProblems } from '../custom/validate.ts'
import { oneSchema, type SchemaProps } from './jsonschema.ts'

const embedded = 'x-kubernetes-embedded-resource'

/** A schema within that of a version. */
interface Place {
  schema: SchemaProps
  at: Path
  /** In the type or metadata of an object: returns an object that has a value at this place. */
  objectWith?: ((value: Json) => JsonObject) | undefined
}

/** Yields the problems of all defaults in the schema of a version. The rules of all of them have one budget. */
export function* validateDefaults(schema: SchemaProps, at: Path): Problems {
  yield* validatePlace({ schema: { ...schema, [embedded]: true }, at }, wholeBudget())
}

function* validatePlace(place: Place, budget: Budget): Problems {
  const { schema, at } = place
  const isWhole = schema[embedded]
  const objectWith = isWhole ? undefined : place.objectWith
  yield* validateDefault({ schema, at, objectWith }, budget)
  const items = oneSchema(schema.items)
  const wrapped = objectWith && ((value: Json) => objectWith([value]))
  if (items) yield* validatePlace({ schema: items, at: at.field('items'), objectWith: wrapped }, budget)
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const outer = objectWith ?? (isWhole && isOfEveryObject(name) ? typed : undefined)
    const inner = outer && ((value: Json) => outer({ [name]: value }))
    yield* validatePlace({ schema: property, at: at.field('properties').key(name), objectWith: inner }, budget)
  }
}

/** A whole object with the given fields. */
const typed = (fields: Json): JsonObject => ({
  apiVersion: 'validation/v1',
  kind: 'Validation',
  ...(fields as JsonObject),
})

function* validateDefault({ schema, at, objectWith }: Place, budget: Budget): Problems {
  const value = schema.default ?? null
  if (value === null) return
  const path = at.field('default')
  if (objectWith) {
    const [problem] = metadataProblems(objectWith(value))
    if (problem) return yield path.invalid(value, `must result in valid metadata: ${problem.field}: ${problem.body}`)
  } else {
    const { hasUnknown, problems } = partProblems(schema, value, path)
    if (hasUnknown) yield path.invalid(value, 'must not have unknown fields')
    yield* problems
    if (problems.length) return
  }
  const invalid = schemaProblems(schema, value).map(problem => below(path, problem))
  yield* invalid
  if (invalid.length) return
  // A default must be valid for an object that had it before, and for one that did not.
  const broken = ruleProblems(schema, value, path, { old: value, budget })
  yield* broken.length ? broken : ruleProblems(schema, value, path, { budget })
}

const metadataShape = shapeOf({})

function metadataProblems(object: JsonObject): readonly Problem[] {
  try {
    keep(object, { ...metadataShape, embedded: true }, '', {})
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return [root.field('metadata').invalid(object['metadata'], error.message)]
  }
  return [...validateWhole(object, root)]
}

function partProblems(schema: SchemaProps, value: Json, path: Path) {
  let hasUnknown = false
  try {
    keep(value, shapeOf(schema), '', { onUnknown: () => (hasUnknown = true) })
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return { hasUnknown, problems: [path.invalid(value, error.message)] }
  }
  return { hasUnknown, problems: [...validateEmbedded(schema, value, path, false)] }
}

/** Places the problem of a default, which names its field from within the default. */
const below = (path: Path, problem: Problem): Problem => ({
  ...problem,
  field: problem.field === root.toString() ? path.toString() : path.field(problem.field).toString(),
})
