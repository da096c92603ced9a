// Reads the bodies of requests, with limits, and decodes them from JSON, YAML or protobuf.
//
// - A body has at most 3 MiB. One that announces more is refused before it is read, others once they exceed it.
// - JSON and YAML may be nested at most 10,000 levels deep, and a YAML document may expand at most 100 aliases.
// - The result is plain JSON, in which integers keep all digits. Only YAML's first document counts.
// - Duplicate keys are no error here. The last one counts, and all are reported, for the validation that the client
//   asked.
import type { IncomingMessage } from 'node:http'
import { isScalar, LineCounter, parseAllDocuments } from 'yaml'
import { messageOf, StatusError } from '../../base/errors.ts'
import { type AnyKind, parseApiVersion } from '../../api/kind.ts'
import { DeleteOptions } from '../../api/meta.ts'
import { asJson, type Json, type JsonObject } from '../../api/schema/node.ts'
import { decodeEnvelope, decodeProto } from '../../api/schema/proto.ts'
import type { PatchType } from '../../api/operation.ts'
import { jsonSyntaxError } from '../../base/json-syntax.ts'
import { parseJson } from '../../wire/json.ts'
import { summaryOf, unreadableBody } from '../body.ts'
import { countKeys, duplicatePaths } from './duplicates.ts'

/** Limit of a body. Source: apiserver server/config.go (MaxRequestBodyBytes). */
const maxBodyBytes = 3 * 1024 * 1024
/** Limit of the nesting of JSON and YAML. */
const maxDepth = 10_000

/** Reads the whole body. Throws RequestEntityTooLarge; rejects when the client disconnects. */
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

const protoMagicLength = 4

const patchTypes: Record<string, PatchType> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
  'application/apply-patch+yaml': 'apply',
}

const mediaType = (contentType: string | undefined) => (contentType ?? '').split(';')[0]!.trim().toLowerCase()

export function patchTypeOf(contentType: string | undefined, kind: AnyKind): PatchType {
  const type = patchTypes[mediaType(contentType)]
  // A strategic merge needs Go's types.
  if (kind.custom && type === 'strategic')
    throw new StatusError(
      'UnsupportedMediaType',
      'the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml',
    )
  if (!type) {
    throw new StatusError('UnsupportedMediaType', '415: Unsupported Media Type', { details: {} })
  }
  return type
}

/** A decoded body, and the messages about its duplicate keys. */
interface ParsedBody {
  value: Json | undefined
  duplicates: readonly string[]
}

const single = (value: Json | undefined): ParsedBody => ({ value, duplicates: [] })

/** What the body is expected to be, on which the messages of errors depend. */
interface BodyContext {
  kind: Pick<AnyKind, 'kind'>
  kinds: readonly AnyKind[]
  patchType?: PatchType | undefined
}

const unknownFormat = () =>
  new StatusError(
    'UnsupportedMediaType',
    'the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf',
  )

/** Decodes a body by its content type. Throws BadRequest, UnsupportedMediaType. */
export function parseBody(body: Buffer, contentType: string | undefined, context: BodyContext): ParsedBody {
  const type = mediaType(contentType)
  switch (type) {
    case '':
    case 'application/json':
      return parseJsonBody(body, context)
    case 'application/json-patch+json':
    case 'application/merge-patch+json':
    case 'application/strategic-merge-patch+json':
      if (context.patchType === undefined) throw unknownFormat()
      return parseJsonBody(body, context)
    case 'application/apply-patch+yaml':
      if (context.patchType === undefined) throw unknownFormat()
      return body[0] === 0x7b ? parseJsonBody(body, context) : parseYaml(body, context)
    case 'application/yaml':
      return body[0] === 0x7b ? parseJsonBody(body, context) : parseYaml(body, context)
    case 'application/vnd.kubernetes.protobuf':
      return single(parseProto(body, context))
    default:
      throw unknownFormat()
  }
}

function parseJsonBody(body: Buffer, context: BodyContext): ParsedBody {
  const text = body.toString()
  const keys = scan(text)
  let value: Json
  try {
    value = parseJson(text, context.patchType === undefined) as Json
  } catch (cause) {
    throw syntaxError(jsonSyntaxError(text), body, context, cause)
  }
  if (countKeys(value) === keys) return single(value)
  return { value, duplicates: duplicatePaths(text).map(path => `duplicate field ${JSON.stringify(path)}`) }
}

