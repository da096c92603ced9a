// Encodes results as JSON, YAML or protobuf: whole objects, tables, or only metadata. The bytes of an object are kept
// by its item, so they are encoded once for all readers.
import { stringify } from 'yaml'
import type { AnyKind, KubeObject } from '../../api/kind.ts'
import type { Item } from '../../api/mirror.ts'
import { ListMeta, ObjectMeta, Status } from '../../api/meta.ts'
import { encodeEnvelope, encodeProto } from '../../api/schema/proto.ts'
import { asJson, type JsonObject } from '../../api/schema/node.ts'
import { struct } from '../../api/schema/build.ts'
import { cellsOf, columnDefinitions } from '../../api/table.ts'
import { createdColumn } from '../../kinds/columns.ts'
import { ProtoWriter } from '../../wire/protobuf.ts'
import type { Accepted } from './negotiate.ts'

export interface EncodeContext extends Accepted {
  now: number
  /** The part of its object that each row of a table has. */
  includeObject: 'None' | 'Metadata' | 'Object'
}

interface ListInfo {
  /** The revision of a list; undefined for objects that are not stored. */
  revision: number | undefined
  continue?: string
  remaining?: number
}

const PartialObjectMetadata = struct('meta.v1.PartialObjectMetadata', '', { metadata: ObjectMeta.value({ proto: 1 }) })

/** Encodes one object. */
export function encodeObject(context: EncodeContext, kind: AnyKind, item: Item): Buffer {
  switch (context.view) {
    case 'object':
      if (context.encoding === 'json') return item.bytes
      if (context.encoding === 'yaml') return Buffer.from(yaml(item.object))
      return encodeEnvelope(kind.apiVersion, kind.kind, protobufOf(kind, item))
    case 'table':
      return text(
        context,
        table(
          context,
          kind,
          [item],
          { revision: item.object.metadata.resourceVersion ? item.revision : undefined },
          true,
        ),
      )
    case 'metadata': {
      if (context.encoding === 'protobuf')
        return encodeEnvelope(
          `meta.k8s.io/${context.viewVersion}`,
          'PartialObjectMetadata',
          encodeProto(PartialObjectMetadata, item.object),
        )
      return text(context, partial(context, item))
    }
  }
}

/** Encodes a list. In JSON it is put together from the bytes that each object has already. */
export function encodeList(context: EncodeContext, kind: AnyKind, items: readonly Item[], info: ListInfo): Buffer {
  const metadata = listMeta(info)
  switch (context.view) {
    case 'object':
      if (context.encoding === 'json') return jsonList(kind, metadata, items)
      if (context.encoding === 'yaml')
        return Buffer.from(
          yaml({
            kind: listKindOf(kind),
            apiVersion: kind.apiVersion,
            metadata,
            items: items.map(({ object }) => elementOf(kind, object)),
          }),
        )
      return protoList(kind, metadata, items)
    case 'table':
      return text(context, table(context, kind, items, info, true))
    case 'metadata': {
      const apiVersion = `meta.k8s.io/${context.viewVersion}`
      if (context.encoding !== 'protobuf')
        return text(context, {
          kind: 'PartialObjectMetadataList',
          apiVersion,
          metadata,
          items: items.map(item => partial(context, item)),
        })
      const writer = new ProtoWriter()
      writer.bytes(1, encodeProto(ListMeta, metadata))
      for (const item of items) writer.bytes(2, encodeProto(PartialObjectMetadata, item.object))
      return encodeEnvelope(apiVersion, 'PartialObjectMetadataList', writer.finish())
    }
  }
}

/** Encodes one event of a watch: in JSON as a line, in protobuf after its length. */
export function encodeEvent(context: EncodeContext, kind: AnyKind, type: string, item: Item, first: boolean): Buffer {
  const isStatus = type === 'ERROR'
  if (context.encoding === 'protobuf') {
    const object = isStatus
      ? encodeStatus({ ...context, view: 'object' }, asJson(item.object))
      : encodeObject(context, kind, item)
    const raw = new ProtoWriter(object.length + 16)
    raw.bytes(1, object)
    const event = new ProtoWriter(object.length + 32)
    event.string(1, type)
    event.bytes(2, raw.finish())
    const message = event.finish()
    const length = Buffer.alloc(4)
    length.writeUInt32BE(message.length)
    return Buffer.concat([length, message])
  }
  const object =
    isStatus || context.view === 'object' ? item.bytes : Buffer.from(JSON.stringify(viewOf(context, kind, item, first)))
  return Buffer.concat([Buffer.from(`{"type":"${type}","object":`), object, Buffer.from('}\n')])
}

