// The largest estimates of selectors of devices, against the numbers of upstream's own tests.
// Source: dynamic-resource-allocation cel/compile_test.go.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  compile,
  deviceSelection,
  estimateCost,
  estimatorWith,
  quantityType,
  types as t,
  type SizeOf,
} from './index.ts'

const device: t.Type = { kind: 'object', name: 'kubernetes.DRADevice', params: [] }
const fields: Readonly<Record<string, t.Type>> = {
  driver: t.string,
  allowMultipleAllocations: t.bool,
  attributes: t.map(t.string, t.map(t.string, t.dyn)),
  capacity: t.map(t.string, t.map(t.string, quantityType)),
}
const environment = deviceSelection.extend({
  variables: { device },
  objects: { fieldType: (_, field) => fields[field] },
})

/** Upstream's bounds: of domains, of names and their characters, of the characters of a value. */
const sizes: SizeOf = ({ path }) => {
  const [root, field, first, second] = path ?? []
  if (root !== 'device' || field === undefined) return undefined
  if (field === 'driver') return { min: 0n, max: 63n }
  const max =
    first === undefined ? 32n : second === undefined ? (first === '@keys' ? 63n : 32n) : second === '@keys' ? 32n : 64n
  return { min: 0n, max }
}

const tenfold = (depth: number): string =>
  depth ? `[1, 2, 3, 4, 5, 6, 7, 8, 9, 10].all(x${depth}, ${tenfold(depth - 1)})` : "int('1'.find('[0-9]*')) < 100"

const rows: Readonly<Record<string, bigint>> = {
  'device.attributes["a.com"].b.isGreaterThan(quantity("0"))': 6n,
  '"a.com" in device.attributes': 3n,
  'device.driver == ""': 2n,
  'device.driver == "dra.example.com"': 4n,
  'device.attributes["dra.example.com"].name': 4n,
  'device.attributes["dra.example.com"]["name"]': 4n,
  'cel.bind(dra, device.attributes["dra.example.com"], dra.name)': 15n,
  'device.attributes["dra.example.com"].name > 0': 5n,
  'device.attributes["dra.example.com"].name == "fish"': 5n,
  '!("name" in device.capacity["dra.example.com"]) || device.capacity["dra.example.com"].name.isGreaterThan(quantity("1Ki"))':
    11n,
  'device.attributes["d"].a && device.attributes["d"].b && device.attributes["d"].c': 12n,
  'device.attributes.exists_one(x, x == "dra.example.com")': 164n,
  'device.attributes["dra.example.com"].exists_one(x, x == "services")': 133n,
  'device.attributes["dra.example.com"].services.split("example").size() >= 2': 19n,
  'device.attributes["dra.example.com"].services.matches("[^a]?sym")': 18n,
  'device.capacity.exists_one(x, x == "dra.example.com")': 164n,
  'device.capacity["dra.example.com"].exists_one(x, x == "memory")': 133n,
  'device.allowMultipleAllocations == true': 3n,
  [tenfold(7)]: 85_555_551n,
}

for (const [rule, max] of Object.entries(rows))
  test(`${rule.slice(0, 100)} costs at most ${max}`, () => {
    const compiled = compile(rule, environment)
    if (compiled.error !== undefined) assert.fail(compiled.error)
    assert.equal(estimateCost(compiled.program.node, estimatorWith(sizes)).max, max)
  })
