// The match conditions of a webhook: CEL expressions about a request, all of which must be true for the webhook to be
// asked. Source: apiserver pkg/authorization/cel.
import { counter, exponentialBuckets, histogram } from '../../base/metrics.ts'
import { adaptUntyped, compile, Failure, kubernetes, type Program, types } from '../../cel/index.ts'
import { expressionSpec } from './access-review.ts'
import type { AccessRequest } from './authorizer.ts'

export interface MatchCondition {
  readonly text: string
  readonly program: Program
}

const named = (name: string) => types.object(`kubernetes.${name}`)
const strings = (...fields: string[]) => Object.fromEntries(fields.map(field => [field, types.string]))
const selector = { rawSelector: types.string, requirements: types.list(named('SelectorRequirement')) }

const fieldTypes: Readonly<Record<string, Readonly<Record<string, typeof types.string>>>> = {
  'kubernetes.SubjectAccessReviewSpec': {
    resourceAttributes: named('ResourceAttributes'),
    nonResourceAttributes: named('NonResourceAttributes'),
    ...strings('user', 'uid'),
    groups: types.list(types.string),
    extra: types.map(types.string, types.list(types.string)),
  },
  'kubernetes.ResourceAttributes': {
    ...strings('namespace', 'verb', 'group', 'version', 'resource', 'subresource', 'name'),
    fieldSelector: named('FieldSelectorAttributes'),
    labelSelector: named('LabelSelectorAttributes'),
  },
  'kubernetes.NonResourceAttributes': strings('path', 'verb'),
  'kubernetes.FieldSelectorAttributes': selector,
  'kubernetes.LabelSelectorAttributes': selector,
  'kubernetes.SelectorRequirement': { ...strings('key', 'operator'), values: types.list(types.string) },
}

const environment = kubernetes.extend({
  variables: { request: named('SubjectAccessReviewSpec') },
  objects: {
    fieldType: (typeName, field) => {
      const fields = fieldTypes[typeName]
      return fields === undefined ? null : Object.hasOwn(fields, field) ? fields[field] : undefined
    },
  },
})

/** Compiles a condition; the error is upstream's. */
export function compileCondition(
  text: string,
): MatchCondition | { readonly error: string; readonly isInternal: boolean } {
  const compiled = compile(text, environment)
  if (compiled.error !== undefined)
    return { error: `${compiled.foundBy} failed: ${compiled.error}`, isInternal: compiled.foundBy !== 'compilation' }
  const { program } = compiled
  if (types.sameType(program.type, types.bool)) return { text, program }
  return { error: `must evaluate to bool but got ${types.formatType(program.type)}`, isInternal: false }
}

const errors = counter(
  'apiserver_authorization_match_condition_evaluation_errors_total',
  'Requests for which a match condition of a webhook could not be evaluated.',
)
const exclusions = counter(
  'apiserver_authorization_match_condition_exclusions_total',
  'Requests about which a webhook was not asked because of its match conditions.',
)
const seconds = histogram(
  'apiserver_authorization_match_condition_evaluation_seconds',
  'Time for the match conditions of a webhook.',
  exponentialBuckets(0.0001, 4, 8),
)

/** Whether conditions are met; an error if that cannot be said. One that is not met counts more than errors of others. */
export function meets(conditions: readonly MatchCondition[], request: AccessRequest, name: string): boolean | Error {
  const labels = { type: 'Webhook', name }
  const started = performance.now()
  const variables = { request: adaptUntyped(expressionSpec(request)) }
  const failures: string[] = []
  let isExcluded = false
  for (const { program, text } of conditions) {
    const { value } = program.evaluate(variables)
    if (value instanceof Failure)
      failures.push(`cel evaluation error: expression '${text}' resulted in error: ${value.message}`)
    isExcluded ||= value === false
  }
  seconds.observe((performance.now() - started) / 1000, labels)
  if (isExcluded) {
    exclusions.add(labels)
    return false
  }
  if (!failures.length) return true
  errors.add(labels)
  return new Error(failures.join(', '))
}
