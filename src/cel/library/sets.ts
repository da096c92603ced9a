// Lists as sets: `sets.contains`, `sets.equivalent`, `sets.intersects`.
// Source: cel-go ext/sets.go.
import { contains } from '../equality.ts'
import { fn, plain, type Implementation, type Library } from '../functions.ts'
import * as t from '../types.ts'
import { List, noSuchOverload } from '../values.ts'

const listOfT = t.list(t.param('T'))

const onLists =
  (run: (a: List, b: List) => boolean): Implementation =>
  (a, b) =>
    a instanceof List && b instanceof List ? run(a, b) : noSuchOverload()

function containsAll(list: List, part: List): boolean {
  for (const element of part) if (!contains(list, element)) return false
  return true
}

function intersect(a: List, b: List): boolean {
  for (const element of a) if (contains(b, element)) return true
  return false
}

export const sets: Library = {
  name: 'cel.lib.ext.sets',
  functions: [
    fn('sets.contains', plain('list_sets_contains_list', [listOfT, listOfT], t.bool, onLists(containsAll))),
    fn(
      'sets.equivalent',
      plain(
        'list_sets_equivalent_list',
        [listOfT, listOfT],
        t.bool,
        onLists((a, b) => containsAll(a, b) && containsAll(b, a)),
      ),
    ),
    fn('sets.intersects', plain('list_sets_intersects_list', [listOfT, listOfT], t.bool, onLists(intersect))),
  ],
}
