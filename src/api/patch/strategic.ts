// Strategic merge patch: a merge patch in which some lists are merged by a key, as their schema defines. A patch may
// have the directives $patch, $retainKeys, $setElementOrder/FIELD and $deleteFromPrimitiveList/FIELD.
//
// In a merged list, elements of the patch have the order of the patch, and other elements their live order. Where the
// two orders are merged, an element goes before the first one of the other order that follows it in the live list:
//
//   live a b c   patch d b   ──►  d a b c        (d is not in the live list, so it comes first)
//
// Source: apimachinery pkg/util/strategicpatch/patch.go; apiserver handlers/patch.go for the codes of errors.
import { own } from '../../base/own.ts'
import { goValue } from '../../base/go-text.ts'
import { StatusError } from '../../base/errors.ts'
import { sameJson } from '../equal.ts'
import type { Json, JsonObject, Node, Struct } from '../schema/node.ts'
import { isObject, setKey } from './merge.ts'

const orderPrefix = '$setElementOrder/'
const deletePrefix = '$deleteFromPrimitiveList/'

/** Returns the patched value, without changing the arguments. A malformed patch is a BadRequest or has the code 500. */
export function strategicPatch(schema: Struct, target: JsonObject, patch: JsonObject): JsonObject {
  return mergeObject(fieldsOf(schema), target, patch)
}

/** Finds the node of a field: in a struct its own, in a map the same for all, in other JSON none. */
type Lookup = (field: string) => Node | undefined

const fieldsOf =
  (schema: Struct): Lookup =>
  field =>
    own(schema.fields, field)

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
  const current = own(out, key)
  if (isObject(value) && isObject(current)) setKey(out, key, mergeObject(inside(node), current, value))
  else if (Array.isArray(value) && Array.isArray(current)) setKey(out, key, mergeList(node, current, value))
  else setKey(out, key, withoutDirectives(value))
}

/** Carries out the directive $patch of an object. */
function directed(patch: JsonObject): JsonObject {
  const { $patch: directive, ...rest } = patch
  if (directive === 'replace') return rest
  if (directive === 'delete') return {}
  throw malformed(`unknown patch type: ${goValue(directive)} in map: ${goValue(patch)}`)
}

/** A copy of the target, with only the keys of $retainKeys if the patch has it. */
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

/** Carries out the directives among the elements of a list, which delete one element or replace all. */
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
    } else if (directive === 'replace') continue
    else if (directive === 'merge') throw malformed('merging lists cannot yet be specified in the patch')
    else throw malformed(`unknown patch type: ${goValue(directive)} in map: ${goValue(element)}`)
  }
  // An element with the directive replace drops all live elements. The others are not merged, so a key may be there twice.
  const isReplaced = patch.some(element => isObject(element) && element.$patch === 'replace')
  return isReplaced ? { current: elements.map(withoutDirectives), elements: [] } : { current, elements }
}

/** Sets a list to which the patch gives an order, perhaps without patching its elements. */
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

/** Throws unless the elements of the patch have the order that it gives. */
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
  // Values other than lists are ignored.
  if (!Array.isArray(current) || !Array.isArray(values)) return
  checkElements(current, values)
  out[field] = current.filter(element => !values.some(value => sameJson(value, element)))
}

/** Throws unless all elements are of one type. */
function checkElements(live: Json[], patch: Json[]): void {
  const types = new Set([...live, ...patch].map(element => (isObject(element) ? 'map' : typeof element)))
  if (types.size > 1) throw malformed(`list element types are not identical: ${goValue([live, patch])}`)
}

/** Splits elements into those that are in `list`, and the others. */
function partition(elements: Json[], list: readonly Json[], key: string): [Json[], Json[]] {
  const named: Json[] = []
  const others: Json[] = []
  for (const element of elements) (indexOf(list, element, key) < 0 ? others : named).push(element)
  return [named, others]
}

/** Merges two lists that keep their orders. Between elements of both, the order of the live list decides. */
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
  return key && isObject(a) && isObject(b) ? sameJson(a[key], b[key]) : sameJson(a, b)
}

const distinct = (list: Json[]): Json[] => [...new Set(list)]

/** Removes directives from a value that the target does not have. */
function withoutDirectives(value: Json): Json {
  if (Array.isArray(value))
    return value.filter(element => !isObject(element) || element.$patch !== 'delete').map(withoutDirectives)
  if (!isObject(value)) return value
  const out: JsonObject = {}
  for (const [key, inner] of Object.entries(value))
    if (!key.startsWith('$') && inner !== null) setKey(out, key, withoutDirectives(inner))
  return out
}

/** An error of the request that upstream reports with the code of an error of the server. */
const malformed = (message: string) => new StatusError('', message)
