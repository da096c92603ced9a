// Properties of all patches: compared with the algorithm in RFC 7396, and between the types of patches.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../../base/testing.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { sameJson } from '../equal.ts'
import type { Json, JsonObject } from '../schema/node.ts'
import { jsonPatch } from './json.ts'
import { mergePatch } from './merge.ts'
import { strategicPatch } from './strategic.ts'

const name = fc.constantFrom('a', 'b', 'c', 'constructor')
const scalar = fc.constantFrom<Json[]>(null, true, false, 0, 1, 'x', '')
const { value: json } = fc.letrec<{ value: Json }>(tie => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalar,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(name, tie('value'), { maxKeys: 3, noNullPrototype: true }),
  ),
}))
const object = fc.dictionary(name, json, { maxKeys: 4, noNullPrototype: true })
const isPlain = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The algorithm of RFC 7396, section 2, literally, on a copy. */
function byTheBook(target: Json | undefined, patch: Json): Json {
  if (!isPlain(patch)) return patch
  const out: JsonObject = isPlain(target) ? structuredClone(target) : {}
  for (const key of Object.keys(patch)) {
    if (patch[key] === null) delete out[key]
    else out[key] = byTheBook(Object.hasOwn(out, key) ? out[key] : undefined, patch[key]!)
  }
  return out
}

test('a merge patch follows RFC 7396, is idempotent, and does not change its arguments', () => {
  fc.assert(
    fc.property(json, json, (target, patch) => {
      const [before, given] = [JSON.stringify(target), JSON.stringify(patch)]
      const patched = mergePatch(target, patch)
      assert.deepEqual(patched, byTheBook(target, patch))
      assert.deepEqual(mergePatch(patched, patch), patched)
      assert.deepEqual([JSON.stringify(target), JSON.stringify(patch)], [before, given])
    }),
    { numRuns: 1000 },
  )
})

/** The smallest merge patch from one value to another. It cannot express null, so `after` has none. */
function difference(before: Json | undefined, after: Json): Json {
  if (!isPlain(after)) return after
  const out: JsonObject = {}
  const old = isPlain(before) ? before : {}
  for (const key of Object.keys(old)) if (!Object.hasOwn(after, key)) out[key] = null
  for (const [key, value] of Object.entries(after))
    if (!sameJson(Object.hasOwn(old, key) ? old[key] : undefined, value))
      out[key] = difference(Object.hasOwn(old, key) ? old[key] : undefined, value)
  return out
}

/** A value without nulls in objects, to which a merge patch can lead. */
const withoutNulls = (value: Json): Json =>
  isPlain(value)
    ? Object.fromEntries(Object.entries(value).flatMap(([k, v]) => (v === null ? [] : [[k, withoutNulls(v)]])))
    : value

test('the difference between two objects, as a merge patch, leads from one to the other', () => {
  fc.assert(
    fc.property(object, object, (before, target) => {
      const after = withoutNulls(target)
      assert.deepEqual(mergePatch(before, difference(before, after)), after)
    }),
    { numRuns: 1000 },
  )
})

test('without lists that merge by key, a strategic merge patch equals a merge patch', () => {
  // Labels are a map of strings, in which there are neither directives nor lists.
  const text = fc.oneof(fc.constantFrom<Json[]>('x', 'y', ''), fc.constant(null))
  const labels = fc.dictionary(name, text, { maxKeys: 4, noNullPrototype: true })
  const kept = (value: JsonObject) => withoutNulls(value) as JsonObject
  fc.assert(
    fc.property(labels.map(kept), labels, (live, patch) => {
      const [target, change] = [{ metadata: { labels: live } }, { metadata: { labels: patch } }]
      assert.deepEqual(strategicPatch(Pod.schema, target, change), mergePatch(target, change))
    }),
    { numRuns: 500 },
  )
})

const containerName = fc.constantFrom<string[]>('p', 'q', 'r', 's', 't')
const named = fc.record({ name: containerName, image: fc.constantFrom('1', '2', '3') }, { noNullPrototype: true })
const containers = fc.uniqueArray(named, { selector: c => c.name, maxLength: 5 })
type Container = { name: string; image?: string }

const patchedBy = (live: JsonObject[], spec: JsonObject): Container[] =>
  (strategicPatch(Pod.schema, { spec: { containers: live } }, { spec }).spec as { containers: Container[] }).containers
const patched = (live: JsonObject[], patch: JsonObject[]): Container[] => patchedBy(live, { containers: patch })

const names = (list: readonly Container[]) => list.map(c => c.name)
const without = (list: readonly Container[], other: readonly Container[]) =>
  names(list).filter(n => !names(other).includes(n))