function syntaxError(why: string, body: Buffer, { kind, patchType }: BodyContext, cause: unknown): StatusError {
  if (patchType === undefined) return unreadableBody(kind, why, body)
  const text = patchType === 'strategic' ? why : `error decoding ${patchType === 'apply' ? 'YAML' : 'patch'}: ${why}`
  return new StatusError('BadRequest', text, { cause })
}

/** Checks the nesting of a JSON text, and counts its keys, each of which has a colon outside of strings. */
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

function parseYaml(body: Buffer, { kind, patchType }: BodyContext): ParsedBody {
  const text = body.toString()
  const lines = new LineCounter()
  const twice = new Map<number, string>()
  const documents = parseAllDocuments(text, {
    version: '1.1',
    merge: true,
    intAsBigInt: true,
    // Kubernetes reads dates as text, and binaries as the text that they encode.
    customTags: tags => [
      ...tags.filter(tag => !foreignTags.has(typeof tag === 'string' ? tag : tag.tag)),
      { tag: 'tag:yaml.org,2002:binary', resolve: binaryText },
    ],
    lineCounter: lines,
    // Duplicate keys are reported, not refused. Strict validation refuses them later.
    uniqueKeys: (a, b) => {
      if (isScalar(a) && isScalar(b) && a.value === b.value && b.range)
        twice.set(
          b.range[0],
          `line ${lines.linePos(b.range[0]).line}: key ${JSON.stringify(b.value)} already set in map`,
        )
      return false
    },
  })
  const refuse = (why: string) =>
    new StatusError(
      'BadRequest',
      patchType === undefined
        ? `the object provided is unrecognized (must be of type ${kind.kind}): yaml: ${why} (${summaryOf(body)})`
        : `error decoding YAML: error converting YAML to JSON: yaml: ${why}`,
    )
  const document = documents[0]
  if (!document || !('errors' in document)) return single(null)
  const problem = document.errors[0]
  if (problem) throw refuse(goYamlError(problem))
  const duplicates = [...twice].sort(([a], [b]) => a - b).map(([, text]) => text)
  try {
    return { value: withPlainNumbers(document.toJS({ maxAliasCount: maxAliases }) as Json), duplicates }
  } catch (cause) {
    // The only error that is possible here.
    if (cause instanceof ReferenceError) throw refuse('document contains excessive aliasing')
    throw cause
  }
}

const maxAliases = 100
const binaryText = (text: string) => Buffer.from(text, 'base64').toString()
const foreignTags = new Set(['binary', 'timestamp', 'tag:yaml.org,2002:binary', 'tag:yaml.org,2002:timestamp'])

/** The message of go-yaml for the most frequent mistakes. */
function goYamlError({ code, message, linePos }: { code: string; message: string; linePos?: unknown }): string {
  if (code === 'BLOCK_AS_IMPLICIT_KEY') return 'mapping values are not allowed in this context'
  const line = (linePos as [{ line: number }] | undefined)?.[0].line
  return `${line === undefined ? '' : `line ${line}: `}${message.split(' at line ')[0]}`
}

/** Converts bigints to numbers where these are exact. YAML's integers are parsed as bigints. */
function withPlainNumbers(value: Json): Json {
  if (typeof value === 'bigint') {
    const number = Number(value)
    return Number.isSafeInteger(number) ? number : value
  }
  if (typeof value !== 'object' || value === null) return value
  for (const [key, inner] of Object.entries(value)) {
    const plain = withPlainNumbers(inner)
    if (plain !== inner) (value as JsonObject)[key] = plain
  }
  return value
}

function parseProto(body: Buffer, { kind: wanted, kinds }: BodyContext): JsonObject {
  try {
    if (body.length <= protoMagicLength) throw new RangeError('empty body')
    const { apiVersion, kind: name, raw } = decodeEnvelope(body)
    if (name === 'DeleteOptions') return asJson(decodeProto(DeleteOptions, raw))
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
    const why = body.length <= protoMagicLength ? 'empty body' : messageOf(cause)
    const text = `the object provided is unrecognized (must be of type ${wanted.kind}): ${why} (${summaryOf(body)})`
    throw new StatusError('BadRequest', text, { cause })
  }
}
