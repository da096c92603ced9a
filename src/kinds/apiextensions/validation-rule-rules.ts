// The CEL rules of a schema, as far as they can be judged without a compiler.
// Source: apiextensions-apiserver pkg/apis/apiextensions/validation/validation.go.
import type { Problems } from '../../api/checks.ts'
import type { Path } from '../../api/path.ts'
import { fieldAt } from './field-path.ts'
import type { SchemaProps, ValidationRule } from './jsonschema.ts'

const reasons = ['FieldValueDuplicate', 'FieldValueForbidden', 'FieldValueInvalid', 'FieldValueRequired']

export function* validateRules(schema: SchemaProps, at: Path): Problems {
  for (const [i, rule] of (schema['x-kubernetes-validations'] ?? []).entries()) {
    const path = at.index(i)
    yield* validateTexts(rule, path)
    if (rule.reason !== undefined && !reasons.includes(rule.reason))
      yield path.field('reason').notSupported(rule.reason, reasons)
    const { fieldPath = '' } = rule
    if (!fieldPath) continue
    const named = path.field('fieldPath')
    if (!fieldPath.trim()) yield named.invalid(fieldPath, 'fieldPath must be non-empty if specified')
    if (hasBreak(fieldPath)) yield named.invalid(fieldPath, 'fieldPath must not contain line breaks')
    if ('error' in fieldAt(fieldPath, schema, { lists: true }))
      yield named.invalid(fieldPath, 'fieldPath must be a valid path')
  }
}

const hasBreak = (text: string) => /[\n\r]/.test(text)

function* validateTexts({ rule, message = '', messageExpression = '' }: ValidationRule, at: Path): Problems {
  if (!rule.trim()) yield at.field('rule').required('rule is not specified')
  else if (message && !message.trim())
    yield at.field('message').invalid(message, 'message must be non-empty if specified')
  else if (hasBreak(message.trim())) yield at.field('message').invalid(message, 'message must not contain line breaks')
  else if (hasBreak(rule.trim()) && !message.trim())
    yield at.field('message').required('message must be specified if rule contains line breaks')
  if (messageExpression && !messageExpression.trim())
    yield at.field('messageExpression').required('messageExpression must be non-empty if specified')
}
