// Field sets are compared with sets of paths, and server-side apply with a table of owners.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../../base/testing.ts'
import { isReason } from '../../base/errors.ts'
import { ConfigMap } from '../../kinds/core/configmap.ts'
import { Pod } from '../../kinds/core/pod.ts'
import type { ManagedFieldsEntry } from '../meta.ts'
import { asJson, type Json, type JsonObject } from '../schema/node.ts'
import { apply } from './apply.ts'
import { compare } from './compare.ts'
import {
  difference,
  emptySet,
  except,
  type FieldSet,
  fieldSetJson,
  fieldsOf,
  intersection,
  isEmpty,
  isFieldSet,
  only,
  overlaps,
  parseFieldSet,
  structNode,
  union,
} from './fieldset.ts'

const element = fc.constantFrom('f:a', 'f:b', 'k:{"name":"x"}', 'v:"y"')
const path = fc.array(element, { minLength: 1, maxLength: 3 })
/** The members of a set, as paths. */
const members = fc.uniqueArray(path, { maxLength: 6, selector: p => p.join(' ') })

function setOf(list: readonly (readonly string[])[]): FieldSet {
  const set = emptySet()
  for (const steps of list) {
    let at = set
    for (const step of steps) {
      if (!at.children.has(step)) at.children.set(step, emptySet())
      at = at.children.get(step)!
    }
    at.self = true
  }
  return set
}

function membersOf(set: FieldSet, prefix: readonly string[] = []): string[] {
  const below = [...set.children].flatMap(([key, child]) => membersOf(child, [...prefix, key]))
  return set.self ? [prefix.join(' '), ...below] : below
}

/** The members without other members below them. */
function leavesOf(set: FieldSet, prefix: readonly string[] = []): string[] {
  if (set.children.size === 0) return set.self ? [prefix.join(' ')] : []
  return [...set.children].flatMap(([key, child]) => leavesOf(child, [...prefix, key]))
}

const texts = (list: readonly (readonly string[])[]) => new Set(list.map(p => p.join(' ')))
const isUnder = (text: string, roots: ReadonlySet<string>) =>
  [...roots].some(top => text === top || text.startsWith(`${top} `))

test('field sets behave like sets of paths, and operations do not change their arguments', () => {
  fc.assert(
    fc.property(members, members, (x, y) => {
      const [a, b] = [setOf(x), setOf(y)]
      const [p, q] = [texts(x), texts(y)]
      const sorted = (set: FieldSet) => membersOf(set).sort()
      const inBoth = [...p].filter(text => q.has(text)).sort()
      const inFirst = [...p].filter(text => !q.has(text)).sort()
      assert.deepEqual(sorted(union(a, b)), [...new Set([...p, ...q])].sort())
      assert.deepEqual(sorted(intersection(a, b)), inBoth)
      assert.deepEqual(sorted(difference(a, b)), inFirst)
      assert.equal(overlaps(a, b), inBoth.length > 0)
      assert.equal(isEmpty(difference(a, b)), inFirst.length === 0)
      assert.deepEqual(sorted(only(a, y)), [...p].filter(text => isUnder(text, q)).sort())
      assert.deepEqual(sorted(except(a, y)), [...p].filter(text => !isUnder(text, q)).sort())
      assert.deepEqual([sorted(a), sorted(b)], [[...p].sort(), [...q].sort()])
    }),
    { numRuns: 2000 },
  )
})

test('a field set is parsed back from its JSON, whose keys are sorted', () => {
  fc.assert(
    fc.property(members, x => {
      const json = fieldSetJson(setOf(x))
      assert.equal(isFieldSet(json), true)
      const read = parseFieldSet(JSON.parse(JSON.stringify(json)) as Json)
      assert.deepEqual(new Set(membersOf(read)), texts(x))
      assert.equal(JSON.stringify(fieldSetJson(read)), JSON.stringify(json))
      const backwards = setOf([...x].reverse())
      assert.equal(JSON.stringify(fieldSetJson(backwards)), JSON.stringify(json))
    }),
    { numRuns: 500 },
  )
})

test('any JSON can be parsed as a field set', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 3 }), json => {
      const set = parseFieldSet(json as Json)
      assert.deepEqual(membersOf(difference(set, set)), [])
    }),
    { numRuns: 500 },
  )
})

