// Short forms in which the definitions of gateway.networking.k8s.io are written: OpenAPI schemas as plain data.
import { asJson } from '../../api/schema/node.ts'
import type { SchemaProps } from '../apiextensions/jsonschema.ts'

type Limits = Partial<SchemaProps>
interface Rule {
  rule: string
  message: string
}

export const text = (maxLength: number, more: Limits = {}): SchemaProps => ({
  type: 'string',
  minLength: 1,
  maxLength,
  ...more,
})
export const words = (...all: readonly string[]): SchemaProps => ({ type: 'string', enum: [...all] })
export const integer = (minimum: number, maximum: number, more: Limits = {}): SchemaProps => ({
  type: 'integer',
  format: 'int32',
  minimum,
  maximum,
  ...more,
})
export const fields = (
  properties: Readonly<Record<string, SchemaProps>>,
  required: readonly string[] = [],
  ...rules: readonly Rule[]
): SchemaProps => ({
  type: 'object',
  properties: { ...properties },
  ...(required.length && { required: [...required] }),
  ...(rules.length && { 'x-kubernetes-validations': rules.map(one => ({ ...one })) }),
})
export const list = (items: SchemaProps, maxItems: number, more: Limits = {}): SchemaProps => ({
  type: 'array',
  items: asJson(items),
  maxItems,
  'x-kubernetes-list-type': 'atomic',
  ...more,
})
/** A list of which each item has a key of its own. */
export const keyed = (key: string, items: SchemaProps, maxItems: number, more: Limits = {}): SchemaProps => ({
  ...list(items, maxItems, more),
  'x-kubernetes-list-type': 'map',
  'x-kubernetes-list-map-keys': [key],
})
export const texts = (maxProperties: number, value: SchemaProps): SchemaProps => ({
  type: 'object',
  maxProperties,
  additionalProperties: asJson(value),
})
export const rules = (...all: readonly Rule[]): Limits => ({
  'x-kubernetes-validations': all.map(one => ({ ...one })),
})
export const described = (description: string, schema: SchemaProps): SchemaProps => ({ description, ...schema })

const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const domain = `${label}(\\.${label})*`
export const groupName = { type: 'string', maxLength: 253, pattern: `^$|^${domain}$` } satisfies SchemaProps
export const kindName = text(63, { pattern: '^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$' })
export const objectName = text(253)
export const namespaceName = text(63, { pattern: `^${label}$` })
export const sectionName = text(253, { pattern: `^${domain}$` })
export const hostname = text(253, { pattern: `^(\\*\\.)?${domain}$` })
export const preciseHostname = text(253, { pattern: `^${domain}$` })
export const portNumber = integer(1, 65535)
export const duration: SchemaProps = { type: 'string', pattern: '^([0-9]{1,5}(h|m|s|ms)){1,4}$' }
export const headerName = text(256, { pattern: "^[A-Za-z0-9!#$%&'*+\\-.^_\\x60|~]+$" })
export const httpMethods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'] as const
export const controllerName = text(253, { pattern: `^${domain}\\/[A-Za-z0-9\\/\\-._~%!$&'()*+,;=:]+$` })

const condition = fields(
  {
    type: { type: 'string', maxLength: 316, pattern: `^(${domain}/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$` },
    status: words('True', 'False', 'Unknown'),
    observedGeneration: { type: 'integer', format: 'int64', minimum: 0 },
    lastTransitionTime: { type: 'string', format: 'date-time' },
    reason: text(1024, { pattern: '^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$' }),
    message: { type: 'string', maxLength: 32768 },
  },
  ['lastTransitionTime', 'message', 'reason', 'status', 'type'],
)
const pending = (type: string) => ({
  type,
  status: 'Unknown',
  reason: 'Pending',
  message: 'Waiting for controller',
  lastTransitionTime: '1970-01-01T00:00:00Z',
})
export const conditions = (...initial: readonly string[]): SchemaProps =>
  keyed('type', condition, 8, initial.length ? { default: initial.map(pending) } : {})

export const labelSelector: SchemaProps = {
  ...fields({
    matchLabels: { type: 'object', additionalProperties: { type: 'string' } },
    matchExpressions: {
      type: 'array',
      'x-kubernetes-list-type': 'atomic',
      items: asJson(
        fields(
          {
            key: { type: 'string' },
            operator: { type: 'string' },
            values: { type: 'array', items: { type: 'string' }, 'x-kubernetes-list-type': 'atomic' },
          },
          ['key', 'operator'],
        ),
      ),
    },
  }),
  'x-kubernetes-map-type': 'atomic',
}
