// Which form of an object or a list a client accepts: itself, its metadata, or a table.
import { goQuote } from '../../base/go-text.ts'
import { StatusError } from '../../base/errors.ts'
import type { ServedResult } from '../../api/operation.ts'
import type { EncodeContext } from './encode.ts'
import type { Accepted } from './negotiate.ts'

/** The option includeObject of a table. Throws BadRequest for an unknown value. */
export function includeObjectOf(query: URLSearchParams, { view }: Accepted): EncodeContext['includeObject'] {
  const value = query.get('includeObject') || 'Metadata'
  if (view !== 'table' || value === 'Metadata' || value === 'Object' || value === 'None')
    return value as EncodeContext['includeObject']
  throw new StatusError(
    'BadRequest',
    `Unable to convert to Table as requested: includeObject: Invalid value: ${goQuote(value)}: must be 'Metadata', 'Object', 'None', or empty`,
  )
}

/** Throws NotAcceptable when the client accepts the metadata of a list for an object, or of an object for a list. */
export function checkView(
  { as }: EncodeContext,
  { type, kind }: Extract<ServedResult, { type: 'object' | 'list' }>,
): void {
  const name = `*${kind.group.split('.')[0] || 'core'}.${kind.kind}`
  if (as === 'PartialObjectMetadataList' && type === 'object')
    throw new StatusError('NotAcceptable', `you requested ${as}, but the requested object is not a list (${name})`)
  if (as === 'PartialObjectMetadata' && type === 'list')
    throw new StatusError('NotAcceptable', `you requested ${as}, but the requested object is a list (${name}List)`)
}
