// The expressions that select devices. They see one device: its driver, attributes and capacity.
// Source: dynamic-resource-allocation cel/compile.go; pkg/apis/resource/validation.
import {
  compile,
  declare,
  deviceSelection,
  estimateCost,
  estimatorWith,
  objectsOf,
  quantityType,
  sizesOf,
  types,
} from '../../cel/index.ts'
import type { Problems } from '../../api/checks.ts'
import type { Path } from '../../api/path.ts'

const maxCost = 1_000_000n

const device = declare(
  { type: 'object', properties: { driver: { type: 'string' }, allowMultipleAllocations: { type: 'boolean' } } },
  'kubernetes.DRADevice',
)!
const known = objectsOf(device)
const byDomain = (value: typeof types.dyn) => types.map(types.string, types.map(types.string, value))
const fields: Readonly<Record<string, typeof types.dyn>> = {
  attributes: byDomain(types.dyn),
  capacity: byDomain(quantityType),
}

/** In which selectors are compiled. */
export const selectorEnvironment = deviceSelection.extend({
  variables: { device: device.type },
  objects: {
    fieldType: (name, field) =>
      name === device.type.name && Object.hasOwn(fields, field) ? fields[field] : known.fieldType(name, field),
  },
})
const estimator = estimatorWith(sizesOf({ device }))

/** Yields the problems of an expression, which must be a condition that does not cost too much. */
export function* validateSelectorExpression(expression: string, at: Path): Problems {
  const compiled = compile(expression, selectorEnvironment)
  if (compiled.error !== undefined) return yield at.invalid(expression, `${compiled.foundBy} failed: ${compiled.error}`)
  const { type, node } = compiled.program
  if (type.kind !== 'bool' && type.kind !== 'dyn')
    return yield at.invalid(expression, `must evaluate to bool or the unknown type, not ${type.name}`)
  if (estimateCost(node, estimator).max > maxCost) yield at.forbidden('too complex, exceeds cost limit')
}
