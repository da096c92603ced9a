// Lists. The newest state is read from the mirror, and further pages of an older state from the store's history:
//
//   no resourceVersion, or one in the past ──► mirror, after waiting for all acknowledged writes (none for "0")
//   a resourceVersion in the future        ──► mirror, once it has that revision; Timeout if it is not written in time
//   continue, or resourceVersionMatch=Exact ─► history at that revision; Expired once it is compacted
//
// - All items of a list are of one state, whose revision it has, so a watch from that revision misses nothing.
// - Items are in the order of their keys: namespace, then name.
// - A page has at most `limit` items. Its continue token has the revision and the last key, so no state is kept for
//   unfinished lists. When the revision has been compacted, the error has a token with which the list goes on at the
//   newest revision, no longer as one state.
// - resourceVersion=0 accepts any state, and is answered in one page.
//
// Source: API concepts "chunks" and "resource versions"; apiserver storage/continue.go.
import { isReason, StatusError } from '../base/errors.ts'
import { goQuote } from '../base/go-text.ts'
import type { AnyKind } from '../api/kind.ts'
import { type FieldSelector, isOfKind, matchesFields, parseFieldSelector, selectedName } from '../api/fields.ts'
import { matchesSelector, parseSelector, type Selector } from '../api/labels.ts'
import type { Item } from '../api/mirror.ts'
import type { Operation, OperationResult } from '../api/operation.ts'
import { jsonSyntaxError } from '../base/json-syntax.ts'
import { tooLarge } from '../store/index.ts'
import { counter } from '../base/metrics.ts'
import { prefixOf } from './kind-storage.ts'
import { placeAfter } from './sorted.ts'
import type { Storage } from './storage.ts'
import { asLastShown, shownItems } from './versions.ts'

const cacheLists = counter('apiserver_cache_list_total', 'Lists that were answered from a mirror.')
const cacheFetched = counter('apiserver_cache_list_fetched_objects_total', 'Objects that such lists have looked at.')
const cacheReturned = counter('apiserver_cache_list_returned_objects_total', 'Objects that such lists have returned.')
const storageLists = counter('apiserver_storage_list_total', 'Lists that were answered from the store.')
const storageFetched = counter('apiserver_storage_list_fetched_objects_total', 'Objects that such lists have read.')
const storageReturned = counter('apiserver_storage_list_returned_objects_total', 'Objects that they have returned.')

/** Which objects a list or watch returns. */
export interface Filter {
  namespace: string
  labels: Selector
  fields: FieldSelector
}

export function filterOf(operation: Operation): Filter {
  const { kind, options, namespace, name } = operation
  const fields = options.fieldSelector ? parseFieldSelector(kind, options.fieldSelector) : []
  return {
    namespace: kind.namespaced ? namespace : '',
    labels: options.labelSelector ? parseSelector(options.labelSelector) : [],
    fields: name ? [...fields, { field: 'metadata.name', value: name, equal: true }] : fields,
  }
}

/**
 * Makes items ready for `passes`: the fields that a selector names are those of the version of the kind, in which an
 * object may not be stored. Returns a promise only if that takes time. Throws if an object cannot be converted.
 */
export function makeReadable(
  kind: AnyKind,
  filter: Filter,
  items: () => readonly Item[],
): Promise<readonly Item[]> | undefined {
  if (!kind.versions || !isOfKind(filter.fields)) return undefined
  const shown = shownItems(kind, items())
  return shown instanceof Promise ? shown : undefined
}

export function passes(kind: AnyKind, filter: Filter, item: Item): boolean {
  return (
    (!filter.namespace || item.namespace === filter.namespace) &&
    (filter.labels.length === 0 || matchesSelector(filter.labels, item.object.metadata.labels)) &&
    (filter.fields.length === 0 || readsAs(() => matchesFields(kind, filter.fields, asLastShown(kind, item).object)))
  )
}

/**
 * Whether a selector matches. A stored object whose fields cannot be read matches none, and is no error of the list.
 */
function readsAs(answer: () => boolean): boolean {
  try {
    return answer()
  } catch {
    return false
  }
}

interface Token {
  v: 'meta.k8s.io/v1'
  /** The revision of the list; -1 for the newest one. */
  rv: number
  start: string
}

