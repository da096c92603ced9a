// Content negotiation: which encoding and which view (object, table, metadata only) a client accepts.
// Source: API concepts "alternate representations of resources".
import { StatusError } from '../../base/errors.ts'

export type Encoding = 'json' | 'yaml' | 'protobuf'
export type View = 'object' | 'table' | 'metadata'

export interface Accepted {
  encoding: Encoding
  view: View
  /** Of the view: v1 or v1beta1. */
  viewVersion: string
}

const encodings: Record<string, Encoding> = {
  'application/json': 'json',
  'application/*': 'json',
  '*/*': 'json',
  'application/yaml': 'yaml',
  'application/vnd.kubernetes.protobuf': 'protobuf',
}

/**
 * The first thing in the header this server can do. Throws NotAcceptable when there is none.
 * @param views whether there are views of what is asked for; reviews and the like have none
 */
export function negotiate(header: string | undefined, views = true): Accepted {
  if (!header) return { encoding: 'json', view: 'object', viewVersion: '' }
  for (const part of header.split(',')) {
    const [type = '', ...rest] = part.split(';').map(p => p.trim())
    const encoding = encodings[type.toLowerCase()]
    if (!encoding) continue
    const parameters = Object.fromEntries(rest.map(p => p.split('=') as [string, string]))
    if (!parameters.as) return { encoding, view: 'object', viewVersion: '' }
    const view =
      parameters.as === 'Table'
        ? 'table'
        : /^PartialObjectMetadata(List)?$/.test(parameters.as)
          ? 'metadata'
          : undefined
    const version = parameters.v ?? 'v1'
    if (!views || !view || (parameters.g ?? 'meta.k8s.io') !== 'meta.k8s.io' || !['v1', 'v1beta1'].includes(version))
      continue
    if (view === 'table' && encoding === 'protobuf') continue
    return { encoding, view, viewVersion: version }
  }
  throw new StatusError(
    'NotAcceptable',
    'only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf',
  )
}

export const contentTypes: Record<Encoding, string> = {
  json: 'application/json',
  yaml: 'application/yaml',
  protobuf: 'application/vnd.kubernetes.protobuf',
}
