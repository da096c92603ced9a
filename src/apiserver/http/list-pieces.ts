// Encodes lists, one small part after another, so that a list of any size takes the memory of one piece for each of its
// readers. A reader that is slow holds the items of its list, which are shared, and no copy of their bytes.
//
// - What the parts of a list are joined to is one document, which has the same bytes however it is cut.
// - Nothing of an element is encoded before the elements ahead of it have been taken. The exception is protobuf, where
//   the length of a list stands before it: there the messages of whole objects are made first, and kept by their items
//   for all readers, while those of metadata are made twice.
// - `gathered` makes pieces of `pieceBytes` from parts. Larger parts stay as they are: one object is never cut.
import type { AnyKind, KubeObject } from '../../api/kind.ts'
import type { Item } from '../../api/mirror.ts'
import { ListMeta } from '../../api/meta.ts'
import { encodeProto, envelopeAround } from '../../api/schema/proto.ts'
import type { JsonObject } from '../../api/schema/node.ts'
import { createdColumn } from '../../kinds/columns.ts'
import { ProtoWriter } from '../../wire/protobuf.ts'
import {
  type EncodeContext,
  type ListInfo,
  listMeta,
  partial,
  PartialObjectMetadata,
  protobufOf,
  tableHead,
  tableRow,
  yaml,
} from './encode.ts'

/** The size from which a piece is sent. Source: apiserver responsewriters (streamingBatchBufferBytes). */
export const pieceBytes = 128 * 1024

/** Joins small parts to pieces of about `pieceBytes`. */
export function* gathered(parts: Iterable<Buffer>): Generator<Buffer, void> {
  let waiting: Buffer[] = []
  let sizeBytes = 0
  for (const part of parts) {
    waiting.push(part)
    sizeBytes += part.length
    if (sizeBytes < pieceBytes) continue
    yield waiting.length === 1 ? part : Buffer.concat(waiting, sizeBytes)
    waiting = []
    sizeBytes = 0
  }
  if (sizeBytes) yield Buffer.concat(waiting, sizeBytes)
}

/** The parts of an encoded list. */
export function listParts(
  context: EncodeContext,
  kind: AnyKind,
  items: readonly Item[],
  info: ListInfo,
): Iterable<Buffer> {
  const metadata = listMeta(info)
  const { encoding } = context
  switch (context.view) {
    case 'object':
      if (encoding === 'json') return jsonParts(kind, metadata, items)
      if (encoding === 'protobuf')
        return protoParts(kind.apiVersion, `${kind.kind}List`, metadata, items, item => protobufOf(kind, item))
      return documentParts(
        encoding,
        { kind: listKindOf(kind), apiVersion: kind.apiVersion, metadata },
        'items',
        items,
        item => elementOf(kind, item.object),
      )
    case 'table': {
      const head = tableHead(context, kind, info, true)
      // Upstream, an empty table of a kind without columns of its own has null rows.
      if (items.length === 0 && kind.columns.includes(createdColumn)) return [textOf(encoding, { ...head, rows: null })]
      return documentParts(encoding, head, 'rows', items, item => tableRow(context, kind, item))
    }
    case 'metadata': {
      const apiVersion = `meta.k8s.io/${context.viewVersion}`
      const name = 'PartialObjectMetadataList'
      if (encoding === 'protobuf')
        return protoParts(apiVersion, name, metadata, items, item => encodeProto(PartialObjectMetadata, item.object))
      return documentParts(encoding, { kind: name, apiVersion, metadata }, 'items', items, item =>
        partial(context, item),
      )
    }
  }
}

const textOf = (encoding: EncodeContext['encoding'], value: unknown) =>
  Buffer.from(encoding === 'yaml' ? yaml(value) : JSON.stringify(value))

/** The parts of a document whose last field is a list of elements, each made from its item when its turn comes. */
function* documentParts(
  encoding: EncodeContext['encoding'],
  head: JsonObject,
  field: string,
  items: readonly Item[],
  elementFor: (item: Item) => object,
): Generator<Buffer, void> {
  const { begin, element, end } = encoding === 'yaml' ? yamlText : jsonText
  if (items.length === 0) return yield textOf(encoding, { ...head, [field]: [] })
  yield Buffer.from(begin(head, field))
  for (const [i, item] of items.entries()) yield Buffer.from(element(elementFor(item), i === 0))
  yield Buffer.from(end)
}

const jsonText = {
  begin: (head: JsonObject, field: string) => `${JSON.stringify(head).slice(0, -1)},${JSON.stringify(field)}:[`,
  element: (value: object, isFirst: boolean) => `${isFirst ? '' : ','}${JSON.stringify(value)}`,
  end: ']}',
}

const yamlText: typeof jsonText = {
  begin: (head, field) => `${yaml(head)}${field}:\n`,
  element(value) {
    const text = yaml({ of: [value] })
    // One that is nested too deeply is written as JSON, which is YAML as well.
    return text.startsWith('of:\n') ? text.slice('of:\n'.length) : `  - ${JSON.stringify(value)}\n`
  },
  end: '',
}

const brace = Buffer.from('{')
const comma = Buffer.from(',')
const close = Buffer.from(']}\n')

const listKindOf = ({ kind, listKind }: AnyKind): string => listKind ?? `${kind}List`

/** An object as an element of a list: elements of built-in kinds have neither kind nor apiVersion. */
function elementOf({ custom }: AnyKind, object: KubeObject): object {
  if (custom) return object
  const { kind: _kind, apiVersion: _apiVersion, ...rest } = object
  return rest
}

/** The parts of a list in JSON: the bytes of each item, without kind and apiVersion, with which they begin. */
function* jsonParts(of: AnyKind, metadata: JsonObject, items: readonly Item[]): Generator<Buffer, void> {
  const { kind, apiVersion, custom } = of
  const head = { kind: listKindOf(of), apiVersion, metadata }
  yield Buffer.from(jsonText.begin(head, 'items'))
  const start = Buffer.from(`{"kind":${JSON.stringify(kind)},"apiVersion":${JSON.stringify(apiVersion)},`)
  for (const [i, { bytes, object }] of items.entries()) {
    if (i) yield comma
    if (custom) yield bytes
    else if (bytes.subarray(0, start.length).equals(start)) {
      yield brace
      yield bytes.subarray(start.length)
    } else yield Buffer.from(JSON.stringify({ ...object, kind: undefined, apiVersion: undefined }))
  }
  yield close
}

const metadataField = 1
const itemsField = 2

function* protoParts(
  apiVersion: string,
  kind: string,
  metadata: JsonObject,
  items: readonly Item[],
  messageOf: (item: Item) => Buffer,
): Generator<Buffer, void> {
  const head = new ProtoWriter()
  head.bytes(metadataField, encodeProto(ListMeta, metadata))
  let sizeBytes = head.finish().length
  for (const item of items) {
    const { length } = messageOf(item)
    sizeBytes += fieldHead(length).length + length
  }
  const around = envelopeAround(apiVersion, kind, sizeBytes)
  yield around.head
  yield head.finish()
  for (const item of items) {
    const message = messageOf(item)
    yield fieldHead(message.length)
    yield message
  }
  yield around.tail
}

function fieldHead(length: number): Buffer {
  const writer = new ProtoWriter(16)
  writer.lengthOf(itemsField, length)
  return writer.finish()
}
