// Macros of two variables, such as `map.all(k, v, p)` and `transformMap`, and `cel.bind`.
// Source: cel-go ext/comprehensions.go, ext/bindings.go.
import { fn, plain, type Library } from '../functions.ts'
import * as t from '../types.ts'
import { EntryMap, Failure, Mapping, Uint, failure, noSuchOverload, type Value } from '../values.ts'
import { spend } from '../work.ts'

const mapType = t.map(t.param('K'), t.param('V'))

/** Maps that `@mapInsert` made, which nobody but the loop has: it may go on with them. */
const growing = new WeakMap<EntryMap, number>()

/** A map with more entries. A key that is there already is a failure, and not replaced. */
function insert(map: Value, entries: readonly (readonly [Value, Value])[]): Value {
  if (!(map instanceof Mapping)) return noSuchOverload()
  const isOurs = map instanceof EntryMap && growing.get(map) === map.size
  const result = isOurs ? map : copyOf(map)
  if (result instanceof Failure) return result
  for (const [key, value] of entries) {
    spend(1)
    if (result.get(key) !== undefined) return failure(`insert failed: key ${keyText(key)} already exists`)
    if (!result.add(key, value)) return failure('unsupported key type')
  }
  growing.set(result, result.size)
  return result
}

function copyOf(map: Mapping): EntryMap {
  const copy = new EntryMap()
  spend(map.size)
  for (const key of map.keys()) copy.add(key, map.get(key)!)
  return copy
}

const keyText = (key: Value) => (key instanceof Uint ? String(key.value) : typeof key === 'object' ? '' : String(key))

export const twoVariables: Library = {
  name: 'cel.lib.ext.comprev2',
  macros: ['twoVariables'],
  functions: [
    fn(
      'cel.@mapInsert',
      plain('@mapInsert_map_key_value', [mapType, t.param('K'), t.param('V')], mapType, (map, key, value) =>
        insert(map, [[key, value]]),
      ),
      plain('@mapInsert_map_map', [mapType, mapType], mapType, (map, more) =>
        more instanceof Mapping
          ? insert(
              map,
              [...more.keys()].map(key => [key, more.get(key)!]),
            )
          : noSuchOverload(),
      ),
    ),
  ],
}

export const bindings: Library = { name: 'cel.lib.ext.cel.bindings', macros: ['bind'], functions: [] }
