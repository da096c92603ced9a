// The types of schemas. A node describes one field: its type, its protobuf number, when it is written, its default, how
// patches merge it. The TypeScript type of an object is inferred from its nodes, so each kind is described only once.
//
// Values are plain JSON: a quantity is its text, a time is its text in RFC 3339, and bytes are base64.

/**
 * The type of a field, by its Go type. When a value is written is decided by `FieldOptions`.
 *
 * `json` and `untyped` are any JSON, kept as it was sent. `json` is owned as a whole in server-side apply, `untyped` has
 * an owner for each field of an object at any depth, as for fields of custom resources without a schema.
 */
export type NodeType =
  | 'string'
  | 'bool'
  | 'int32'
  | 'int64'
  | 'double'
  | 'bytes'
  | 'quantity'
  | 'intOrString'
  | 'time'
  | 'microTime'
  | 'duration'
  | 'json'
  | 'untyped'
  | 'struct'
  | 'list'
  | 'map'

/**
 * Two options decide when a field is written:
 *
 * - `always`: even if it is zero (Go: neither pointer nor omitempty), so every decoded object has it.
 * - `optional`: an absent value differs from a zero value, which is kept (Go: pointer).
 * - With both, an absent value is written as null (Go: pointer without omitempty).
 * - With neither, zero and absent are the same and not written (Go: omitempty).
 */
export interface FieldOptions {
  /** The number of the field in protobuf. */
  proto?: number
  always?: boolean
  optional?: boolean
  /** Whether clients must set it, which is `required` in OpenAPI. */
  required?: boolean
  /** Whether a required field may be the empty string. */
  mayBeEmpty?: boolean
  /** The description that `kubectl explain` shows. */
  doc?: string
  /** The value of an absent field on a write. '' is a default only for an optional field. */
  default?: unknown
  /** The allowed values. Others are refused as not supported. */
  enum?: readonly string[]
  /** The format in OpenAPI, if it is more specific than the type. */
  format?: string
  /** The bounds of a number. */
  min?: number
  max?: number
  /** Whether opaque JSON may be any value, and not only an object. OpenAPI then has no type for it. */
  ofAnyType?: boolean
  /** Whether a map or struct is owned as a whole in server-side apply. */
  atomic?: boolean
}

export interface ListOptions extends FieldOptions {
  /** What is owned in server-side apply: the list as a whole, each element, or each element by its keys. */
  listType?: 'atomic' | 'set' | 'map'
  keys?: readonly string[]
  /** The key by which a strategic merge patch merges elements; '' for lists of scalars. */
  mergeKey?: string
  /** Whether an element of a strategic merge patch drops keys that it does not have. */
  retainKeys?: boolean
  /** Whether the list is a message of its own in protobuf, with its elements in field 1. */
  wrapped?: boolean
}

declare const value: unique symbol
declare const present: unique symbol

/** The description of a field. `T` is its TypeScript type, and `P` is whether every decoded object has it. */
export interface Node<T = unknown, P extends boolean = boolean> extends ListOptions {
  readonly type: NodeType
  /** The elements of a list or map. */
  readonly item?: Node
  /** The definition of a struct. It is a function, so that definitions may be recursive. */
  readonly struct?: () => Struct
  /** Whether a struct by value is dropped when it is zero (Go: omitzero). */
  readonly omitZero?: boolean
  /** For a field included by `inline`: the numbers of the messages that contain it in protobuf. */
  readonly via?: readonly number[]
  readonly [value]?: T
  readonly [present]?: P
}

export type Fields = Readonly<Record<string, Node>>

type ValueOf<N> = N extends Node<infer T, boolean> ? T : never
type PresentKeys<F> = {
  [K in keyof F]: F[K] extends Node<unknown, infer P> ? (P extends true ? K : never) : never
}[keyof F]
type Flat<T> = { [K in keyof T]: T[K] }

/** The TypeScript type of a struct with fields `F`. */
export type Infer<F extends Fields> = Flat<
  { readonly [K in PresentKeys<F> & keyof F]: ValueOf<F[K]> } & {
    readonly [K in Exclude<keyof F, PresentKeys<F>>]?: ValueOf<F[K]>
  }
>

/** A struct with a name. Its fields have the order of Go, in which they are written. */
export interface Struct<T = unknown> {
  /** The name, such as `core.v1.Container`. `openAPIName` gives the long form. */
  readonly name: string
  readonly doc: string
  readonly fields: Fields
  readonly atomic: boolean
  /** The node of fields that are not declared, if they are kept. Otherwise they are dropped. */
  readonly others?: Node
  /** Decodes and orders whole values in its own way (decode.ts), as custom resources do. */
  readonly codec?: Codec
  /**
   * Makes its schema in OpenAPI, version 2 or 3, if that is not made of the fields. `ref` returns a reference to another
   * struct.
   */
  readonly document?: (dialect: 2 | 3, ref: (schema: Struct) => JsonObject) => JsonObject
  /** A field with this struct that may be absent (Go: pointer). */
  field<const O extends FieldOptions>(options: O): Node<T, IsPresent<O>>
  /** A field with this struct that is always present, perhaps empty (Go: by value). */
  value<const O extends FieldOptions & { omitZero?: boolean }>(
    options: O,
  ): Node<T, O extends { omitZero: true } ? false : true>
  readonly [value]?: T
}

export interface CodecOptions {
  /** Whether to set defaults. */
  defaults?: boolean
  /** Called with the path of each field that is dropped because it is not declared. */
  onUnknown?: (path: string) => void
}

/**
 * Brings a value into its canonical form, which is a new value. Decoding that again gives the same. Throws DecodeError.
 */
export type Codec = (input: unknown, options: CodecOptions) => JsonObject

/** The TypeScript type of a struct or kind. */
export type Of<S> = S extends { readonly schema: Struct<infer T> }
  ? T
  : S extends { readonly [value]?: infer T }
    ? NonNullable<T>
    : never

/** A type in which every field is optional at every depth, as in an object that a client writes. */
export type Draft<T> = T extends readonly (infer E)[]
  ? readonly Draft<E>[]
  : T extends object
    ? { readonly [K in keyof T]?: Draft<T[K]> }
    : T

/** The type of an object that nobody else has yet. Decoding, defaults, preparation and builders may change it. */
export type Mutable<T> = 0 extends 1 & T
  ? T
  : T extends readonly (infer E)[]
    ? Mutable<E>[]
    : T extends object
      ? { -readonly [K in keyof T]: Mutable<T[K]> }
      : T

export type IsPresent<O> = O extends { optional: true }
  ? O extends { default: {} }
    ? true
    : false
  : O extends { default: '' }
    ? false
    : O extends { always: true } | { required: true } | { default: {} }
      ? true
      : false

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
export type JsonObject = { [key: string]: Json }

/** An object for code that treats all kinds alike: the same value, not a copy, under the type of all JSON. */
export const asJson = (value: object): JsonObject => value as JsonObject
