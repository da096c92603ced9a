// Strategic merge patch: a merge patch that knows which lists merge by key, from the schema. Directives in the
// patch: $patch, $retainKeys, $setElementOrder/…, $deleteFromPrimitiveList/….
// Source: apimachinery pkg/util/strategicpatch, api-machinery docs "strategic merge patch".
import { StatusError } from '../../base/errors.ts'
import type { Json, JsonObject, Node, Struct } from '../schema/node.ts'
import { isObject, mergePatch, setKey } from './merge.ts'

const orderPrefix = '$setElementOrder/'
const deletePrefix = '$deleteFromPrimitiveList/'

/** The patched value; neither argument is changed. Throws BadRequest on a malformed directive. */
export function strategicPatch(schema: Struct, target: JsonObject, patch: JsonObject): JsonObject {
  return mergeObject(schema, target, patch)
}

function mergeObject(schema: Struct | undefined, target: JsonObject, patch: JsonObject): JsonObject {
  const directive = patch.$patch
  if (directive === 'replace') return without(patch, '$patch')
  if (directive === 'delete') return {}
  if (directive !== undefined && directive !== 'merge') throw bad(`Unrecognized type: ${String(directive)}`)
  let out: JsonObject = { ...target }
  if (patch.$retainKeys !== undefined) out = retain(out, patch)
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith(deletePrefix)) out = deletePrimitives(out, key.slice(deletePrefix.length), value)
    if (key.startsWith('$')) continue
    const node = schema?.fields[key]
    const order = patch[orderPrefix + key]
    if (value === null) delete out[key]
    else setKey(out, key, mergeNode(node, out[key], value, order))
  }
  // An order may come alone, without changes to the list.
  for (const [key, order] of Object.entries(patch)) {
    const name = key.startsWith(orderPrefix) ? key.slice(orderPrefix.length) : undefined
    if (name === undefined || name in patch || !Array.isArray(out[name])) continue
    out[name] = arrange(out[name], order as Json[], schema?.fields[name]?.mergeKey ?? '')
  }
  return out
}

function mergeNode(node: Node | undefined, target: Json | undefined, patch: Json, order?: Json): Json {
  if (isObject(patch)) {
    const inner = node?.type === 'struct' ? node.struct!() : undefined
    if (node?.type === 'json') return mergePatch(target, patch)
    if (node?.type === 'map') return mergeMap(node, target, patch)
    return mergeObject(inner, isObject(target) ? target : {}, patch)
  }
  if (!Array.isArray(patch) || node?.mergeKey === undefined) return patch
  const current = Array.isArray(target) ? target : []
  const merged = node.mergeKey === '' ? mergeSet(current, patch) : mergeList(node, current, patch)
  return Array.isArray(order) ? arrange(merged, order, node.mergeKey) : merged
}

function mergeMap(node: Node, target: Json | undefined, patch: JsonObject): Json {
  if (patch.$patch === 'replace') return without(patch, '$patch')
  const out: JsonObject = isObject(target) ? { ...target } : {}
  if (patch.$patch === 'delete') return {}
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith('$')) continue
    if (value === null) delete out[key]
    else setKey(out, key, mergeNode(node.item, out[key], value))
  }
  return out
}

function mergeSet(current: Json[], patch: Json[]): Json[] {
  return [...new Set([...current, ...patch])]
}

function mergeList(node: Node, current: Json[], patch: Json[]): Json[] {
  const key = node.mergeKey!
  const schema = node.item?.type === 'struct' ? node.item.struct!() : undefined
  if (patch.some(e => isObject(e) && e.$patch === 'replace')) return patch.filter(e => !(isObject(e) && '$patch' in e))
  const out = [...current]
  for (const element of patch) {
    if (!isObject(element)) throw bad(`expected a map in a list merged by ${key}`)
    if (element[key] === undefined)
      throw bad(`map: map[${Object.keys(element).join(' ')}] does not contain declared merge key: ${key}`)
    const at = out.findIndex(existing => isObject(existing) && existing[key] === element[key])
    if (element.$patch === 'delete') {
      if (at >= 0) out.splice(at, 1)
    } else if (at < 0) out.push(mergeObject(schema, {}, element))
    else out[at] = mergeObject(schema, out[at] as JsonObject, element)
  }
  return out
}

/** Elements named in `order` come in that order; the others keep their place relative to their neighbours. */
function arrange(list: Json[], order: Json[], key: string): Json[] {
  const idOf = (element: Json): Json | undefined => (key && isObject(element) ? element[key] : element)
  const rank = new Map(order.map((element, i) => [idOf(element), i]))
  const ranked = list.filter(e => rank.has(idOf(e))).sort((a, b) => rank.get(idOf(a))! - rank.get(idOf(b))!)
  let next = 0
  const out: Json[] = []
  const total = list.length
  for (let i = 0; i < total; i++) out.push(rank.has(idOf(list[i]!)) ? ranked[next++]! : list[i]!)
  return out
}

function deletePrimitives(target: JsonObject, field: string, values: Json): JsonObject {
  const list = target[field]
  if (!Array.isArray(values) || !Array.isArray(list)) return target
  return { ...target, [field]: list.filter(e => !values.includes(e)) }
}

function retain(target: JsonObject, patch: JsonObject): JsonObject {
  const keep = patch.$retainKeys
  if (!Array.isArray(keep)) throw bad('$retainKeys must be a list')
  return Object.fromEntries(Object.entries(target).filter(([key]) => keep.includes(key)))
}

const without = (object: JsonObject, key: string): JsonObject =>
  Object.fromEntries(Object.entries(object).filter(([k]) => k !== key))
const bad = (message: string) => new StatusError('BadRequest', message)
