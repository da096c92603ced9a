// The conformance tests of the language, as the CEL project publishes them, against this engine. What Kubernetes does
// not have is left out by the tables below, each row with its reason; their counts may only shrink.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compileWith } from './compilation.ts'
import { Environment } from './environment.ts'
import { fn, member, plain, type Library } from './functions.ts'
import { bindings, twoVariables } from './library/comprehensions.ts'
import { optionals } from './library/optionals.ts'
import { standard } from './library/standard.ts'
import { stringsWith } from './library/strings.ts'
import { equal } from './equality.ts'
import { tests as serialized } from '@bufbuild/cel-spec/testdata/conformance.js'
import * as t from './types.ts'
import { formatType, type Type } from './types.ts'
import { parseDuration, parseTimestamp } from './time.ts'
import { ArrayList, EntryMap, Failure, TypeValue, Uint, failure, type Value } from './values.ts'

interface Excluded {
  readonly at: RegExp
  readonly reason: string
  /** How many tests the row leaves out. A row that leaves out more is wrong; one that leaves out none is to go. */
  readonly count: number
}

/** What Kubernetes does not have. The first row that fits a test counts it. */
const excluded: readonly Excluded[] = [
  { at: /^math_ext\//, reason: 'the math extension is not in the environments of Kubernetes', count: 199 },
  { at: /^encoders_ext\//, reason: 'nor is the base64 extension', count: 4 },
  { at: /^block_ext\//, reason: 'cel.block is for optimizers, which Kubernetes does not run', count: 37 },
  { at: /^(proto2|proto3|proto2_ext)\//, reason: 'messages of protobuf: objects come from schemas', count: 201 },
  { at: /^enums\//, reason: 'enumerations of protobuf', count: 85 },
  { at: /^wrappers\//, reason: 'wrapper messages of protobuf', count: 36 },
  {
    at: /duration_converters\/get_milliseconds$/,
    reason: 'cel-go counts all of them, not those of the second',
    count: 1,
  },
  { at: /^dynamic\//, reason: 'Any, Value, Struct and wrapper messages of protobuf', count: 226 },
]
/** Tests in other suites that take a message of protobuf. */
const messages = /TestAllTypes|google\.protobuf\.(?!Timestamp|Duration)|NullValue/
const messageTests = 133

const path = (suite: string, name: string) => `${suite}/${name}`

function* casesOf(suite: Suite, at: string): Iterable<{ at: string; case: Case }> {
  for (const one of suite.tests ?? []) yield { at: path(at, one.original.name ?? ''), case: one }
  for (const inner of suite.suites ?? []) yield* casesOf(inner, at ? path(at, inner.name) : inner.name)
}

test('the engine does what the language says', () => {
  const wrong: string[] = []
  const counts = excluded.map(() => 0)
  let withMessages = 0
  let passed = 0
  for (const { at, case: one } of casesOf(serialized as Suite, '')) {
    const row = excluded.findIndex(e => e.at.test(at))
    if (row >= 0) counts[row]!++
    else if (messages.test(JSON.stringify(one.original))) withMessages++
    else {
      const fault = run(one)
      if (fault === undefined) passed++
      else wrong.push(`${at}: ${one.original.expr}: ${fault}`)
    }
  }
  assert.deepEqual(wrong, [])
  assert.deepEqual(
    counts,
    excluded.map(e => e.count),
  )
  assert.equal(withMessages, messageTests)
  assert.ok(passed > 1400, `${passed} tests ran`)
})

const unbound = () => failure('unbound function')

function environmentOf({
  original: { typeEnv = [], bindings: given = {}, container, disableCheck },
}: Case): Environment {
  const variables = Object.fromEntries(typeEnv.flatMap(d => (d.ident ? [[d.name, typeOf(d.ident.type)]] : [])))
  if (disableCheck) for (const name of Object.keys(given)) variables[name] ??= { kind: 'dyn', name: 'dyn', params: [] }
  const declared: Library = {
    name: 'declared',
    functions: typeEnv.flatMap(({ name, function: f }) =>
      (f?.overloads ?? []).map(({ overloadId, params = [], resultType, isInstanceFunction }) =>
        fn(name, (isInstanceFunction ? member : plain)(overloadId, params.map(typeOf), typeOf(resultType), unbound)),
      ),
    ),
  }
  const libraries = [standard, optionals, twoVariables, bindings, stringsWith('plain'), declared]
  return new Environment({ libraries, variables, quotedFields: true, ...(container && { container }) })
}

/** What is wrong; undefined when the test passes. */
function run(one: Case): string | undefined {
  const { expr, bindings: given = {}, value, evalError, typedResult, checkOnly, disableCheck } = one.original
  const compiled = compileWith(expr, environmentOf(one), { check: !disableCheck, costs: () => undefined })
  if (compiled.error !== undefined) return evalError ? undefined : compiled.error
  const expectedType = typedResult?.deducedType && formatType(typeOf(typedResult.deducedType))
  if (expectedType && formatType(compiled.program.type) !== expectedType)
    return `type ${formatType(compiled.program.type)}, not ${expectedType}`
  if (checkOnly) return undefined
  const variables = Object.fromEntries(Object.entries(given).map(([name, v]) => [name, valueOf(v.value)]))
  const found = compiled.program.evaluate(variables).value
  if (evalError) return found instanceof Failure ? undefined : `${show(found)} instead of ${JSON.stringify(evalError)}`
  const expected = valueOf(typedResult?.result ?? value ?? { boolValue: true })
  if (found instanceof Failure) return found.message
  const isSame = typeof found === 'number' && Number.isNaN(found) ? Number.isNaN(expected) : equal(found, expected)
  return isSame && typeof found === typeof expected ? undefined : `${show(found)}, not ${show(expected)}`
}

const show = (value: unknown): string =>
  typeof value === 'object'
    ? JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? String(v) : v))
    : `${String(value)} (${typeof value})`

interface TypeJson {
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

interface ValueJson {
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

interface Case {
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

interface Suite {
  name: string
  suites?: Suite[]
  tests?: Case[]
}

const primitives: Readonly<Record<string, Type>> = {
  BOOL: t.bool,
  INT64: t.int,
  UINT64: t.uint,
  DOUBLE: t.double,
  STRING: t.string,
  BYTES: t.bytes,
}
const wellKnown: Readonly<Record<string, Type>> = {
  'google.protobuf.Timestamp': t.timestamp,
  'google.protobuf.Duration': t.duration,
}

function typeOf(json: TypeJson): Type {
  if (json.primitive) return primitives[json.primitive]!
  if (json.wrapper) return t.wrapper(primitives[json.wrapper]!)
  if (json.wellKnown)
    return json.wellKnown === 'TIMESTAMP' ? t.timestamp : json.wellKnown === 'DURATION' ? t.duration : t.dyn
  if (json.listType) return t.list(typeOf(json.listType.elemType))
  if (json.mapType) return t.map(typeOf(json.mapType.keyType), typeOf(json.mapType.valueType))
  if (json.messageType) return wellKnown[json.messageType] ?? t.object(json.messageType)
  if (json.typeParam) return t.param(json.typeParam)
  if (json.abstractType)
    return t.opaque(json.abstractType.name, ...(json.abstractType.parameterTypes ?? []).map(typeOf))
  if (json.type) return t.typeOfType(Object.keys(json.type).length ? typeOf(json.type) : undefined)
  return 'null' in json ? t.nullType : t.dyn
}

function valueOf(json: ValueJson): Value {
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