/** Returns a list. Throws BadRequest for contradictory options, Expired when its revision has been compacted. */
export async function list(storage: Storage, operation: Operation): Promise<OperationResult> {
  const found = await storedList(storage, operation)
  if (found.type !== 'list' || !operation.kind.versions) return found
  return { ...found, items: [...(await shownItems(operation.kind, found.items))] }
}

async function storedList(storage: Storage, operation: Operation): Promise<OperationResult> {
  const { kind, options } = operation
  const filter = filterOf(operation)
  checkOptions(options)
  const token = options.continue ? decodeToken(options.continue) : undefined
  const exact = options.resourceVersionMatch === 'Exact' ? Number(options.resourceVersion) : undefined
  if (token || exact !== undefined) return counted(kind, await pageOfHistory(storage, operation, filter, token, exact))
  const wanted = Number(options.resourceVersion ?? '')
  if (options.resourceVersion === undefined || options.resourceVersion === '') await storage.catchUp(operation.signal)
  else if (wanted > storage.revision) await waitForFuture(storage, wanted, operation.signal)
  // With 0 any state is accepted, and it is returned in one page.
  return pageOfMirror(storage, kind, filter, options.resourceVersion === '0' ? 0 : (options.limit ?? 0))
}

/** Counts a list that was read from the store. */
function counted(kind: AnyKind, result: OperationResult): OperationResult {
  const labels = { group: kind.group, resource: kind.plural }
  const count = result.type === 'list' ? result.items.length : 0
  storageLists.add(labels)
  storageReturned.add(labels, count)
  return result
}

async function pageOfMirror(storage: Storage, kind: AnyKind, filter: Filter, limit: number): Promise<OperationResult> {
  // The items are those of this revision, whatever is written while they are converted.
  const revision = storage.revision
  const { source: all, index } = candidates(storage, kind, filter)
  const source = filter.labels.length || filter.fields.length ? await storage.loaded(kind, all) : all
  await makeReadable(kind, filter, () => source)
  const page = pageOf(kind, filter, { source, revision, limit })
  const result = { ...page, items: [...(await storage.loaded(kind, page.items))] }
  const labels = { group: kind.group, resource: kind.plural }
  cacheLists.add({ ...labels, index })
  cacheFetched.add({ ...labels, index }, source.length)
  cacheReturned.add(labels, result.items.length)
  return result
}

function pageOf(
  kind: AnyKind,
  filter: Filter,
  { source, revision, limit, after }: { source: readonly Item[]; revision: number; limit: number; after?: string },
): OperationResult & { type: 'list' } {
  const items: Item[] = []
  for (let i = after === undefined ? 0 : placeAfter(source, after); i < source.length; i++) {
    const item = source[i]!
    if (!passes(kind, filter, item)) continue
    items.push(item)
    if (limit === 0 || items.length < limit) continue
    let next = i + 1
    while (next < source.length && !passes(kind, filter, source[next]!)) next++
    if (next === source.length) break
    // Without selectors all of the source passes.
    const plain = filter.labels.length === 0 && filter.fields.length === 0
    const remaining = source.length - next
    const start = encodeToken(revision, item.key)
    return { type: 'list', kind, items, revision, continue: start, ...(plain && { remaining }) }
  }
  return { type: 'list', kind, items, revision }
}

/** The items to check. A selector by name, by a label with an index, or by a namespace avoids checking all. */
function candidates(
  storage: Storage,
  kind: AnyKind,
  filter: Filter,
): { source: readonly Item[]; index: '' | 'name' | 'label' | 'namespace' } {
  const of = storage.of(kind)
  const name = selectedName(filter.fields)
  if (name !== undefined && (filter.namespace || !kind.namespaced)) {
    const item = of.mirror.item(kind.namespaced ? filter.namespace : undefined, name)
    return { source: item ? [item] : [], index: 'name' }
  }
  const label = filter.labels.find(({ operator }) => operator === 'in' || operator === '=')
  const labelled = label && of.labelled(label.key, label.values)
  if (labelled) return { source: labelled, index: 'label' }
  return { source: of.sorted(filter.namespace), index: filter.namespace ? 'namespace' : '' }
}

