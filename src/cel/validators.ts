// What Kubernetes refuses of a tree that has the right types: constants that can only fail at run time, and literals
// whose elements are of different types where one of them is known only at run time.
// Source: cel-go cel/validator.go; apiserver pkg/cel/environment/base.go.
import type { Call, ListNode, MapNode, Node } from './ast.ts'
import type { Validator } from './compilation.ts'
import type { Issue } from './issues.ts'
import { faultOfFormat } from './library/format-clauses.ts'
import { compilePattern } from './pattern.ts'
import { parseDuration, parseTimestamp } from './time.ts'
import { formatType, sameType, type Type } from './types.ts'
import { Failure } from './values.ts'
import { childrenOf, descendants } from './walk.ts'

export const validateLiterals: Validator = ({ node }, _, issues) => visit(node, issues, false)

/** A list of what is to be formatted may be mixed, and so may the literals that stand in it. */
function visit(node: Node, issues: Issue[], mayMix: boolean): void {
  if (node.kind === 'call') validateCall(node, issues)
  else if (node.kind === 'list' && !mayMix) validateList(node, issues)
  else if (node.kind === 'map' && !mayMix) validateMap(node, issues)
  const mayChildrenMix =
    (node.kind === 'call' && node.name === 'format') || ((node.kind === 'list' || node.kind === 'map') && mayMix)
  for (const child of childrenOf(node)) visit(child, issues, mayChildrenMix)
}

/** The text of a constant. */
const literalOf = (node: Node | undefined): string | undefined =>
  node?.kind === 'constant' && typeof node.value === 'string' ? node.value : undefined

function validateCall(node: Call, issues: Issue[]): void {
  const fault = faultOfFormat(node)
  if (fault) issues.push(fault)
  const name = node.resolved ?? node.name
  const last = node.args.at(-1)
  const text = literalOf(last)
  if (text === undefined) return
  const isInvalid =
    (name === 'duration' && !parseDuration(text)) ||
    (name === 'timestamp' && !parseTimestamp(text)) ||
    (name === 'matches' && compilePattern(text) instanceof Failure)
  if (isInvalid) issues.push({ at: last!.at, message: `invalid ${name} argument` })
}

// The checker lets `[1, dyn(x)]` pass, since dyn may be int; here it is of another type than int.
function validateList({ elements, optional }: ListNode, issues: Issue[]): void {
  let first: Type | undefined
  for (const [i, element] of elements.entries()) {
    const type = typeOf(element, optional.has(i))
    first ??= type
    if (sameType(first, type)) continue
    issues.push(mismatch(element, first, type))
    return
  }
}

function validateMap({ entries }: MapNode, issues: Issue[]): void {
  const [first] = entries
  if (!first) return
  const keyType = first.key.type!
  const valueType = typeOf(first.value, first.optional)
  for (const { key, value, optional } of entries) {
    if (!sameType(keyType, key.type!)) issues.push(mismatch(key, keyType, key.type!))
    const type = typeOf(value, optional)
    if (!sameType(valueType, type)) issues.push(mismatch(value, valueType, type))
  }
}

/** Of an element that is written `?x`, what the optional may hold. */
const typeOf = ({ type }: Node, isOptional: boolean): Type => (isOptional ? (type!.params[0] ?? type!) : type!)

const mismatch = ({ at }: Node, expected: Type, found: Type): Issue => ({
  at,
  message: `expected type '${formatType(expected)}' but found '${formatType(found)}'`,
})

/** Upstream makes the patterns of `find` and `findAll` with the program; those of `matches` are validated before. */
export function faultOfPatterns(node: Node): Failure | undefined {
  for (const inner of descendants(node)) {
    if (inner.kind !== 'call' || (inner.name !== 'find' && inner.name !== 'findAll')) continue
    const pattern = literalOf(inner.args[0])
    const made = pattern === undefined ? undefined : compilePattern(pattern)
    if (made instanceof Failure) return made
  }
  return undefined
}