const text = fc.constantFrom('', '1', '2', '3')
const labels = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), text, { maxKeys: 4, noNullPrototype: true })
const port = fc.record({ containerPort: fc.nat({ max: 2 }), hostPort: fc.nat({ max: 1 }) }, { noNullPrototype: true })
const container = fc.record(
  {
    name: fc.constantFrom('p', 'q', 'r'),
    image: text,
    command: fc.array(text, { minLength: 1, maxLength: 2 }),
    ports: fc.uniqueArray(port, { selector: p => p.containerPort, minLength: 1, maxLength: 2 }),
  },
  { requiredKeys: ['name'], noNullPrototype: true },
)
const metadata = fc.record(
  {
    name: fc.constant('x'),
    labels: labels.filter(map => Object.keys(map).length > 0),
    finalizers: fc.uniqueArray(text, { minLength: 1 }),
  },
  { requiredKeys: ['name'], noNullPrototype: true },
)
const containers = fc.uniqueArray(container, { selector: c => c.name, minLength: 1 })
/** The form after decoding: without empty lists and maps. */
const pod: fc.Arbitrary<JsonObject> = fc
  .tuple(metadata, containers)
  .map(([meta, list]) => ({ metadata: meta, spec: { containers: list } }) as JsonObject)

test('added, changed, removed and equal fields together are all fields of two states', () => {
  const node = structNode(Pod.schema)
  fc.assert(
    fc.property(pod, pod, (before, after) => {
      const { changed, removed } = compare(node, before, after)
      const [old, now] = [fieldsOf(node, before), fieldsOf(node, after)]
      assert.deepEqual(membersOf(intersection(removed, now)), [], 'what is removed is not there any more')
      assert.deepEqual(membersOf(difference(difference(old, now), removed)), [], 'what is gone is removed')
      assert.deepEqual(membersOf(difference(difference(now, old), changed)), [], 'what is new is changed')
      const none = compare(node, after, structuredClone(after))
      assert.ok(isEmpty(none.changed) && isEmpty(none.removed), 'a copy is no change')
      assert.deepEqual(
        leavesOf(removed).filter(leaf => !membersOf(old).includes(leaf)),
        [],
        'only what was there goes',
      )
      assert.deepEqual(
        leavesOf(changed).filter(leaf => !membersOf(now).includes(leaf)),
        [],
        'only what is there changes',
      )
    }),
    { numRuns: 1000 },
  )
})

const now = '2026-01-01T00:00:00Z'

function applied(live: JsonObject, wanted: JsonObject, name: string, force: boolean): JsonObject {
  const manager = { manager: name, operation: 'Apply' as const, apiVersion: 'v1', subresource: '' }
  const schema = 'spec' in wanted ? Pod.schema : ConfigMap.schema
  const { object, managedFields } = apply(schema, live, wanted, { manager, force, now, ownable: set => set })
  return {
    ...object,
    metadata: { ...(object.metadata as JsonObject), managedFields: asJson(managedFields) },
  }
}

/** An object without its managed fields. */
function contentOf(object: JsonObject): JsonObject {
  const { managedFields: _, ...metadata } = object.metadata as JsonObject
  return { ...object, metadata }
}

/** Empty maps and lists may remain of abandoned fields, until the object is decoded. */
function withoutEmpties(object: JsonObject): JsonObject {
  const entries = Object.entries(object.metadata as JsonObject)
  return { ...object, metadata: Object.fromEntries(entries.filter(([, value]) => Object.keys(value as object).length)) }
}

test('an object with one manager is what that applied last, in its order', () => {
  fc.assert(
    fc.property(fc.array(pod, { minLength: 1, maxLength: 4 }), wishes => {
      let live: JsonObject = { metadata: {} }
      for (const wanted of wishes) {
        live = applied(live, wanted, 'one', false)
        assert.deepEqual(withoutEmpties(contentOf(live)), wanted)
        assert.deepEqual(applied(live, wanted, 'one', false), live, 'twice is once')
      }
    }),
    { numRuns: 500 },
  )
})

const namesOf = (object: JsonObject) =>
  ((object.spec as JsonObject).containers as { name: string }[]).map(({ name }) => name)

