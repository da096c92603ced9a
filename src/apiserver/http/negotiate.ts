// Content negotiation: which encoding and which view (object, table, metadata only) a client accepts. It has two
// stages, as upstream: the route refuses what it produces in no form, then the best of what is left is chosen.
// Sources: API concepts "alternate representations of resources"; go-restful (Route.matchesAccept); apiserver
// pkg/endpoints/handlers/negotiation and responsewriters.
import { StatusError } from '../../base/errors.ts'

export type Encoding = 'json' | 'yaml' | 'protobuf'
type View = 'object' | 'table' | 'metadata'

export interface Accepted {
  encoding: Encoding
  view: View
  /** Of the view: v1 or v1beta1. */
  viewVersion: string
  /** What the client calls the view: PartialObjectMetadata is of one object, PartialObjectMetadataList of a list. */
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
 * The best thing in the header that this server can do. Throws NotAcceptable when there is none.
 * @param views whether there are views of what is asked for; reviews and the like have none
 * @param watchable whether the route also streams
 */
export function negotiate(header: string | undefined, views = true, watchable = false): Accepted {
  checkProduced(header, [...Object.values(contentTypes), ...(watchable ? streams : [])])
  return choose(header, views)
}

/** The second stage alone. */
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

/** The 406 of a watch in an encoding that has no end of one event. */
export const notStreamed = () =>
  new StatusError('NotAcceptable', `only the following media types are accepted: ${streams.join(', ')}`)

/** Throws NotAcceptable unless one of the types, whatever its parameters, is produced. */
export function checkProduced(header: string | undefined, produced: readonly string[]): void {
  if (!header) return
  const types = header.split(',').map(part => part.split(';')[0]!.trim())
  if (types.some(type => type === '*/*' || produced.includes(type))) return
  throw new StatusError('NotAcceptable', `406: Not Acceptable\n\nAvailable representations: ${produced.join(', ')}`, {
    details: {},
  })
}

/** How an error is encoded for a client: never as a view. */
export function negotiateError(header: string | undefined): Encoding {
  for (const { type, parameters } of clauses(header ?? ''))
    if (parameters.as === undefined && Object.hasOwn(encodings, type)) return encodings[type]!
  return 'json'
}

/** The clauses of an Accept header, best first. */
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
