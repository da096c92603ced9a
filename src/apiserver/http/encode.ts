// Encodes single objects as JSON, YAML or protobuf: whole, as a table, or only their metadata. The bytes of an object are
// kept by its item, so they are encoded once for all readers. Lists are in list-pieces.ts.
import { stringify } from 'yaml'
import type { AnyKind } from '../../api/kind.ts'
import type { Item } from '../../api/mirror.ts'
import type { WatchEvent } from '../../api/operation.ts'
import { ObjectMeta, Status } from '../../api/meta.ts'
import { encodeEnvelope, encodeProto, envelopeAround } from '../../api/schema/proto.ts'
import { asJson, type JsonObject } from '../../api/schema/node.ts'
import { struct } from '../../api/schema/build.ts'
import { cellsOf, columnDefinitions } from '../../api/table.ts'
import { ProtoWriter } from '../../wire/protobuf.ts'
import type { Accepted } from './negotiate.ts'

export interface EncodeContext extends Accepted {
  now: number
  /** The part of its object that each row of a table has. */
  includeObject: 'None' | 'Metadata' | 'Object'
}

export interface ListInfo {
  /** The revision of a list; undefined for objects that are not stored. */
  revision: number | undefined
  continue?: string
  remaining?: number
}

export const PartialObjectMetadata = struct('meta.v1.PartialObjectMetadata', '', {
  metadata: ObjectMeta.value({ proto: 1 }),
})

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

/** Encodes one event of a watch: in JSON as a line, in protobuf after its length. The bytes come in parts. */
export function eventParts(
  context: EncodeContext,
  kind: AnyKind,
  { type, item }: WatchEvent,
  first: boolean,
): readonly Buffer[] {
  const isStatus = type === 'ERROR'
  if (context.encoding === 'protobuf') {
    if (isStatus) return framed(type, [encodeStatus({ ...context, view: 'object' }, asJson(item.object))])
    if (context.view !== 'object') return framed(type, [encodeObject(context, kind, item)])
    const message = protobufOf(kind, item)
    const { head, tail } = envelopeAround(kind.apiVersion, kind.kind, message.length)
    return framed(type, [head, message, tail])
  }
  const object =
    isStatus || context.view === 'object' ? item.bytes : Buffer.from(JSON.stringify(viewOf(context, kind, item, first)))
  return [jsonHeads[type], object, jsonTail]
}

const jsonHeads = {} as Record<WatchEvent['type'], Buffer>
for (const type of ['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR'] as const)
  jsonHeads[type] = Buffer.from(`{"type":"${type}","object":`)
const jsonTail = Buffer.from('}\n')

/**
 * An object as an event in protobuf: the length of the message, the type, and the fields in which the object is.
 * Source: apimachinery runtime/serializer/streaming; meta.v1.WatchEvent, runtime.RawExtension.
 */
function framed(type: string, object: readonly Buffer[]): readonly Buffer[] {
  const objectBytes = object.reduce((sum, { length }) => sum + length, 0)
  const raw = new ProtoWriter(16)
  raw.lengthOf(1, objectBytes)
  const rawHead = raw.finish()
  const event = new ProtoWriter(40)
  event.string(1, type)
  event.lengthOf(2, rawHead.length + objectBytes)
  const eventHead = event.finish()
  const length = Buffer.allocUnsafe(4)
  length.writeUInt32BE(eventHead.length + rawHead.length + objectBytes)
  return [length, eventHead, rawHead, ...object]
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
export function yaml(value: unknown): string {
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

export function listMeta({ revision, continue: token, remaining }: ListInfo): JsonObject {
  return {
    ...(revision !== undefined && { resourceVersion: String(revision) }),
    ...(token && { continue: token }),
    ...(remaining !== undefined && { remainingItemCount: remaining }),
  }
}

/** The protobuf message of an object, which its item keeps. */
export const protobufOf = (kind: AnyKind, item: Item): Buffer =>
  item.protobuf(object => encodeProto(kind.schema, object))

export function partial({ viewVersion }: EncodeContext, item: Item): JsonObject {
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
  return { ...tableHead(context, kind, info, columns), rows: items.map(item => tableRow(context, kind, item)) }
}

/** All of a table but its rows. */
export function tableHead(context: EncodeContext, kind: AnyKind, info: ListInfo, columns: boolean): JsonObject {
  return {
    kind: 'Table',
    apiVersion: `meta.k8s.io/${context.viewVersion}`,
    metadata: listMeta(info),
    columnDefinitions: columns ? columnDefinitions(kind) : [],
  }
}

export function tableRow(context: EncodeContext, kind: AnyKind, item: Item): JsonObject {
  const conditions = kind.rowConditions?.(item.object)
  return {
    cells: cellsOf(kind, item.object, context.now),
    ...(conditions && { conditions }),
    ...rowObject(context, item),
  }
}

function rowObject(context: EncodeContext, item: Item): JsonObject {
  if (context.includeObject === 'None') return { object: null }
  if (context.includeObject === 'Object') return { object: asJson(item.object) }
  return { object: partial(context, item) }
}