test('a list that merges by name has each element once, patched or as it was', () => {
  fc.assert(
    fc.property(containers, containers, (live, patch) => {
      const out = patched(live, patch)
      const expected = new Map([...live, ...patch].map(c => [c.name, c.image]))
      assert.deepEqual(new Map(out.map(c => [c.name, c.image])), expected)
      assert.equal(out.length, expected.size, 'nothing twice')
      // Patched elements have the order of the patch, and the others their previous order.
      assert.deepEqual(
        names(out).filter(n => names(patch).includes(n)),
        names(patch),
      )
      assert.deepEqual(without(out, patch), without(live, patch))
      assert.deepEqual(patched(out, patch), out, 'twice is once')
      // A patch in the live order moves nothing.
      const inPlace = live.filter(c => names(patch).includes(c.name))
      assert.deepEqual(names(patched(live, inPlace)), names(live))
    }),
    { numRuns: 1000 },
  )
})

test('an element can be patched without its other fields, and removed by its key', () => {
  fc.assert(
    fc.property(containers, fc.uniqueArray(containerName), fc.uniqueArray(containerName), (live, touched, removed) => {
      const patch = [
        ...touched.filter(n => !removed.includes(n)).map(n => ({ name: n, workingDir: '/' })),
        ...removed.map(n => ({ name: n, $patch: 'delete' })),
      ]
      const out = patched(live, patch)
      for (const { name: of, image } of live) {
        const now = out.find(c => c.name === of)
        if (removed.includes(of)) assert.equal(now, undefined, `${of} is removed`)
        else assert.deepEqual(now, { name: of, image, ...(touched.includes(of) && { workingDir: '/' }) })
      }
      assert.deepEqual(
        [...names(out)].sort(),
        [...new Set([...names(live), ...touched].filter(n => !removed.includes(n)))].sort(),
      )
    }),
    { numRuns: 500 },
  )
})

test('a list gets the order of the patch, and elements that it does not order stay among them', () => {
  fc.assert(
    fc.property(containers, fc.shuffledSubarray(['p', 'q', 'r', 's', 't']), (live, order) => {
      const result = patchedBy(live, { '$setElementOrder/containers': order.map(n => ({ name: n })) })
      assert.deepEqual([...names(result)].sort(), [...names(live)].sort(), 'nothing comes or goes')
      assert.deepEqual(
        names(result).filter(n => order.includes(n)),
        order.filter(n => names(live).includes(n)),
      )
      assert.deepEqual(
        names(result).filter(n => !order.includes(n)),
        names(live).filter(n => !order.includes(n)),
      )
    }),
    { numRuns: 1000 },
  )
})

test('a merged list of strings is the union of live and patch, without the deleted ones', () => {
  const texts = fc.uniqueArray(fc.constantFrom('p', 'q', 'r', 's'))
  const finalizersOf = (value: JsonObject) => (value.metadata as { finalizers?: string[] }).finalizers ?? []
  fc.assert(
    fc.property(texts, texts, texts, (live, added, deleted) => {
      const out = finalizersOf(
        strategicPatch(
          Pod.schema,
          { metadata: { finalizers: live } },
          {
            metadata: { finalizers: added, '$deleteFromPrimitiveList/finalizers': deleted },
          },
        ),
      )
      const expected = new Set([...live, ...added])
      // A deletion applies to what is in the list when its key is read, and in this patch additions precede it.
      for (const text of deleted) expected.delete(text)
      assert.deepEqual([...out].sort(), [...expected].sort())
      assert.equal(new Set(out).size, out.length)
    }),
    { numRuns: 500 },
  )
})

test('a JSON patch that replaces one member equals a merge patch, and its test must hold first', () => {
  const pointer = (key: string) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
  const key = fc.oneof(name, fc.constantFrom('~', '/', 'a/b', '~1', '-', '0'))
  const holder = fc.dictionary(key, scalar, { minKeys: 1, maxKeys: 4, noNullPrototype: true })
  fc.assert(
    fc.property(holder, key, json, (target, at, value) => {
      const before = JSON.stringify(target)
      const replaced = { ...target, [at]: value }
      for (const op of ['add', 'replace'])
        assert.deepEqual(jsonPatch(target, [{ op, path: pointer(at), value }]), replaced)
      // A missing member reads as null.
      const test = [{ op: 'test', path: pointer(at), value }]
      const now = Object.hasOwn(target, at) ? target[at]! : null
      if (sameJson(now, value)) assert.deepEqual(jsonPatch(target, test), target)
      else assert.throws(() => jsonPatch(target, test), { reason: 'Invalid' })
      const remove = [{ op: 'remove', path: pointer(at) }]
      const rest = Object.fromEntries(Object.entries(target).filter(([other]) => other !== at))
      if (Object.hasOwn(target, at)) assert.deepEqual(jsonPatch(target, remove), rest)
      else assert.throws(() => jsonPatch(target, remove), { reason: 'Invalid' })
      assert.equal(JSON.stringify(target), before)
    }),
    { numRuns: 500 },
  )
})
