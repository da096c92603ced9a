// The functions with which kinds are defined: string, int32, list, map, struct and others. Each returns a node.
import type { FieldOptions, Fields, Infer, IsPresent, Json, ListOptions, Node, NodeType, Struct } from './node.ts'

function scalar<T>(type: NodeType) {
  return <const O extends FieldOptions>(options: O): Node<Narrow<T, O>, IsPresent<O>> => ({
    type,
    ...(options as FieldOptions),
  })
}

/** The TypeScript type of a closed set of strings is their union. */
type Narrow<T, O> = T extends string ? (O extends { enum: readonly (infer E extends string)[] } ? E : T) : T

/** A time that is always written is null when there is none (Go: metav1.Time by value). */
function instant(type: 'time' | 'microTime') {
  return <const O extends FieldOptions>(
    options: O,
  ): Node<O extends { always: true } ? string | null : string, IsPresent<O>> => ({
    type,
    ...(options as FieldOptions),
  })
}

export const string = scalar<string>('string')
export const bool = scalar<boolean>('bool')
export const int32 = scalar<number>('int32')
/** An integer of 64 bits. Beyond 2^53 the value is a bigint (wire/json.ts). */
export const int64 = scalar<number>('int64')
export const double = scalar<number>('double')
/** Bytes, which are base64 in JSON. */
export const bytes = scalar<string>('bytes')
/** A quantity such as `500m` or `1Gi` (quantity.ts). */
export const quantity = scalar<string>('quantity')
export const intOrString = scalar<number | string>('intOrString')
/** A time: RFC 3339 in UTC with whole seconds. */
export const time = instant('time')
/** A time: RFC 3339 in UTC with microseconds. */
export const microTime = instant('microTime')
/** A duration in Go's notation, such as `1h2m3s`. */
export const duration = scalar<string>('duration')
/**
 * Any JSON, kept as it was sent (Go: RawExtension, JSON, FieldsV1). In protobuf it is bytes in field 1 of a message.
 */
export const json = scalar<Json>('json')

type Item = Node | Struct
type ItemOf<I> = I extends Struct<infer T> ? T : I extends Node<infer T, boolean> ? T : never

const itemNode = (item: Item): Node => ('fields' in item ? { type: 'struct', struct: () => item } : item)

/** A list. For server-side apply it is owned as `listType` has it, by default as a whole. */
export function list<I extends Item, const O extends ListOptions>(
  item: I,
  options: O,
): Node<readonly ItemOf<I>[], IsPresent<O>> {
  return { type: 'list', item: itemNode(item), ...(options as ListOptions) }
}

/** A list whose elements are identified by one or several keys. Patches and applies merge it by them. */
export function listByKey<I extends Item, const O extends ListOptions>(
  key: string | readonly string[],
  item: I,
  options: O,
): Node<readonly ItemOf<I>[], IsPresent<O>> {
  const keys = typeof key === 'string' ? [key] : key
  return { type: 'list', item: itemNode(item), listType: 'map', keys, ...(options as ListOptions) }
}

/** A map with strings as keys. */
export function map<I extends Item, const O extends FieldOptions>(
  item: I,
  options: O,
): Node<Readonly<Record<string, ItemOf<I>>>, IsPresent<O>> {
  return { type: 'map', item: itemNode(item), ...(options as FieldOptions) }
}

/** Defines a struct. `name` has package, version and type, such as `core.v1.Container`. */
export function struct<const F extends Fields>(
  name: string,
  doc: string,
  fields: F,
  options: { atomic?: boolean } = {},
): Struct<Infer<F>> {
  return makeStruct<Infer<F>>(name, doc, fields, options)
}

function makeStruct<T>(name: string, doc: string, fields: Fields, options: { atomic?: boolean }): Struct<T> {
  const self: Struct<T> = {
    name,
    doc,
    fields,
    atomic: options.atomic ?? false,
    field: fieldOptions => ({ ...fieldOptions, type: 'struct', struct: () => self as Struct, optional: true }),
    value: fieldOptions => ({
      ...fieldOptions,
      type: 'struct',
      struct: () => self as Struct,
      always: !fieldOptions.omitZero,
    }),
  }
  return self
}

/** Includes the fields of another struct. In protobuf they are in a message of their own, with the number `via`. */
export function inline<F extends Struct>(source: F, via: number): InlineFields<F> {
  return Object.fromEntries(
    Object.entries(source.fields).map(([k, node]) => [k, { ...node, via: [via, ...(node.via ?? [])] }]),
  ) as InlineFields<F>
}

type InlineFields<S> =
  S extends Struct<infer T>
    ? { [K in keyof T]-?: undefined extends T[K] ? Node<Exclude<T[K], undefined>, false> : Node<T[K], true> }
    : never

const packages: Record<string, string> = {
  meta: 'io.k8s.apimachinery.pkg.apis.meta',
  apiextensions: 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions',
  apiregistration: 'io.k8s.kube-aggregator.pkg.apis.apiregistration',
  version: 'io.k8s.apimachinery.pkg',
}

/** The name of a struct in OpenAPI documents: `io.k8s.api.core.v1.Pod` for `core.v1.Pod`. */
export function openAPIName(name: string): string {
  // Custom kinds have the whole group in their name.
  if (name.split('.').length > 3) return name
  const dot = name.indexOf('.')
  return `${packages[name.slice(0, dot)] ?? `io.k8s.api.${name.slice(0, dot)}`}.${name.slice(dot + 1)}`
}
