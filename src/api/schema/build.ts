// The words a kind file is written with: string, int32, list, map, struct and so on. Each returns a node.
import type { FieldOptions, Fields, Infer, IsPresent, Json, ListOptions, Node, NodeType, Struct } from './node.ts'

function scalar<T>(type: NodeType) {
  return <const O extends FieldOptions>(options: O): Node<Narrow<T, O>, IsPresent<O>> => ({
    type,
    ...(options as FieldOptions),
  })
}

/** A closed set of strings becomes a union in TypeScript. */
type Narrow<T, O> = T extends string ? (O extends { enum: readonly (infer E extends string)[] } ? E : T) : T

export const string = scalar<string>('string')
export const bool = scalar<boolean>('bool')
export const int32 = scalar<number>('int32')
/** 64-bit; exact up to 2^53, as in every JSON client. */
export const int64 = scalar<number>('int64')
export const double = scalar<number>('double')
/** base64 in JSON. */
export const bytes = scalar<string>('bytes')
/** `500m`, `1Gi`: see quantity.ts. */
export const quantity = scalar<string>('quantity')
export const intOrString = scalar<number | string>('intOrString')
/** RFC 3339, whole seconds, UTC. */
export const time = scalar<string>('time')
/** RFC 3339 with microseconds. */
export const microTime = scalar<string>('microTime')
/** Go's duration text, `1h2m3s`. */
export const duration = scalar<string>('duration')
/** Any JSON, kept as it came (Go: RawExtension, JSON, FieldsV1). In protobuf: bytes in field 1 of a message. */
export const json = scalar<Json>('json')

type Item = Node | Struct
type ItemOf<I> = I extends Struct<infer T> ? T : I extends Node<infer T, boolean> ? T : never

const itemNode = (item: Item): Node => ('fields' in item ? { type: 'struct', struct: () => item } : item)

/** A list whose server-side-apply ownership is `listType` (default: the whole). */
export function list<I extends Item, const O extends ListOptions>(
  item: I,
  options: O,
): Node<readonly ItemOf<I>[], IsPresent<O>> {
  return { type: 'list', item: itemNode(item), ...(options as ListOptions) }
}

/** A list of things told apart by `key` (or several keys), merged by it in patches and applies. */
export function listByKey<I extends Item, const O extends ListOptions>(
  key: string | readonly string[],
  item: I,
  options: O,
): Node<readonly ItemOf<I>[], IsPresent<O>> {
  const keys = typeof key === 'string' ? [key] : key
  return { type: 'list', item: itemNode(item), listType: 'map', keys, ...(options as ListOptions) }
}

/** A map from strings. */
export function map<I extends Item, const O extends FieldOptions>(
  item: I,
  options: O,
): Node<Readonly<Record<string, ItemOf<I>>>, IsPresent<O>> {
  return { type: 'map', item: itemNode(item), ...(options as FieldOptions) }
}

/** Names a message. `name` is package, version and type: `core.v1.Container`. */
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

/** Spreads another struct's fields into this one; in protobuf they sit in message number `via`. */
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

/** `core.v1.Pod` as OpenAPI documents name it: `io.k8s.api.core.v1.Pod`. */
export function openAPIName(name: string): string {
  const dot = name.indexOf('.')
  return `${packages[name.slice(0, dot)] ?? `io.k8s.api.${name.slice(0, dot)}`}.${name.slice(dot + 1)}`
}
