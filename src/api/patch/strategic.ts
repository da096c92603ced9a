// Strategic merge patch: a merge patch that knows which lists merge by key, from the schema. Directives in the
// patch: $patch, $retainKeys, $setElementOrder/…, $deleteFromPrimitiveList/….
//
// Of a merged list, what the patch names comes in the patch's order and the rest in the order it had; where the two
// meet, an element goes before the first of the other that the live list has after it.
//
//   live a b c   patch d b   ──►  d a b c        (d is unknown to the live list: it comes first)
//
// Source: apimachinery pkg/util/strategicpatch/patch.go; apiserver handlers/patch.go for the codes of errors.
import { goValue } from '../../base/go-text.ts'
import { StatusError } from '../../base/errors.ts'
import { equalJson } from '../equal.ts'
import type { Json, JsonObject, Node, Struct } from '../schema/node.ts'
import { isObject, setKey } from './merge.ts'

const orderPrefix = '$setElementOrder/'
const deletePrefix = '$deleteFromPrimitiveList/'

/** The patched value; neither argument is changed. Throws BadRequest or an error with code 500 on a malformed patch. */
export function strategicPatch(schema: Struct, target: JsonObject, patch: JsonObject): JsonObject {
  return mergeObject(fieldsOf(schema), target, patch)
}

/** What is known of the fields of an object: of a struct each its own, of a map all the same, of other JSON nothing. */
type Lookup = (field: string) => Node | undefined

const fieldsOf =
  (schema: Struct): Lookup =>
  field =>
    Object.hasOwn(schema.fields, field) ? schema.fields[field] : undefined

const inside = (node: Node | undefined): Lookup => {
  if (node?.type === 'struct') return fieldsOf(node.struct!())
  return node?.type === 'map' ? () => node.item : () => undefined
}

function mergeObject(lookup: Lookup, target: JsonObject, patch: JsonObject): JsonObject {
  if ('$patch' in patch) return directed(patch)
  const out = retained(target, patch)
  const ordered = new Set<string>()
  for (const [key, order] of Object.entries(patch)) {
    if (!key.startsWith(orderPrefix)) continue
    const field = key.slice(orderPrefix.length)
    ordered.add(field)
    putOrdered(out, field, lookup(field), patch[field], order)
  }
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith(deletePrefix)) deletePrimitives(out, key.slice(deletePrefix.length), value)
    else if (!key.startsWith('$') && !ordered.has(key)) putMerged(out, key, lookup(key), value)
  }
  return out
}

function putMerged(out: JsonObject, key: string, node: Node | undefined, value: Json): void {
  if (value === null) {
    delete out[key]
    return
  }
  const current = Object.hasOwn(out, key) ? out[key] : undefined
  if (isObject(value) && isObject(current)) setKey(out, key, mergeObject(inside(node), current, value))
  else if (Array.isArray(value) && Array.isArray(current)) setKey(out, key, mergeList(node, current, value))
  else setKey(out, key, withoutDirectives(value))
}

/** The whole of an object whose patch says what is to become of it. */
function directed(patch: JsonObject): JsonObject {
  const { $patch: directive, ...rest } = patch
  if (directive === 'replace') return rest
  if (directive === 'delete') return {}
  throw malformed(`unknown patch type: ${goValue(directive)} in map: ${goValue(patch)}`)
}

/** A copy of the target with nothing but the keys that $retainKeys names, if it is there. */
function retained(target: JsonObject, patch: JsonObject): JsonObject {
  const keep = patch.$retainKeys
  if (keep === undefined) return { ...target }
  const bad = () => new StatusError('BadRequest', 'invalid patch format of retainKeys')
  if (!Array.isArray(keep)) throw bad()
  for (const [key, value] of Object.entries(patch))
    if (!key.startsWith('$') && value !== null && !keep.includes(key)) throw bad()
  return Object.fromEntries(Object.entries(target).filter(([key]) => keep.includes(key)))
}

function mergeList(node: Node | undefined, live: Json[], patch: Json[]): Json[] {
  const key = node?.mergeKey
  if (key === undefined) return patch.map(withoutDirectives)
  checkElements(live, patch)
  if (!isObject(live[0] ?? patch[0])) {
    const merged = distinct([...live, ...patch])
    return interleave(...partition(merged, patch, ''), patch, live, '')
  }
  const { current, elements } = takeDirectives(live, patch, key)
  const merged = [...current]
  for (const element of elements) {
    const at = indexOf(merged, element, key)
    if (at < 0) merged.push(withoutDirectives(element))
    else merged[at] = mergeObject(inside(node!.item), merged[at] as JsonObject, element)
  }
  return interleave(...partition(merged, elements, key), elements, current, key)
}