async function pageOfHistory(
  storage: Storage,
  operation: Operation,
  filter: Filter,
  token: Token | undefined,
  exact: number | undefined,
): Promise<OperationResult> {
  const { kind, options } = operation
  const limit = options.limit ?? 0
  if (token?.rv === -1) await storage.catchUp(operation.signal)
  const at = token ? (token.rv === -1 ? storage.revision : token.rv) : exact!
  const source = pastItems(storage, kind, filter.namespace, at)
  if (source) {
    await makeReadable(kind, filter, () => source)
    const page = pageOf(kind, filter, { source, revision: at, limit, ...(token && { after: token.start }) })
    return { ...page, items: [...(await storage.loaded(kind, page.items))] }
  }
  const base = prefixOf(kind)
  const prefix = filter.namespace ? `${base}${filter.namespace}/` : base
  const items: Item[] = []
  let after = token && base + token.start
  try {
    for (;;) {
      const page = await storage.page(kind, prefix, {
        at,
        ...(limit && { limit: Math.max(limit, 100) }),
        ...(after !== undefined && { after }),
      })
      storageFetched.add({ group: kind.group, resource: kind.plural }, page.items.length)
      await makeReadable(kind, filter, () => page.items.map(({ item }) => item))
      for (const [i, { key, item }] of page.items.entries()) {
        if (passes(kind, filter, item)) items.push(item)
        const more = i < page.items.length - 1 || page.next !== undefined
        if (limit && items.length === limit && more) {
          const plain = filter.labels.length === 0 && filter.fields.length === 0
          const remaining = (page.remaining ?? 0) + page.items.length - 1 - i
          return {
            type: 'list',
            kind,
            items,
            revision: at,
            continue: encodeToken(at, key.slice(base.length)),
            ...(plain && { remaining }),
          }
        }
      }
      if (page.next === undefined) return { type: 'list', kind, items, revision: at }
      after = page.next
    }
  } catch (error) {
    if (!isReason(error, 'Expired') || !token) throw error
    throw new StatusError(
      'Expired',
      'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.',
      { cause: error, continue: encodeToken(-1, token.start) },
    )
  }
}

/** The items at a revision that is not compacted, if they follow from those of now and from the latest changes. */
function pastItems(storage: Storage, kind: AnyKind, namespace: string, at: number): readonly Item[] | undefined {
  if (at > storage.revision || at < storage.store.stats().compacted) return undefined
  return storage.of(kind).sortedAt(namespace, at)
}

/** Waits until the mirror has the revision. Throws Timeout when no write has it. */
export async function waitForFuture(storage: Storage, wanted: number, signal: AbortSignal | undefined): Promise<void> {
  const newest = await storage.store.revision()
  if (wanted > newest) throw tooLarge(wanted, newest)
  await storage.waitFor(wanted, signal)
}

function checkOptions(options: Operation['options']): void {
  const { resourceVersion, continue: token } = options
  const bad = (message: string) => new StatusError('BadRequest', message)
  if (resourceVersion !== undefined && resourceVersion !== '' && !/^\d+$/.test(resourceVersion))
    throw bad(
      `invalid resource version: resourceVersion: Invalid value: ${goQuote(resourceVersion)}: strconv.ParseUint: parsing ${goQuote(resourceVersion)}: invalid syntax`,
    )
  if (token && resourceVersion && resourceVersion !== '0')
    throw bad('specifying resource version is not allowed when using continue')
}

const encodeToken = (rv: number, start: string): string =>
  Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv, start } satisfies Token)).toString('base64url')

/** Source: apiserver pkg/storage/continue.go. */
function decodeToken(text: string): Token {
  const bad = (why: string, cause?: unknown) =>
    new StatusError('BadRequest', `invalid continue token: continue key is not valid: ${why}`, { cause })
  const json = Buffer.from(text, 'base64url').toString('latin1')
  let token: Partial<Token>
  try {
    token = JSON.parse(json) as Partial<Token>
  } catch (cause) {
    throw bad(jsonSyntaxError(json), cause)
  }
  if (token?.v !== 'meta.k8s.io/v1') throw bad(`server does not recognize this encoded version ${token?.v ?? ''}`)
  if (!token.rv || !Number.isSafeInteger(token.rv))
    throw bad('incorrect encoded start resourceVersion (version meta.k8s.io/v1)')
  if (typeof token.start !== 'string' || !token.start) throw bad('encoded start key empty (version meta.k8s.io/v1)')
  if (token.start.split('/').includes('..')) throw bad(token.start)
  return token as Token
}