test('elements of a list have the order of the manager that applied last, and elements of another keep theirs', () => {
  const names = fc.shuffledSubarray(['p', 'q', 'r', 's', 't', 'u'])
  const listOf = (list: readonly string[]): JsonObject => ({ spec: { containers: list.map(name => ({ name })) } })
  fc.assert(
    fc.property(names, names, (first, second) => {
      const live = applied({ metadata: {} }, listOf(first), 'one', false)
      const both = namesOf(applied(live, listOf(second), 'two', false))
      assert.deepEqual([...both].sort(), [...new Set([...first, ...second])].sort())
      assert.deepEqual(
        both.filter(name => second.includes(name)),
        second,
      )
      assert.deepEqual(
        both.filter(name => !second.includes(name)),
        first.filter(name => !second.includes(name)),
      )
    }),
    { numRuns: 1000 },
  )
})

test('elements that are only live stay before the shared element that they preceded', () => {
  const table: [live: string, wanted: string, merged: string][] = [
    ['abcd', 'ba', 'bcda'],
    ['abcd', 'cb', 'acdb'],
    ['abcd', 'bac', 'bdac'],
    ['abcd', 'aeb', 'aebcd'],
    ['abcd', 'bec', 'abecd'],
    ['abcd', 'e', 'abcde'],
    ['ab', 'eb', 'aeb'],
  ]
  const listOf = (list: string): JsonObject => ({ spec: { containers: [...list].map(name => ({ name })) } })
  for (const [live, wanted, merged] of table) {
    const first = applied({ metadata: {} }, listOf(live), 'one', false)
    assert.equal(namesOf(applied(first, listOf(wanted), 'two', false)).join(''), merged, `${wanted} on ${live}`)
  }
})

/** The data of a ConfigMap: for each key a value and its owners. */
class Owners {
  readonly keys = new Map<string, { value: string; owners: Set<string> }>()

  /** The keys that others own and for which `wanted` has another value. */
  contested(name: string, wanted: Readonly<Record<string, string>>): string[] {
    return Object.entries(wanted).flatMap(([key, value]) => {
      const now = this.keys.get(key)
      return now && now.value !== value && [...now.owners].some(other => other !== name) ? [key] : []
    })
  }

  apply(name: string, wanted: Readonly<Record<string, string>>): void {
    for (const [key, now] of this.keys) {
      if (!now.owners.delete(name) || key in wanted || now.owners.size) continue
      this.keys.delete(key)
    }
    for (const [key, value] of Object.entries(wanted)) {
      const now = this.keys.get(key)
      if (now?.value === value) now.owners.add(name)
      else this.keys.set(key, { value, owners: new Set([name]) })
    }
  }
}

test('a field is owned by all who applied its value, removed with its last owner, and contested until then', () => {
  const step = fc.record({ name: fc.constantFrom('one', 'two', 'three'), data: labels, force: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), steps => {
      const model = new Owners()
      let live: JsonObject = { metadata: {} }
      for (const { name, data, force } of steps) {
        const contested = model.contested(name, data)
        try {
          live = applied(live, { data }, name, force)
          assert.ok(force || !contested.length, `${name} takes ${contested.join()} without force`)
        } catch (error) {
          if (!isReason(error, 'Conflict')) throw error
          assert.deepEqual(
            [...new Set(error.details!.causes!.map(cause => cause.field))].sort(),
            contested.map(key => `.data.${key}`).sort(),
          )
          assert.ok(!force && contested.length)
          continue
        }
        model.apply(name, data)
        const expected = Object.fromEntries([...model.keys].map(([key, now]) => [key, now.value]))
        assert.deepEqual({ ...((live.data ?? {}) as JsonObject) }, expected)
        const entries = (live.metadata as { managedFields: ManagedFieldsEntry[] }).managedFields
        for (const owner of ['one', 'two', 'three']) {
          const fields = parseFieldSet(entries.find(entry => entry.manager === owner)?.fieldsV1 as Json | undefined)
          const owned = [...(fields.children.get('f:data')?.children.keys() ?? [])]
          const should = [...model.keys].flatMap(([key, now_]) => (now_.owners.has(owner) ? [`f:${key}`] : []))
          assert.deepEqual(owned.sort(), should.sort(), `what ${owner} owns`)
        }
      }
    }),
    { numRuns: 1000 },
  )
})
