// Views: kinds whose objects are stored as another kind, such as Events of events.k8s.io. Operations are converted to
// the stored kind, and its answers are converted back.
import { StatusError } from '../base/errors.ts'
import { asObject, type AnyKind, type KindView, type KubeObject } from '../api/kind.ts'
import { Item } from '../api/mirror.ts'
import type { Operation, ServedResult, WatchEvent } from '../api/operation.ts'
import { isObject } from '../api/patch/merge.ts'
import { asJson } from '../api/schema/node.ts'
import { canonical, decodeBody, type Warn } from './body.ts'
import type { Registry } from './registry.ts'
import { withStatusOf } from './parts.ts'
import { mayRetry, patchedObject } from './writes.ts'

type Run = (registry: Registry, operation: Operation, warn: Warn) => Promise<ServedResult>

/** Answers an operation on a view. `run` answers operations on the stored kind. */
export async function throughView(
  registry: Registry,
  operation: Operation,
  warn: Warn,
  run: Run,
): Promise<ServedResult> {
  const { kind, verb, patchType } = operation
  const view = kind.view!
  const stored = toStored(operation, view, warn)
  try {
    if (verb === 'patch' && patchType !== 'apply')
      return { type: 'object', kind, item: shown(kind, await patchView(registry, operation, stored, warn)) }
    return fromStored(kind, await run(registry, stored, warn))
  } catch (error) {
    throw error instanceof StatusError ? renamed(error, kind) : error
  }
}

/** Converts an operation to one on the stored kind. */
function toStored(operation: Operation, view: KindView, warn: Warn): Operation {
  const { kind, verb, options, patchType } = operation
  const fieldSelector = options.fieldSelector && translated(options.fieldSelector, view.fields)
  const stored = {
    ...operation,
    kind: view.of,
    view: kind,
    options: { ...options, ...(fieldSelector && { fieldSelector }) },
  }
  const whole = verb === 'create' || verb === 'update' || (verb === 'patch' && patchType === 'apply')
  if (!whole) return stored
  const object = decodeBody(kind, operation.body, options, warn)
  // An applied object has only the fields that it is to own, without defaults.
  const sent = patchType === 'apply' && isObject(operation.body) ? asObject(operation.body) : object
  return { ...stored, body: asJson(named(view.of, view.toStored(sent))) }
}

const named = (kind: AnyKind, object: object) => ({ ...object, kind: kind.kind, apiVersion: kind.apiVersion })

/** Replaces the names of fields in a selector, such as `regarding.name=x,type!=y`, by those of the stored kind. */
const translated = (selector: string, fields: Readonly<Record<string, string>>): string =>
  selector
    .split(',')
    .map(term => {
      const name = /^[^=!]+/.exec(term)?.[0] ?? ''
      return (fields[name] ?? name) + term.slice(name.length)
    })
    .join(',')

function patchView(registry: Registry, operation: Operation, stored: Operation, warn: Warn): Promise<Item> {
  const { kind, subresource, options } = operation
  const view = kind.view!
  const change = (old: KubeObject) => {
    const sent = patchedObject(operation, canonical(kind, view.fromStored(old)), warn)
    const next = decodeBody(view.of, asJson(named(view.of, view.toStored(sent))), options, () => {})
    return subresource === 'status' ? withStatusOf(view.of, next, old) : next
  }
  return registry.update(stored, change, { retry: mayRetry(operation), warn })
}

/** Converted items, so that each is converted and encoded only once. */
const shownItems = new WeakMap<AnyKind, WeakMap<Item, Item>>()

/** Converts an item to the kind of the view. */
function shown(kind: AnyKind, item: Item): Item {
  let items = shownItems.get(kind)
  if (!items) shownItems.set(kind, (items = new WeakMap()))
  let own = items.get(item)
  if (!own) items.set(item, (own = new Item(canonical(kind, kind.view!.fromStored(item.object)), item.revision)))
  return own
}

/** Converts an answer to the kind of the view. */
function fromStored(kind: AnyKind, result: ServedResult): ServedResult {
  switch (result.type) {
    case 'object':
      return { ...result, kind, item: shown(kind, result.item) }
    case 'list':
      return { ...result, kind, items: result.items.map(item => shown(kind, item)) }
    case 'watch':
      return { ...result, kind, events: shownEvents(kind, result.events) }
    case 'status':
      return result
  }
}

async function* shownEvents(
  kind: AnyKind,
  events: AsyncIterable<readonly WatchEvent[]>,
): AsyncGenerator<readonly WatchEvent[]> {
  for await (const batch of events) {
    yield batch.map(event =>
      event.type === 'ADDED' || event.type === 'MODIFIED' || event.type === 'DELETED'
        ? { ...event, item: shown(kind, event.item) }
        : {
            ...event,
            item: new Item({ ...event.item.object, kind: kind.kind, apiVersion: kind.apiVersion }, event.item.revision),
          },
    )
  }
}

const qualified = ({ group, plural }: { group: string; plural: string }) => (group ? `${plural}.${group}` : plural)

/** Replaces the name of the stored kind in an error by that of the view. */
function renamed(error: StatusError, kind: AnyKind): StatusError {
  const stored = kind.view!.of
  const { details } = error
  if (details?.kind !== stored.plural && details?.kind !== stored.kind) return error
  const { group: _stored, ...rest } = details
  return new StatusError(error.reason, error.message.replace(qualified(stored), qualified(kind)), {
    details: { ...rest, ...(kind.group && { group: kind.group }) },
    cause: error,
  })
}
