// Estimates of the calls of Kubernetes' libraries, and of the sizes of variables that have a schema.
// Source: apiserver pkg/cel/library/cost.go, EstimateCallCost; cel-go ext/sets.go.
import {
  fixed,
  maxCost,
  nothing,
  one,
  plus,
  scale,
  stringFactor,
  patternFactor,
  times,
  unknown,
  type Range,
} from './cost.ts'
import { patternCost, type CallEstimate, type Estimated, type Estimator } from './estimate.ts'
import type { Type } from './types.ts'

/** Says what size a part of a variable may have. */
export type SizeOf = (element: Estimated) => Range | undefined

/** The estimator of Kubernetes, with the sizes that the caller has. */
export function estimatorWith(sizeOf: SizeOf): Estimator {
  return {
    size: sizeOf,
    call(name, id, target, args) {
      const sizes = new Sizes(sizeOf)
      return (
        ofSets(id, args, sizes) ??
        ofTransforms(id, target, args, sizes) ??
        ofStrings(name, target, args, sizes) ??
        ofValues(name, id, target, args, sizes)
      )
    },
  }
}

class Sizes {
  readonly #sizeOf: SizeOf
  constructor(sizeOf: SizeOf) {
    this.#sizeOf = sizeOf
  }

  of(element: Estimated): Range {
    return element.size ?? this.#sizeOf(element) ?? unknown
  }

