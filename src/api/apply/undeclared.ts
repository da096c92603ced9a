// Fields of an applied object that its kind does not have. Nobody could own them, so an apply with any is refused,
// named as structured-merge-diff names them.
import { isObject } from '../patch/merge.ts'
import type { Json, JsonObject, Node, Struct } from '../schema/node.ts'
import { elementKey, elementText } from './fieldset.ts'

/** Their paths, as `.spec.template.spec.containers[name="a"].imag`. */
export function undeclaredFields(schema: Struct, value: JsonObject): string[] {
  return [...inStruct(schema, value, '')]
}

function* inStruct(schema: Struct, value: JsonObject, at: string): Iterable<string> {
  for (const [name, child] of Object.entries(value)) {
    const node = schema.fields[name]
    if (node) yield* inNode(node, child, `${at}.${name}`)
    else yield `${at}.${name}`
  }
}

function* inNode(node: Node, value: Json, at: string): Iterable<string> {
  if (node.type === 'struct' && isObject(value)) yield* inStruct(node.struct!(), value, at)
  else if (node.type === 'map' && isObject(value))
    for (const [key, child] of Object.entries(value)) yield* inNode(node.item!, child, `${at}.${key}`)
  else if (node.type === 'list' && Array.isArray(value))
    for (const [i, child] of value.entries())
      yield* inNode(node.item!, child, at + elementText(elementKey(node, child) ?? `i:${i}`))
}
