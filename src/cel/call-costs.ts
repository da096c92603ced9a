// What calls cost at run time, by the sizes of their arguments. A call that is in no table here costs one.
// Source: cel-go interpreter/runtimecost.go, ext/sets.go; apiserver pkg/cel/library/cost.go, CallCost.
import type { CallCost, CallCosts } from './compile.ts'
import { patternFactor, stringFactor } from './cost.ts'
import { Format } from './library/formats.ts'
import { listTransforms } from './library/list-transforms.ts'
import { List, Mapping, Opaque, stringSize, type Value } from './values.ts'
import { spend } from './work.ts'

function size(value: Value | undefined): number {
  if (typeof value === 'string') return stringSize(value)
  if (value instanceof Uint8Array) return value.length
  if (value instanceof List || value instanceof Mapping || value instanceof Opaque) return value.size
  return 1
}

const read = (value: Value | undefined, factor = stringFactor) => Math.ceil(size(value) * factor)

const target: CallCost = args => read(args[0])
const twice: CallCost = args => read(args[0], 2 * stringFactor)
const nominal: CallCost = () => 1
const smaller: CallCost = args => Math.ceil(Math.min(size(args[0]), size(args[1])) * stringFactor)
const both: CallCost = args => Math.ceil((size(args[0]) + size(args[1])) * stringFactor)
const product: CallCost = args => read(args[0]) * read(args[1])

/** One character more, so that an empty text is not free where the pattern is expensive. */
const pattern: CallCost = args => Math.ceil((1 + size(args[0])) * stringFactor) * read(args[1], patternFactor)

const asSets =
  (factor: number): CallCost =>
  args =>
    1 + size(args[0]) * size(args[1]) * factor

/** A list is made, after so many steps. */
const makingList = (steps: number) => 1 + 10 + Math.trunc(steps)

const flattening: CallCost = ([list, depth]) =>
  makingList(size(list) * (typeof depth === 'bigint' && depth > 0n ? Number(depth) : depth === undefined ? 1 : 0))

/** Each element is compared with each, as if there were no better way. */
const comparing =
  (index: number): CallCost =>
  args => {
    const list = args[index]
    const first = list instanceof List && list.size ? list.at(0) : undefined
    const hasCharacters = typeof first === 'string' || first instanceof Uint8Array
    return makingList(first === undefined ? 0 : size(list) ** 2 * (2 + (hasCharacters ? stringFactor : 0)))
  }

/** By the overload, when the checker found exactly one. */
const byOverload: Readonly<Record<string, CallCost>> = {
  starts_with_string: target,
  ends_with_string: target,
  string_to_bytes: target,
  bytes_to_string: target,
  strings_quote: target,
  string_format: target,
  in_list: args => size(args[1]),
  ...Object.fromEntries(
    ['less', 'less_equals', 'greater', 'greater_equals'].flatMap(name => [
      [`${name}_string`, smaller],
      [`${name}_bytes`, smaller],
    ]),
  ),
  equals: smaller,
  not_equals: smaller,
  add_string: both,
  add_bytes: both,
  matches_string: pattern,
  contains_string: product,
  list_sets_contains_list: asSets(1),
  list_sets_intersects_list: asSets(1),
  list_sets_equivalent_list: asSets(2),
  list_slice: (_, result) => makingList(size(result)),
  list_reverse: (_, result) => makingList(size(result)),
  lists_range: (_, result) => makingList(size(result)),
  list_flatten: flattening,
  list_flatten_int: flattening,
  list_distinct: comparing(0),
  ...Object.fromEntries(
    listTransforms.functions
      .filter(({ name }) => name === 'sort' || name === '@sortByAssociatedKeys')
      .flatMap(({ name, overloads }) => overloads.map(({ id }) => [id, comparing(name === 'sort' ? 0 : 1)])),
  ),
}

/** An address is compared with as many bytes as the prefix has. */
const containment = (args: readonly Value[]) => Math.ceil(2 * size(args[0]) * stringFactor)

const selector: CallCost = args => {
  const requirements = Math.ceil(size(args[1]) * 0.5)
  return 10 + read(args[1]) + requirements * 50
}

/** By the name of the function, for those of Kubernetes. */
const byName: Readonly<Record<string, CallCost>> = {
  // Two checks are all that the limit of an expression leaves room for.
  check: () => 350_000,
  ...names('serviceAccount path group resource subresource namespace name allowed reason error errored', nominal),
  ...names('fieldSelector labelSelector', selector),
  ...names('isSorted sum max min indexOf lastIndexOf', args => traversal(args[0]!)),
  ...names('url lowerAscii upperAscii substring trim jsonpatch.escapeKey', target),
  ...names('replace split', twice),
  join: (_, result) => read(result, 2 * stringFactor),
  ...names('find findAll', pattern),
  ...names('cidr isIP isCIDR quantity isQuantity semver isSemver', target),
  'ip.isCanonical': twice,
  ...names(
    'masked prefixLength family isUnspecified isLoopback isLinkLocalMulticast isLinkLocalUnicast isGlobalUnicast',
    nominal,
  ),
  validate: ([format, text]) =>
    Math.ceil((1 + size(text)) * stringFactor) *
    Math.ceil((format instanceof Format ? format.patternSize : 4) * patternFactor),
}

function names(list: string, cost: CallCost): Record<string, CallCost> {
  return Object.fromEntries(list.split(' ').map(name => [name, cost]))
}

function byNameAndOverload(name: string, id: string): CallCost | undefined {
  switch (name) {
    case 'ip':
      return id === 'cidr_ip' ? nominal : target
    case 'containsIP':
      return args => containment(args) + (id === 'cidr_contains_ip_string' ? read(args[1]) : 0)
    case 'containsCIDR':
      return args => containment(args) + read(args[0]) + 1 + (id === 'cidr_contains_cidr_string' ? read(args[1]) : 0)
    case '_==_':
      return equality
    default:
      return Object.hasOwn(byName, name) ? byName[name] : undefined
  }
}

/** Equality of two values of Kubernetes' own is one; of an address, too. */
const equality: CallCost = args => (args[0] instanceof Opaque ? 1 : smaller(args, null))

/** What calls cost in Kubernetes. */
export const callCosts: CallCosts = (name, id) =>
  byNameAndOverload(name, id) ?? (Object.hasOwn(byOverload, id) ? byOverload[id] : undefined)

/** All of a value is read: characters and scalars count, what holds them does not. */
function traversal(value: Value): number {
  spend(1)
  if (typeof value === 'string') return Math.trunc(Buffer.byteLength(value) * stringFactor)
  if (value instanceof Uint8Array) return Math.trunc(value.length * stringFactor)
  let cost = 0
  if (value instanceof List) for (const element of value) cost += traversal(element)
  else if (value instanceof Mapping) for (const key of value.keys()) cost += traversal(key) + traversal(value.get(key)!)
  else return 1
  return cost
}
