// The types of objects of a kind, as expressions see them: those of the fields in its schema.
// Source: apiserver pkg/cel/common/schemas.go, pkg/cel/openapi.
import { own } from '../../base/own.ts'
import type { Node, Struct } from '../../api/schema/node.ts'
import { types } from '../../cel/index.ts'

type Type = typeof types.dyn

const scalars: Readonly<Partial<Record<Node['type'], Type>>> = {
  string: types.string,
  bool: types.bool,
  int32: types.int,
  int64: types.int,
  double: types.double,
  bytes: types.bytes,
  time: types.timestamp,
  microTime: types.timestamp,
}

/** Types by names that no expression can spell. Structs that contain themselves are no problem. */
export class ObjectFields {
  readonly #structs = new Map<string, Struct>()

  /** The type of a struct. */
  of(struct: Struct, path: string): Type {
    const name = `${path}:${struct.name}`
    this.#structs.set(name, struct)
    return types.object(name)
  }

  /** The type of a field; undefined if there is none, `null` if the type is not one of these. */
  fieldType(typeName: string, field: string): Type | undefined | null {
    const struct = this.#structs.get(typeName)
    if (!struct) return null
    const node = own(struct.fields, field) ?? struct.others
    return node && this.#typeOf(node, `${typeName}.${field}`)
  }

  #typeOf(node: Node, path: string): Type {
    switch (node.type) {
      case 'list':
        return types.list(node.item ? this.#typeOf(node.item, path) : types.dyn)
      case 'map':
        return types.map(types.string, node.item ? this.#typeOf(node.item, path) : types.dyn)
      case 'struct':
        return this.of(node.struct!(), node.struct!().name ? 'object' : path)
      default:
        // Quantities, and what may be a number or a text, have no type of their own.
        return scalars[node.type] ?? types.dyn
    }
  }
}