  /** An element of a list; undefined for what is no list. */
  element(list: Estimated): { type: Type; size: Range } | undefined {
    const type = list.type.params[0]
    if (!type) return undefined
    const path = list.path && [...list.path, '@items']
    return { type, size: this.#sizeOf({ path, type, node: undefined, size: undefined }) ?? unknown }
  }
}

/** Every element is compared with every other one. */
function ofSets(id: string, args: readonly Estimated[], sizes: Sizes): CallEstimate | undefined {
  const factor = id === 'list_sets_equivalent_list' ? 2 : /^list_sets_(contains|intersects)_list$/.test(id) ? 1 : 0
  if (!factor || args.length !== 2) return undefined
  return { cost: plus(one, scale(times(sizes.of(args[0]!), sizes.of(args[1]!)), factor)) }
}

/** Functions that make lists. Upstream takes the number of steps for the size of the result. */
function ofTransforms(
  id: string,
  target: Estimated | undefined,
  args: readonly Estimated[],
  sizes: Sizes,
): CallEstimate | undefined {
  const [first, second] = args
  if (id === 'lists_range') return makingList(fixed(literalOf(first!) ?? maxCost), 1)
  if (!target) return undefined
  const size = sizes.of(target)
  switch (id) {
    case 'list_slice':
      return makingList(fixed(BigInt.asUintN(64, (literalOf(second!) ?? size.max) - (literalOf(first!) ?? 0n))), 1)
    case 'list_reverse':
      return makingList(size, 1)
    case 'list_flatten':
      return makingList(size, 1)
    case 'list_flatten_int':
      return makingList(size, Number(literalOf(first!) ?? maxCost))
    case 'list_distinct':
      return makingList(times(size, size), 2)
    default: {
      const [, type, name] = /^list_(.+)_(sort|sortByAssociatedKeys)$/.exec(id) ?? []
      if (!name) return undefined
      const keys = name === 'sort' ? size : sizes.of(first!)
      return makingList(times(keys, keys), type === 'string' || type === 'bytes' ? 2 + stringFactor : 2)
    }
  }
}

const makingList = (size: Range, factor: number): CallEstimate => ({
  cost: plus(scale(size, factor), one, fixed(10)),
  size,
})

/** A number that is written out; those below zero count as zero. */
function literalOf({ node }: Estimated): bigint | undefined {
  if (node?.kind !== 'constant' || typeof node.value !== 'bigint') return undefined
  return node.value < 0n ? 0n : node.value
}

const reading = (size: Range): CallEstimate => ({ cost: scale(size, stringFactor) })

/** Functions of strings and lists that read all of them. */
function ofStrings(
  name: string,
  target: Estimated | undefined,
  args: readonly Estimated[],
  sizes: Sizes,
): CallEstimate | undefined {
  switch (name) {
    case 'isSorted':
    case 'sum':
    case 'max':
    case 'min':
    case 'indexOf':
    case 'lastIndexOf':
      return target && search(target, sizes)
    case 'url':
    case 'jsonpatch.escapeKey': {
      const size = sizes.of(args[0]!)
      return { ...reading(size), size }
    }
    case 'lowerAscii':
    case 'upperAscii':
    case 'substring':
    case 'trim': {
      const size = target && sizes.of(target)
      return size && { ...reading(size), size }
    }
    case 'replace':
      return target && args.length >= 2
        ? replacement(sizes.of(target), sizes.of(args[0]!), sizes.of(args[1]!))
        : undefined
    case 'split':
      return target && splitting(sizes.of(target), args[1])
    case 'join':
      return target && joining(target, args[0], sizes)
    case 'find':
    case 'findAll': {
      if (!target || !args.length) return undefined
      const size = sizes.of(target)
      return { cost: patternCost(size, sizes.of(args[0]!)), size: { min: 0n, max: size.max } }
    }
    default:
      return undefined
  }
}

/** One for each element, and what its characters cost. A string has no elements. */
function search(target: Estimated, sizes: Sizes): CallEstimate {
  const element = sizes.element(target)
  if (!element) return reading(sizes.of(target))
  const hasCharacters = element.type.kind === 'string' || element.type.kind === 'bytes'
  const each = hasCharacters ? plus(one, scale(element.size, stringFactor)) : one
  return { cost: times(sizes.of(target), each) }
}

/** The result is longest when the shortest possible parts are replaced by the longest possible text. */
function replacement(text: Range, part: Range, by: Range): CallEstimate {
  const longest = bound(text.max, part.min, by.max <= part.min)
  const shortest = bound(text.min, part.max, part.max <= by.min)
  const count = { min: shortest.count, max: longest.count }
  const kept = { min: shortest.kept, max: longest.kept }
  return { cost: scale(text, 2 * stringFactor), size: plus(times(count, by), kept) }
}

/** How often a part is replaced at a bound, and how much of the text stays. */
function bound(text: bigint, part: bigint, isIrrelevant: boolean): { count: bigint; kept: bigint } {
  // Between all characters, and around them.
  if (part === 0n) return { count: text < maxCost ? text + 1n : text, kept: text }
  return isIrrelevant ? { count: 0n, kept: text } : { count: (text + part - 1n) / part, kept: 0n }
}

function splitting(text: Range, limit: Estimated | undefined): CallEstimate {
  const node = limit?.node
  const literal = node?.kind === 'constant' && typeof node.value === 'bigint' ? node.value : undefined
  const max = literal === undefined ? text.max : BigInt.asUintN(64, literal)
  return { cost: scale(text, 2 * stringFactor), size: { min: 0n, max } }
}

/** All elements at their longest, with a separator between each two. */
function joining(target: Estimated, separator: Estimated | undefined, sizes: Sizes): CallEstimate {
  const list = sizes.of(target)
  const element = sizes.element(target)
  const elements = element ? times(list, element.size) : nothing
  const gaps = { min: list.min > 0n ? list.min - 1n : 0n, max: list.max > 0n ? list.max - 1n : 0n }
  const size = separator ? plus(elements, times(sizes.of(separator), gaps)) : elements
  return { ...reading(size), size }
}

const nominal = new Set(
  (
    'serviceAccount path group resource subresource namespace name allowed reason error errored ' +
    'masked prefixLength family isUnspecified isLoopback isLinkLocalMulticast isLinkLocalUnicast isGlobalUnicast ' +
    'format.named sign asInteger isInteger asApproximateFloat isGreaterThan isLessThan compareTo add sub ' +
    'major minor patch getScheme getHostname getHost getPort getEscapedPath getQuery'
  ).split(' '),
)

/** Addresses have 4 or 16 bytes. */
const addressSize: Range = { min: 4n, max: 16n }
/** The largest pattern of a named format. */
const maxFormatPattern = 128

/** Functions of the values that Kubernetes has of its own. */
function ofValues(
  name: string,
  id: string,
  target: Estimated | undefined,
  args: readonly Estimated[],
  sizes: Sizes,
): CallEstimate | undefined {
  if (nominal.has(name)) return { cost: one }
  switch (name) {
    case 'check':
      return { cost: fixed(350_000) }
    case 'fieldSelector':
    case 'labelSelector':
      return args.length === 1 ? { cost: selectorCost(sizes.of(args[0]!)) } : undefined
    case 'cidr':
    case 'isIP':
    case 'isCIDR':
    case 'quantity':
    case 'isQuantity':
    case 'semver':
    case 'isSemver':
      return reading(sizes.of(args[0]!))
    case 'ip.isCanonical':
      return { cost: scale(sizes.of(args[0]!), 2 * stringFactor) }
    case 'ip':
      return args.length ? reading(sizes.of(args[0]!)) : { cost: one }
    case 'containsIP':
      return containment(plus(addressSize, addressSize), id === 'cidr_contains_ip_string' ? args[0] : undefined, sizes)
    case 'containsCIDR': {
      const { cost } = containment(
        plus(addressSize, addressSize),
        id === 'cidr_contains_cidr_string' ? args[0] : undefined,
        sizes,
      )
      return { cost: plus(cost, scale(addressSize, stringFactor), one) }
    }
    case 'validate':
      return target && { cost: scale(scale(sizes.of(args[0]!), stringFactor), maxFormatPattern * patternFactor) }
    case '_==_':
      return ownEquality(args)
    default:
      return undefined
  }
}

function containment(size: Range, text: Estimated | undefined, sizes: Sizes): { cost: Range } {
  const cost = scale(size, stringFactor)
  return { cost: text ? plus(cost, scale(sizes.of(text), stringFactor)) : cost }
}

/** A selector becomes a list of requirements, of which each takes two characters at least. */
const selectorCost = (length: Range): Range =>
  plus(fixed(10), scale(length, stringFactor), scale(scale(length, 0.5), 50))

const constantEquality = new Set(['net.IP', 'net.CIDR', 'kubernetes.Quantity', 'kubernetes.Semver'])

/** Values of Kubernetes' own compare at a fixed cost, those of a text by its size. */
function ownEquality([left, right]: readonly Estimated[]): CallEstimate | undefined {
  const name = left!.type.name
  if (name !== right!.type.name) return undefined
  if (constantEquality.has(name) || name.startsWith('kubernetes.authorization.')) return { cost: one }
  if (name === 'kubernetes.NamedFormat') return { cost: scale({ min: 1n, max: 64n }, stringFactor) }
  if (name === 'kubernetes.URL') return { cost: scale({ min: 1n, max: right!.size?.max ?? 1n }, stringFactor) }
  return undefined
}
