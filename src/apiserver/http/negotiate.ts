// Content negotiation: the encoding and the view (object, table, only metadata) that a client accepts. As upstream
// there are two stages: the route refuses types that it does not produce, and then the best of the others is chosen.
// Source: API concepts "alternate representations of resources"; go-restful (Route.matchesAccept); apiserver
// pkg/endpoints/handlers/negotiation and responsewriters.
import { StatusError } from '../../base/errors.ts'

export type Encoding = 'json' | 'yaml' | 'protobuf'
type View = 'object' | 'table' | 'metadata'

export interface Accepted {
  encoding: Encoding
  view: View
  /** The version of the view: v1 or v1beta1. */
  viewVersion: string
  /** The name of the view: PartialObjectMetadata is for one object, PartialObjectMetadataList for a list. */
  as?: string
}

export const contentTypes: Record<Encoding, string> = {
  json: 'application/json',
  yaml: 'application/yaml',
  protobuf: 'application/vnd.kubernetes.protobuf',
}

const encodings: Readonly<Record<string, Encoding>> = {
  'application/json': 'json',
  '*/*': 'json',
  'application/yaml': 'yaml',
  'application/vnd.kubernetes.protobuf': 'protobuf',
}
const streams = ['application/json;stream=watch', 'application/vnd.kubernetes.protobuf;stream=watch']

interface Clause {
  type: string
  parameters: Readonly<Record<string, string>>
}

const plain: Accepted = { encoding: 'json', view: 'object', viewVersion: '' }
const viewKinds: Readonly<Record<string, View>> = {
  Table: 'table',
  PartialObjectMetadata: 'metadata',
  PartialObjectMetadataList: 'metadata',
}

/**
 * The best encoding and view in the header that this server supports. Throws NotAcceptable when there is none.
 * @param views whether the resource has views, which reviews, for example, do not
 * @param watchable whether the route also has watches
 */
export function negotiate(header: string | undefined, views = true, watchable = false): Accepted {
  checkProduced(header, [...Object.values(contentTypes), ...(watchable ? streams : [])])
  return choose(header, views)
}

/** The second stage only. */
export function choose(header: string | undefined, views: boolean): Accepted {
  if (!header) return plain
  for (const { type, parameters } of clauses(header)) {
    const encoding = Object.hasOwn(encodings, type) ? encodings[type] : undefined
    if (!encoding) continue
    const { as, g, v = '' } = parameters
    if (as === undefined && g === undefined && v === '') return { ...plain, encoding }
    const view = as !== undefined && Object.hasOwn(viewKinds, as) ? viewKinds[as] : undefined
    if (!views || !view || g !== 'meta.k8s.io' || (v !== 'v1' && v !== 'v1beta1')) continue
    if (view === 'table' && encoding === 'protobuf') continue
    return { encoding, view, viewVersion: v, as: as! }
  }
  throw new StatusError(
    'NotAcceptable',
    'only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf',
  )
}

/** The best encoding and view but protobuf, for objects that have no message. Throws NotAcceptable when there is none. */
export function withoutProtobuf(header: string | undefined): Accepted {
  const others = (header ?? '').split(',').filter(part => !part.includes('protobuf'))
  if (!others.length)
    throw new StatusError(
      'NotAcceptable',
      'only the following media types are accepted: application/json, application/yaml',
    )
  return choose(others.join(','), true)
}

/** The error for a watch in an encoding that cannot separate events. */
export const notStreamed = () =>
  new StatusError('NotAcceptable', `only the following media types are accepted: ${streams.join(', ')}`)

/** Throws NotAcceptable unless one of the accepted types, without its parameters, is produced. */
export function checkProduced(header: string | undefined, produced: readonly string[]): void {
  if (!header) return
  const types = header.split(',').map(part => part.split(';')[0]!.trim())
  if (types.some(type => type === '*/*' || produced.includes(type))) return
  throw new StatusError('NotAcceptable', `406: Not Acceptable\n\nAvailable representations: ${produced.join(', ')}`, {
    details: {},
  })
}

/** The encoding of errors for a client. They have no views. */
export function negotiateError(header: string | undefined): Encoding {
  for (const { type, parameters } of clauses(header ?? ''))
    if (parameters.as === undefined && Object.hasOwn(encodings, type)) return encodings[type]!
  return 'json'
}

/** The clauses of an Accept header, the best first. */
function clauses(header: string): Clause[] {
  return header
    .split(',')
    .map(part => {
      const [type = '', ...rest] = part.split(';').map(p => p.trim())
      const parameters = Object.fromEntries(rest.map(p => p.split('=').map(word => word.trim()) as [string, string]))
      return { type: type.toLowerCase(), parameters, quality: Number(parameters.q ?? 1) || 0 }
    })
    .sort((a, b) => b.quality - a.quality)
}
