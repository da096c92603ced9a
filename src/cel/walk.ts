// Walks over the nodes of an expression.
import type { Node } from './ast.ts'

/** A node and all below it. */
export function* descendants(node: Node): Iterable<Node> {
  yield node
  for (const child of childrenOf(node)) yield* descendants(child)
}

/** The expressions that stand directly in a node. */
export function childrenOf(node: Node): readonly Node[] {
  switch (node.kind) {
    case 'constant':
    case 'ident':
      return []
    case 'select':
      return [node.operand]
    case 'call':
      return node.target && node.resolved === undefined ? [node.target, ...node.args] : node.args
    case 'list':
      return node.elements
    case 'map':
      return node.entries.flatMap(e => [e.key, e.value])
    case 'struct':
      return node.fields.map(f => f.value)
    case 'comprehension':
      return [node.range, node.init, node.condition, node.step, node.result]
  }
}

/** Whether an expression names a variable. */
export function mentions(node: Node, variable: string): boolean {
  for (const inner of descendants(node)) if (inner.kind === 'ident' && inner.name === variable) return true
  return false
}

/** Whether an expression selects a field of a variable: `variable.field`, `variable.?field` or `has(variable.field)`. */
export function selectsField(node: Node, variable: string, field: string): boolean {
  const isVariable = (of: Node | undefined) => of?.kind === 'ident' && of.name === variable
  for (const inner of descendants(node)) {
    if (inner.kind === 'select' && inner.field === field && isVariable(inner.operand)) return true
    const [operand, name] = inner.kind === 'call' && inner.name === '_?._' ? inner.args : []
    if (isVariable(operand) && name?.kind === 'constant' && name.value === field) return true
  }
  return false
}
