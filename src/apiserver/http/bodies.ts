// Request bodies: read with a limit, decoded from JSON, YAML or protobuf.
import type { IncomingMessage } from 'node:http'
import { isScalar, LineCounter, parseAllDocuments } from 'yaml'
import { messageOf, StatusError } from '../../base/errors.ts'
import { type AnyKind, parseApiVersion } from '../../api/kind.ts'
import { DeleteOptions } from '../../api/meta.ts'
import type { Json, JsonObject } from '../../api/schema/node.ts'
import { decodeEnvelope, decodeProto } from '../../api/schema/proto.ts'
import type { PatchType } from '../../api/operation.ts'
import { countKeys, duplicatePaths } from './duplicates.ts'

/** The largest body accepted, as in Kubernetes. */
const maxBodyBytes = 3 * 1024 * 1024
/** How deep JSON and YAML may nest. */
const maxDepth = 10_000

export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const tooLarge = () => new StatusError('RequestEntityTooLarge', `Request entity too large: limit is ${maxBodyBytes}`)
  if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) throw tooLarge()
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxBodyBytes) throw tooLarge()
    chunks.push(chunk)
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
}

const patchTypes: Record<string, PatchType> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
  'application/apply-patch+yaml': 'apply',
}

const mediaType = (contentType: string | undefined) => (contentType ?? '').split(';')[0]!.trim().toLowerCase()

export function patchTypeOf(contentType: string | undefined): PatchType {
  const type = patchTypes[mediaType(contentType)]
  if (!type) {
    throw new StatusError(
      'UnsupportedMediaType',
      `the body of the request was in an unknown format - accepted media types include: ${Object.keys(patchTypes).join(', ')}`,
    )
  }
  return type
}

/** A decoded body, and which of its keys came twice, in the words of the error or warning about them. */
export interface ParsedBody {
  value: Json | undefined
  duplicates: readonly string[]
}

const single = (value: Json | undefined): ParsedBody => ({ value, duplicates: [] })

/** Decodes a body by its content type. An empty one is undefined. */
export function parseBody(body: Buffer, contentType: string | undefined, kinds: readonly AnyKind[]): ParsedBody {
  if (body.length === 0) return single(undefined)
  const type = mediaType(contentType)
  switch (type) {
    case '':
    case 'application/json':
    case 'application/json-patch+json':
    case 'application/merge-patch+json':
    case 'application/strategic-merge-patch+json':
      return parseJson(body)
    case 'application/yaml':
    case 'application/apply-patch+yaml':
      return body[0] === 0x7b ? parseJson(body) : parseYaml(body.toString())
    case 'application/vnd.kubernetes.protobuf':
      return single(parseProto(body, kinds))
    default:
      throw new StatusError(
        'UnsupportedMediaType',
        `the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf`,
      )
  }
}

function parseJson(body: Buffer): ParsedBody {
  const text = body.toString()
  const keys = scan(text)
  let value: Json
  try {
    value = JSON.parse(text) as Json
  } catch (cause) {
    throw new StatusError(
      'BadRequest',
      `the object provided is unrecognized (must be valid JSON): ${messageOf(cause)}`,
      { cause },
    )
  }
  if (countKeys(value) === keys) return single(value)
  return { value, duplicates: duplicatePaths(text).map(path => `duplicate field ${JSON.stringify(path)}`) }
}

/** Checks the depth of a JSON text and counts its keys, of which each has one colon outside of strings. */
function scan(text: string): number {
  let depth = 0
  let colons = 0
  let quoted = false
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (quoted) {
      if (c === 92) i++
      else if (c === 34) quoted = false
    } else if (c === 34) quoted = true
    else if (c === 58) colons++
    else if (c === 123 || c === 91) {
      if (++depth > maxDepth) throw new StatusError('BadRequest', 'exceeded max depth')
    } else if (c === 125 || c === 93) depth--
  }
  return colons
}

function parseYaml(text: string): ParsedBody {
  const lines = new LineCounter()
  const twice = new Map<number, string>()
  const documents = parseAllDocuments(text, {
    version: '1.1',
    merge: true,
    lineCounter: lines,
    // Keys that come twice are told, not refused: who asks for strictness refuses them later.
    uniqueKeys: (a, b) => {
      if (isScalar(a) && isScalar(b) && a.value === b.value && b.range)
        twice.set(
          b.range[0],
          `line ${lines.linePos(b.range[0]).line}: key ${JSON.stringify(b.value)} already set in map`,
        )
      return false
    },
  })
  const document = documents[0]
  if (!document || !('errors' in document)) return single(null)
  const problem = document.errors[0]
  if (problem) throw new StatusError('BadRequest', `error converting YAML to JSON: yaml: ${problem.message}`)
  const duplicates = [...twice].sort(([a], [b]) => a - b).map(([, text]) => text)
  return { value: document.toJS({ maxAliasCount: 100 }) as Json, duplicates }
}

function parseProto(body: Buffer, kinds: readonly AnyKind[]): JsonObject {
  try {
    const { apiVersion, kind: name, raw } = decodeEnvelope(body)
    if (name === 'DeleteOptions') return decodeProto(DeleteOptions, raw) as unknown as JsonObject
    const { group, version } = parseApiVersion(apiVersion)
    const kind = kinds.find(k => k.group === group && k.version === version && k.kind === name)
    if (!kind)
      throw new StatusError(
        'BadRequest',
        `no kind ${JSON.stringify(name)} is registered for version ${JSON.stringify(apiVersion)}`,
      )
    return { ...(decodeProto(kind.schema, raw) as JsonObject), apiVersion, kind: name }
  } catch (cause) {
    if (cause instanceof StatusError) throw cause
    throw new StatusError('BadRequest', `the object provided is unrecognized: ${messageOf(cause)}`, { cause })
  }
}
