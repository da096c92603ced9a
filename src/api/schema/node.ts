// The vocabulary in which kinds are written down. A node describes one field: its wire type, its protobuf
// number, when it is written, its default, how patches merge it. The TypeScript type of an object is
// inferred from its nodes, so that a kind is described exactly once.
//
// Values are plain JSON throughout: a quantity is its string, a time its RFC 3339 string, bytes are base64.

/** Which Go type stands behind a field decides what the wire keeps of it; see `Presence`. */
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
  | 'struct'
  | 'list'
  | 'map'

/**
 * When a field is written:
 * - `always`: even when zero (Go: neither pointer nor omitempty), so a decoded object always has it;
 * - `optional`: absent differs from zero, zero is kept (Go: pointer);
 * - both: null is written for what is absent (Go: pointer without omitempty);
 * - neither: zero and absent are the same, and not written (Go: omitempty).
 */
export interface FieldOptions {
  /** Protobuf field number. */
  proto?: number
  always?: boolean
  optional?: boolean
  /** Clients must give it (OpenAPI `required`). */
  required?: boolean
  /** Required, but the empty string will do. */
  mayBeEmpty?: boolean
  /** What the field is for, shown by `kubectl explain`. */
  doc?: string
  /** Filled in when absent on a write; an empty string only where it differs from an absent one. */
  default?: unknown
  /** Allowed values; anything else is refused as not supported. */
  enum?: readonly string[]
  /** OpenAPI format, where it says more than the type. */
  format?: string
  /** Bounds of a number. */
  min?: number
  max?: number
  /** Map as a whole, or struct as a whole, has one owner in server-side apply. */
  atomic?: boolean
}

export interface ListOptions extends FieldOptions {
  /** Who owns what in server-side apply: the whole list, each element, or each element by its keys. */
  listType?: 'atomic' | 'set' | 'map'
  keys?: readonly string[]
  /** Strategic merge patch: merge elements by this key ('' for lists of scalars). */
  mergeKey?: string
  /** Strategic merge patch: an element given in the patch drops the keys it does not name. */
  retainKeys?: boolean
  /** In protobuf the list is a message of its own with the elements in field 1. */
  wrapped?: boolean
}

declare const value: unique symbol
declare const present: unique symbol

/** A field. `T` is its TypeScript type, `P` whether a decoded object always has it. */
export interface Node<T = unknown, P extends boolean = boolean> extends ListOptions {
  readonly type: NodeType
  /** Of a list or map: its elements. */
  readonly item?: Node
  /** Of a struct: its definition (a function, so that definitions may be recursive). */
  readonly struct?: () => Struct
  /** Dropped when zero although it is a struct by value (Go: omitzero). */
  readonly omitZero?: boolean
  /** The field came in by `inline`: in JSON it stands here, in protobuf inside the messages of these numbers. */
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

/** A named message: a row of fields in Go's order, which is the order they are written in. */
export interface Struct<T = unknown> {
  /** `core.v1.Container`; see `openAPIName` for the long form. */
  readonly name: string
  readonly doc: string
  readonly fields: Fields
  readonly atomic: boolean
  /** As a field that may be absent (Go: pointer). */
  field<const O extends FieldOptions>(options: O): Node<T, IsPresent<O>>
  /** As a field that is always there, empty or not (Go: by value). */
  value<const O extends FieldOptions & { omitZero?: boolean }>(
    options: O,
  ): Node<T, O extends { omitZero: true } ? false : true>
  readonly [value]?: T
}

/** The TypeScript type of a struct or kind. */
export type Of<S> = S extends { readonly schema: Struct<infer T> }
  ? T
  : S extends { readonly [value]?: infer T }
    ? NonNullable<T>
    : never

/** What a client may write: every field optional, at every depth. */
export type Draft<T> = T extends readonly (infer E)[]
  ? readonly Draft<E>[]
  : T extends object
    ? { readonly [K in keyof T]?: Draft<T[K]> }
    : T

/** Of an object that only its maker holds yet: decoding, defaults, preparation and builders may change it. */
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
