// Paths of fields, and problems of the values at them. Messages and causes are those of Kubernetes' field errors, which
// clients match on. Source: apimachinery validation/field/errors.go.
import { goQuote } from '../base/go-text.ts'
import { type Cause, StatusError } from '../base/errors.ts'

type ProblemType =
  | 'FieldValueNotFound'
  | 'FieldValueRequired'
  | 'FieldValueDuplicate'
  | 'FieldValueInvalid'
  | 'FieldValueNotSupported'
  | 'FieldValueForbidden'
  | 'FieldValueTooLong'
  | 'FieldValueTooMany'
  | 'InternalError'
  | 'FieldValueTypeInvalid'

export interface Problem {
  type: ProblemType
  field: string
  /** The message without the path of the field. */
  body: string
}

/** The path of a value, such as `spec.containers[0].image`. The text is made only for a problem. */
export class Path {
  readonly #parent: Path | undefined
  readonly #part: string | number
  /** The character that joins the part to the previous ones. */
  readonly #joint: '' | '.' | '['

  constructor(parent?: Path, part: string | number = '', joint: '' | '.' | '[' = '') {
    this.#parent = parent
    this.#part = part
    this.#joint = joint
  }

  toString(): string {
    return this.#text() || '<nil>'
  }

  #text(): string {
    const before = this.#parent ? this.#parent.#text() : ''
    if (this.#joint === '[') return `${before}[${this.#part}]`
    return before && this.#joint ? `${before}.${this.#part}` : `${before}${this.#part}`
  }

  /** The path of the value that contains this one. */
  get parent(): Path {
    return this.#parent ?? this
  }

  field(...names: string[]): Path {
    return below(this, names)
  }

  index(i: number): Path {
    return new Path(this, i, '[')
  }

  key(key: string): Path {
    return new Path(this, key, '[')
  }

  invalid(value: unknown, detail: string): Problem {
    const texts = ['Invalid value', quote(value), detail]
    return this.#problem('FieldValueInvalid', texts.filter(text => text !== '').join(': '))
  }

  typeInvalid(value: unknown, detail: string): Problem {
    return this.#problem('FieldValueTypeInvalid', `Invalid value: ${quote(value)}${detail && `: ${detail}`}`)
  }

  required(detail = ''): Problem {
    return this.#problem('FieldValueRequired', `Required value${detail && `: ${detail}`}`)
  }

  duplicate(value: unknown, detail = ''): Problem {
    return this.#problem('FieldValueDuplicate', `Duplicate value: ${quote(value)}${detail && `: ${detail}`}`)
  }

  internal(error: string): Problem {
    return this.#problem('InternalError', `Internal error: ${error}`)
  }

  notFound(value: unknown, detail = ''): Problem {
    return this.#problem('FieldValueNotFound', `Not found: ${quote(value)}${detail && `: ${detail}`}`)
  }

  forbidden(detail: string): Problem {
    return this.#problem('FieldValueForbidden', `Forbidden${detail && `: ${detail}`}`)
  }

  notSupported(value: unknown, supported: readonly string[]): Problem {
    const list = supported.map(s => JSON.stringify(s)).join(', ')
    return this.#problem(
      'FieldValueNotSupported',
      `Unsupported value: ${quote(value)}${list && `: supported values: ${list}`}`,
    )
  }

  tooLong(maxLength: number): Problem {
    return this.#problem(
      'FieldValueTooLong',
      `Too long: may not be more than ${maxLength} ${maxLength === 1 ? 'byte' : 'bytes'}`,
    )
  }

  tooMany(actual: number, max: number): Problem {
    return this.#problem(
      'FieldValueTooMany',
      `Too many: ${actual}: must have at most ${max} ${max === 1 ? 'item' : 'items'}`,
    )
  }

  #problem(type: ProblemType, body: string): Problem {
    return { type, field: this.toString(), body }
  }
}

function below(path: Path, names: readonly string[]): Path {
  let found = path
  for (const name of names) if (name) found = new Path(found, name, '.')
  return found
}

/** A value that has been formatted for problems already. */
export class Printed {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

/** Stands for a value that the problem does not show. */
export const noValue: Printed = new Printed('')

export const root: Path = new Path()

// Go prints structs and lists as JSON, strings in quotes, and nil as null.
function quote(value: unknown): string {
  if (value === undefined) return 'null'
  if (typeof value === 'string') return goQuote(value)
  if (value instanceof Printed) return value.text
  return JSON.stringify(value).replace(/[<>&]/g, c => `\\u00${c.charCodeAt(0).toString(16)}`)
}

/** The error Invalid for a list of problems. `kind` has the form `Deployment.apps`. */
export function invalidError(
  kind: { group: string; kind: string },
  name: string,
  problems: readonly Problem[],
): StatusError {
  const causes: Cause[] = problems.map(p => ({ reason: p.type, message: p.body, field: p.field }))
  const sentences = problems.map(p => `${p.field}: ${p.body}`)
  const unique = [...new Set(sentences)]
  const text = unique.length === 1 ? unique[0] : `[${unique.join(', ')}]`
  const qualified = kind.group ? `${kind.kind}.${kind.group}` : kind.kind
  const details = {
    ...(name && { name }),
    ...(kind.group && { group: kind.group }),
    ...(kind.kind && { kind: kind.kind }),
    causes,
  }
  return new StatusError('Invalid', `${qualified} ${JSON.stringify(name)} is invalid: ${text}`, { details })
}
