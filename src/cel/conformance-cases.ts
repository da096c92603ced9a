// Reads the conformance tests of the CEL project: their types and values, which are JSON of protobuf messages.
import { tests as serialized } from '@bufbuild/cel-spec/testdata/conformance.js'
import * as t from './types.ts'
import type { Type } from './types.ts'
import { parseDuration, parseTimestamp } from './time.ts'
import { ArrayList, EntryMap, TypeValue, Uint, failure, type Value } from './values.ts'

export interface TypeJson {
  primitive?: string
  wellKnown?: string
  wrapper?: string
  listType?: { elemType: TypeJson }
  mapType?: { keyType: TypeJson; valueType: TypeJson }
  messageType?: string
  typeParam?: string
  abstractType?: { name: string; parameterTypes?: TypeJson[] }
  type?: TypeJson
  null?: unknown
}

export interface ValueJson {
  nullValue?: null
  boolValue?: boolean
  int64Value?: string
  uint64Value?: string
  doubleValue?: number | string
  stringValue?: string
  bytesValue?: string
  listValue?: { values?: ValueJson[] }
  mapValue?: { entries?: { key: ValueJson; value: ValueJson }[] }
  objectValue?: { '@type': string; value?: string }
  typeValue?: string
}

export interface Case {
  original: {
    name?: string
    expr: string
    container?: string
    disableCheck?: boolean
    checkOnly?: boolean
    typeEnv?: {
      name: string
      ident?: { type: TypeJson }
      function?: {
        overloads: { overloadId: string; params?: TypeJson[]; resultType: TypeJson; isInstanceFunction?: boolean }[]
      }
    }[]
    bindings?: Record<string, { value: ValueJson }>
    value?: ValueJson
    evalError?: unknown
    typedResult?: { result?: ValueJson; deducedType?: TypeJson }
  }
}

export interface Suite {
  name: string
  suites?: Suite[]
  tests?: Case[]
}

export const tests: Suite = serialized as Suite

const primitives: Readonly<Record<string, Type>> = {
  BOOL: t.bool,
  INT64: t.int,
  UINT64: t.uint,
  DOUBLE: t.double,
  STRING: t.string,
  BYTES: t.bytes,
}
const messages: Readonly<Record<string, Type>> = {
  'google.protobuf.Timestamp': t.timestamp,
  'google.protobuf.Duration': t.duration,
}

export function typeOf(json: TypeJson): Type {
  if (json.primitive) return primitives[json.primitive]!
  if (json.wrapper) return t.wrapper(primitives[json.wrapper]!)
  if (json.wellKnown)
    return json.wellKnown === 'TIMESTAMP' ? t.timestamp : json.wellKnown === 'DURATION' ? t.duration : t.dyn
  if (json.listType) return t.list(typeOf(json.listType.elemType))
  if (json.mapType) return t.map(typeOf(json.mapType.keyType), typeOf(json.mapType.valueType))
  if (json.messageType) return messages[json.messageType] ?? t.object(json.messageType)
  if (json.typeParam) return t.param(json.typeParam)
  if (json.abstractType)
    return t.opaque(json.abstractType.name, ...(json.abstractType.parameterTypes ?? []).map(typeOf))
  if (json.type) return t.typeOfType(Object.keys(json.type).length ? typeOf(json.type) : undefined)
  return 'null' in json ? t.nullType : t.dyn
}

export function valueOf(json: ValueJson): Value {
  if (json.boolValue !== undefined) return json.boolValue
  if (json.int64Value !== undefined) return BigInt(json.int64Value)
  if (json.uint64Value !== undefined) return new Uint(BigInt(json.uint64Value))
  if (json.doubleValue !== undefined) return Number(json.doubleValue)
  if (json.stringValue !== undefined) return json.stringValue
  if (json.bytesValue !== undefined) return Buffer.from(json.bytesValue, 'base64')
  if (json.typeValue !== undefined) return new TypeValue(json.typeValue)
  if (json.listValue) return new ArrayList((json.listValue.values ?? []).map(valueOf))
  if (json.mapValue) {
    const map = new EntryMap()
    for (const { key, value } of json.mapValue.entries ?? []) map.add(valueOf(key), valueOf(value))
    return map
  }
  if (json.objectValue) {
    const text = json.objectValue.value ?? ''
    const made = json.objectValue['@type'].endsWith('Timestamp') ? parseTimestamp(text) : parseDuration(text)
    return made ?? failure(`cannot read ${JSON.stringify(json)}`)
  }
  return null
}