/** Carries out what elements of the patch say of the list: which others go, or that all do. */
function takeDirectives(live: Json[], patch: Json[], key: string): { current: Json[]; elements: JsonObject[] } {
  let current = live
  const elements: JsonObject[] = []
  for (const element of patch as JsonObject[]) {
    const directive = element.$patch
    if (directive === undefined || directive === 'delete') {
      if (element[key] === undefined)
        throw malformed(`map: ${goValue(element)} does not contain declared merge key: ${key}`)
      if (directive === 'delete') current = current.filter(other => !sameElement(other, element, key))
      else elements.push(element)
    } else if (directive === 'replace') current = []
    else if (directive === 'merge') throw malformed('merging lists cannot yet be specified in the patch')
    else throw malformed(`unknown patch type: ${goValue(directive)} in map: ${goValue(element)}`)
  }
  // Whatever else was there: what replaces the list replaces all of it.
  if (patch.some(element => isObject(element) && element.$patch === 'replace')) current = []
  return { current, elements }
}

/** A list that the patch gives an order, with or without changing what is in it. */
function putOrdered(
  out: JsonObject,
  field: string,
  node: Node | undefined,
  patch: Json | undefined,
  order: Json,
): void {
  if (!Array.isArray(order)) throw new StatusError('BadRequest', 'invalid patch format of setElementOrder list')
  const key = node?.mergeKey ?? ''
  const live = Array.isArray(out[field]) ? out[field] : undefined
  const changes = Array.isArray(patch) ? patch : undefined
  if (changes) checkOrder(changes, order, key)
  if (!live && !changes) return
  const merged = live && changes ? mergeList(node, live, changes) : (live ?? changes!.map(withoutDirectives))
  setKey(out, field, interleave(...partition(merged, order, key), order, live ?? [], key))
}

/** The elements of the patch come in the order that it gives. */
function checkOrder(patch: Json[], order: Json[], key: string): void {
  const kept = patch.filter(element => !isObject(element) || !('$patch' in element))
  let next = 0
  for (const element of order) if (next < kept.length && sameElement(kept[next]!, element, key)) next++
  if (next < kept.length)
    throw malformed(
      `The order in patch list:\n${goValue(patch)}\n doesn't match $setElementOrder list:\n${goValue(order)}\n`,
    )
}

function deletePrimitives(out: JsonObject, field: string, values: Json): void {
  const current = out[field]
  // What is no list says nothing of one.
  if (!Array.isArray(current) || !Array.isArray(values)) return
  checkElements(current, values)
  out[field] = current.filter(element => !values.some(value => equalJson(value, element)))
}

/** Throws unless all elements are of one type. */
function checkElements(live: Json[], patch: Json[]): void {
  const types = new Set([...live, ...patch].map(element => (isObject(element) ? 'map' : typeof element)))
  if (types.size > 1) throw malformed(`list element types are not identical: ${goValue([live, patch])}`)
}

/** The elements that are in `list`, and the others. */
function partition(elements: Json[], list: readonly Json[], key: string): [Json[], Json[]] {
  const named: Json[] = []
  const others: Json[] = []
  for (const element of elements) (indexOf(list, element, key) < 0 ? others : named).push(element)
  return [named, others]
}

/** Both lists, each in its own order; where they meet, as the live list has them. */
function interleave(named: Json[], others: Json[], order: readonly Json[], live: readonly Json[], key: string): Json[] {
  const inOrder = (list: Json[], by: readonly Json[]) =>
    [...list].sort((a, b) => indexOf(by, a, key) - indexOf(by, b, key))
  const right = inOrder(named, order)
  const left = inOrder(others, live)
  const out: Json[] = []
  while (left.length && right.length) {
    const [l, r] = [indexOf(live, left[0]!, key), indexOf(live, right[0]!, key)]
    out.push(l >= 0 && r >= 0 && l < r ? left.shift()! : right.shift()!)
  }
  return [...out, ...left, ...right]
}

const indexOf = (list: readonly Json[], element: Json, key: string): number =>
  list.findIndex(other => sameElement(other, element, key))

function sameElement(a: Json, b: Json, key: string): boolean {
  return key && isObject(a) && isObject(b) ? equalJson(a[key], b[key]) : equalJson(a, b)
}

const distinct = (list: Json[]): Json[] => [...new Set(list)]

/** A value that the target does not have, without what only says how to merge it. */
function withoutDirectives(value: Json): Json {
  if (Array.isArray(value))
    return value.filter(element => !isObject(element) || element.$patch !== 'delete').map(withoutDirectives)
  if (!isObject(value)) return value
  const out: JsonObject = {}
  for (const [key, inner] of Object.entries(value))
    if (!key.startsWith('$') && inner !== null) setKey(out, key, withoutDirectives(inner))
  return out
}

/** What upstream passes on as it comes: a fault of the request with the code of a fault of the server. */
const malformed = (message: string) => new StatusError('', message)
