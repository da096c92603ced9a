// Makes the schemas of OpenAPI, for version 2, with references to #/definitions, and version 3, with
// #/components/schemas.
// Source: k8s.io/kube-openapi; the x-kubernetes-* extensions of the published documents.
import type { AnyKind } from '../../api/kind.ts'
import { DeleteOptions, ListMeta, Status } from '../../api/meta.ts'
import { openAPIName, struct, string } from '../../api/schema/build.ts'
import type { Json, JsonObject, Node, Struct } from '../../api/schema/node.ts'

export type Dialect = 2 | 3

/** Collects all schemas to which kinds refer, directly or through others. */
export class SchemaBook {
  readonly schemas: Record<string, JsonObject> = {}
  readonly #dialect: Dialect

  constructor(dialect: Dialect, kinds: readonly AnyKind[]) {
    this.#dialect = dialect
    for (const kind of kinds) this.#kind(kind)
    this.ref(Status)
    this.ref(DeleteOptions)
    const gvk = [{ group: '', version: 'v1', kind: 'Status' }]
    this.schemas[openAPIName(Status.name)]!['x-kubernetes-group-version-kind'] = gvk
    this.schemas['io.k8s.apimachinery.pkg.apis.meta.v1.Patch'] = {
      description: 'Patch of an object. The content type of the request determines its format.',
      type: 'object',
    }
    const groups = [...new Set(kinds.map(k => JSON.stringify({ group: k.group, version: k.version })))]
    this.schemas[openAPIName(DeleteOptions.name)]!['x-kubernetes-group-version-kind'] = groups.map(g => ({
      ...(JSON.parse(g) as JsonObject),
      kind: 'DeleteOptions',
    }))
    this.schemas['io.k8s.apimachinery.pkg.apis.meta.v1.WatchEvent'] = {
      description: 'Event of a watch: a change of an object, a bookmark or an error.',
      type: 'object',
      required: ['type', 'object'],
      properties: { type: { type: 'string' }, object: { type: 'object' } },
    }
  }

  /** Returns a reference to a struct, and adds the struct to the book. */
  ref(schema: Struct): JsonObject {
    const name = openAPIName(schema.name)
    if (!this.schemas[name]) {
      this.schemas[name] = {}
      this.schemas[name] = this.#struct(schema)
    }
    return { $ref: `${this.#dialect === 2 ? '#/definitions' : '#/components/schemas'}/${name}` }
  }

  #kind(kind: AnyKind): void {
    this.ref(kind.schema)
    const gvk = [{ group: kind.group, version: kind.version, kind: kind.kind }]
    this.schemas[openAPIName(kind.schema.name)]!['x-kubernetes-group-version-kind'] = gvk
    if (!kind.plural || !kind.verbs.includes('list')) return
    const list = struct(`${kind.schema.name}List`, `List of ${kind.kind} objects.`, {
      apiVersion: string({}),
      items: { type: 'list', item: { type: 'struct', struct: () => kind.schema }, required: true } as Node,
      kind: string({}),
      metadata: ListMeta.field({}),
    })
    this.ref(list as Struct)
    this.schemas[openAPIName(list.name)]!['x-kubernetes-group-version-kind'] = [
      { group: kind.group, version: kind.version, kind: kind.listKind ?? `${kind.kind}List` },
    ]
  }

  #struct(schema: Struct): JsonObject {
    if (schema.document) return schema.document(this.#dialect, other => this.ref(other))
    const properties: JsonObject = {}
    const required: string[] = []
    for (const [name, node] of Object.entries(schema.fields)) {
      properties[name] = this.#field(node)
      if (node.required) required.push(name)
    }
    return {
      ...(schema.doc && { description: schema.doc }),
      type: 'object',
      ...(Object.keys(properties).length && { properties }),
      ...(required.length && { required: required.sort() }),
      ...(schema.atomic && { 'x-kubernetes-map-type': 'atomic' }),
    }
  }

  #field(node: Node): JsonObject {
    const description: JsonObject = node.doc ? { description: node.doc } : {}
    const core = this.#node(node)
    const defaulted: JsonObject = node.default === undefined ? {} : { default: node.default as Json }
    // A $ref must not have siblings, so version 3 wraps it.
    if ('$ref' in core)
      return this.#dialect === 3 ? { allOf: [core], ...defaulted, ...description } : { ...core, ...description }
    return { ...core, ...defaulted, ...description }
  }

  #node(node: Node): JsonObject {
    switch (node.type) {
      case 'struct':
        return this.ref(node.struct!())
      case 'list':
        return { type: 'array', items: this.#node(node.item!), ...listExtensions(node) }
      case 'map':
        return {
          type: 'object',
          additionalProperties: this.#node(node.item!),
          ...(node.atomic && { 'x-kubernetes-map-type': 'atomic' }),
        }
      case 'string':
        return {
          type: 'string',
          ...(node.enum && { enum: [...node.enum] }),
          ...(node.format && { format: node.format }),
        }
      case 'duration':
        return { type: 'string' }
      case 'bytes':
        return { type: 'string', format: 'byte' }
      case 'bool':
        return { type: 'boolean' }
      case 'int32':
      case 'int64':
        return { type: 'integer', format: node.type }
      case 'double':
        return { type: 'number', format: 'double' }
      case 'time':
        return this.#named('meta.v1.Time', { type: 'string', format: 'date-time' })
      case 'microTime':
        return this.#named('meta.v1.MicroTime', { type: 'string', format: 'date-time' })
      case 'quantity':
        return this.#fixed(
          'io.k8s.apimachinery.pkg.api.resource.Quantity',
          this.#dialect === 3 ? { oneOf: [{ type: 'string' }, { type: 'number' }] } : { type: 'string' },
        )
      case 'intOrString':
        return this.#fixed(
          'io.k8s.apimachinery.pkg.util.intstr.IntOrString',
          this.#dialect === 3
            ? { format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] }
            : { type: 'string', format: 'int-or-string' },
        )
      case 'json':
        return node.ofAnyType ? {} : { type: 'object' }
      case 'untyped':
        return {}
    }
  }

  #named(name: string, schema: JsonObject): JsonObject {
    return this.#fixed(openAPIName(name), schema)
  }

  #fixed(name: string, schema: JsonObject): JsonObject {
    this.schemas[name] ??= schema
    return { $ref: `${this.#dialect === 2 ? '#/definitions' : '#/components/schemas'}/${name}` }
  }
}

function listExtensions(node: Node): JsonObject {
  return {
    'x-kubernetes-list-type': node.listType ?? 'atomic',
    ...(node.keys && { 'x-kubernetes-list-map-keys': [...node.keys] }),
    ...(node.mergeKey !== undefined && {
      'x-kubernetes-patch-strategy': node.retainKeys ? 'merge,retainKeys' : 'merge',
    }),
    ...(node.mergeKey && { 'x-kubernetes-patch-merge-key': node.mergeKey }),
  }
}
