// What expressions see of the namespace of a request: less than the namespace has, with times as timestamps.
// Source: apiserver pkg/admission/plugin/cel (BuildNamespaceType, CreateNamespaceObject).
import { declare, objectsOf, type Schema } from '../../cel/index.ts'

const text: Schema = { type: 'string' }
const time: Schema = { type: 'string', format: 'date-time' }
const texts: Schema = { type: 'array', items: text }
const labels: Schema = { type: 'object', additionalProperties: text }
const object = (properties: Readonly<Record<string, Schema>>): Schema => ({ type: 'object', properties })

export const namespaceSchema: Schema = object({
  metadata: object({
    name: text,
    generateName: text,
    namespace: text,
    labels,
    annotations: labels,
    uid: text,
    creationTimestamp: time,
    deletionGracePeriodSeconds: { type: 'integer' },
    deletionTimestamp: time,
    generation: { type: 'integer' },
    resourceVersion: text,
    finalizers: texts,
  }),
  spec: object({ finalizers: texts }),
  status: object({
    conditions: {
      type: 'array',
      items: object({ type: text, status: text, lastTransitionTime: time, reason: text, message: text }),
    },
    phase: text,
  }),
})

const declared = declare(namespaceSchema, 'kubernetes.Namespace')!
export const namespaceType = declared.type
export const namespaceFields = objectsOf(declared)