function viewOf(context: EncodeContext, kind: AnyKind, item: Item, first: boolean): JsonObject {
  if (context.view === 'metadata') return partial(context, item)
  return table(context, kind, [item], { revision: item.revision }, first)
}

/** Encodes a Status. */
export function encodeStatus(context: Pick<Accepted, 'encoding' | 'view'>, status: JsonObject): Buffer {
  if (context.encoding === 'protobuf') return encodeEnvelope('v1', 'Status', encodeProto(Status, status))
  return Buffer.from(context.encoding === 'yaml' ? yaml(status) : `${JSON.stringify(status)}\n`)
}

// YAML 1.1, so that strings like "yes" are quoted for parsers of that version.
function yaml(value: unknown): string {
  try {
    return stringify(value, { version: '1.1', aliasDuplicateObjects: false })
  } catch (error) {
    // The object is nested too deeply for the recursive writer. JSON is valid YAML as well.
    if (error instanceof RangeError) return `${JSON.stringify(value)}\n`
    throw error
  }
}

const text = (context: EncodeContext, value: unknown) =>
  Buffer.from(context.encoding === 'yaml' ? yaml(value) : JSON.stringify(value))

function listMeta({ revision, continue: token, remaining }: ListInfo): JsonObject {
  return {
    ...(revision !== undefined && { resourceVersion: String(revision) }),
    ...(token && { continue: token }),
    ...(remaining !== undefined && { remainingItemCount: remaining }),
  }
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

/** Joins the items of a list, without kind and apiVersion, with which the bytes of each begin. */
function jsonList(of: AnyKind, metadata: JsonObject, items: readonly Item[]): Buffer {
  const { kind, apiVersion, custom } = of
  const parts: Buffer[] = [
    Buffer.from(
      `{"kind":"${listKindOf(of)}","apiVersion":${JSON.stringify(apiVersion)},"metadata":${JSON.stringify(metadata)},"items":[`,
    ),
  ]
  const start = Buffer.from(`{"kind":${JSON.stringify(kind)},"apiVersion":${JSON.stringify(apiVersion)},`)
  for (const [i, { bytes, object }] of items.entries()) {
    if (i) parts.push(comma)
    if (custom) parts.push(bytes)
    else if (bytes.subarray(0, start.length).equals(start)) parts.push(brace, bytes.subarray(start.length))
    else parts.push(Buffer.from(JSON.stringify({ ...object, kind: undefined, apiVersion: undefined })))
  }
  parts.push(close)
  return Buffer.concat(parts)
}

function protoList(kind: AnyKind, metadata: JsonObject, items: readonly Item[]): Buffer {
  const messages = items.map(item => protobufOf(kind, item))
  const writer = new ProtoWriter(messages.reduce((sum, { length }) => sum + length + lengthBytes, 64))
  writer.bytes(1, encodeProto(ListMeta, metadata))
  for (const message of messages) writer.bytes(2, message)
  return encodeEnvelope(kind.apiVersion, `${kind.kind}List`, writer.finish())
}

/** Limit of the bytes of a field's number and length in protobuf. */
const lengthBytes = 10

/** The protobuf message of an object, which its item keeps. */
const protobufOf = (kind: AnyKind, item: Item): Buffer => item.protobuf(object => encodeProto(kind.schema, object))

function partial({ viewVersion }: EncodeContext, item: Item): JsonObject {
  return {
    kind: 'PartialObjectMetadata',
    apiVersion: `meta.k8s.io/${viewVersion || 'v1'}`,
    metadata: item.object.metadata as JsonObject,
  }
}

function table(
  context: EncodeContext,
  kind: AnyKind,
  items: readonly Item[],
  info: ListInfo,
  columns: boolean,
): JsonObject {
  const apiVersion = `meta.k8s.io/${context.viewVersion}`
  const rows = items.map(item => {
    const conditions = kind.rowConditions?.(item.object)
    return {
      cells: cellsOf(kind, item.object, context.now),
      ...(conditions && { conditions }),
      ...rowObject(context, item),
    }
  })
  return {
    kind: 'Table',
    apiVersion,
    metadata: listMeta(info),
    columnDefinitions: columns ? columnDefinitions(kind) : [],
    // Upstream, an empty table of a kind without columns of its own has null rows.
    rows: rows.length || !kind.columns.includes(createdColumn) ? rows : null,
  }
}

function rowObject(context: EncodeContext, item: Item): JsonObject {
  if (context.includeObject === 'None') return { object: null }
  if (context.includeObject === 'Object') return { object: asJson(item.object) }
  return { object: partial(context, item) }
}
