// Field selectors, such as `status.phase=Running,spec.nodeName!=a`. Each kind lists the fields that may be selected by.
// Source: apimachinery pkg/fields/selector.go.
import { own } from '../base/own.ts'
import { StatusError } from '../base/errors.ts'
import { goQuote } from '../base/go-text.ts'
import type { AnyKind, KubeObject } from './kind.ts'

interface FieldRequirement {
  field: string
  value: string
  equal: boolean
}
export type FieldSelector = readonly FieldRequirement[]

/** Parses a field selector and checks its fields against the kind. Throws BadRequest. */
export function parseFieldSelector(kind: AnyKind, text: string): FieldSelector {
  // Syntax is checked before fields.
  const selector = parseTerms(text)
  for (const { field } of selector)
    if (!Object.hasOwn(kind.selectable, field) && !Object.hasOwn(common, field)) throw bad(unknownField(kind, field))
  return selector
}

/** Parses a field selector for any kind, without checking the names of its fields. Throws BadRequest. */
export function parseTerms(text: string): FieldSelector {
  // Sorted as upstream, so that the reported fault does not depend on the order.
  return splitTerms(text)
    .sort()
    .map(term => parseTerm(term, text))
}

function parseTerm(term: string, text: string): FieldRequirement {
  const match = /^(.*?)(!=|==|=)(.*)$/s.exec(term)
  if (!match) throw bad(`invalid selector: '${text}'; can't understand '${term}'`)
  const [, field = '', operator, value = ''] = match
  return { field, equal: operator !== '!=', value: unescape(value) }
}

/** In a value, backslashes, commas and equals signs must follow a backslash, and no other characters may. */
function unescape(value: string): string {
  return value.replace(/\\(.?)|[,=]/gsu, (sequence, character: string | undefined) => {
    // Go prints the character as a number.
    if (character === undefined)
      throw bad(`invalid field selector: unescaped character in value: ${sequence.codePointAt(0)}`)
    if (character === '' || !'\\,='.includes(character))
      throw bad(`invalid field selector: invalid escape sequence: ${sequence}`)
    return character
  })
}

const bad = (why: string) => new StatusError('BadRequest', why)

function unknownField(kind: AnyKind, field: string): string {
  if (kind.unknownSelector) return kind.unknownSelector(field)
  return Object.keys(kind.selectable).length
    ? `field label not supported: ${field}`
    : `${goQuote(field)} is not a known field selector: only "metadata.name", "metadata.namespace"`
}

const common: Record<string, (object: KubeObject) => string> = {
  'metadata.name': o => o.metadata.name ?? '',
  'metadata.namespace': o => o.metadata.namespace ?? '',
}

/** Whether a selector is over fields that only objects of the kind have, and not only over the name and namespace. */
export const isOfKind = (selector: FieldSelector): boolean =>
  selector.some(({ field }) => !Object.hasOwn(common, field))

export function matchesFields(kind: AnyKind, selector: FieldSelector, object: KubeObject): boolean {
  return selector.every(({ field, value, equal }) => {
    return (valueOf(kind, field, object) === value) === equal
  })
}

/**
 * The value of a field, or '' when it cannot be read: an object stored without something that its kind requires must
 * not end a watch over all objects.
 */
function valueOf(kind: AnyKind, field: string, object: KubeObject): string {
  const read = own(common, field) ?? kind.selectable[field]
  try {
    return read?.(object) ?? ''
  } catch {
    return ''
  }
}

/** The only name that a selector allows, if any. A list of it is read like a single object. */
export function selectedName(selector: FieldSelector): string | undefined {
  return selector.find(r => r.field === 'metadata.name' && r.equal)?.value
}

function splitTerms(text: string): string[] {
  const terms: string[] = []
  let term = ''
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\' && i + 1 < text.length) term += text[i]! + text[++i]!
    else if (text[i] === ',') {
      terms.push(term)
      term = ''
    } else term += text[i]
  }
  return [...terms, term].filter(t => t !== '')
}
