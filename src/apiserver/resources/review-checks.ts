// Checks of access reviews: each must ask about either a resource or a path, about a user or group, and with selectors
// that are complete.
// Source: pkg/apis/authorization/validation/validation.go.
import { invalidError, type Path, type Problem, root } from '../../api/path.ts'
import { validateRequirement } from '../../api/checks.ts'
import type { ObjectMeta } from '../../api/meta.ts'
import type {
  NonResourceAttributes,
  ResourceAttributes,
  SubjectAccessReviewSpec,
} from '../../kinds/authorization/types.ts'

const spec = root.field('spec')

/** What a review asks about: one of the two must be set. */
interface Reviewed {
  resourceAttributes?: ResourceAttributes
  nonResourceAttributes?: NonResourceAttributes
}

/** Throws Invalid if there are problems. As upstream, the error names no kind. */
function refuse(problems: readonly Problem[]): void {
  if (problems.length) throw invalidError({ group: 'authorization.k8s.io', kind: '' }, '', problems)
}

export function checkSelfReview(review: { metadata: ObjectMeta; spec: Reviewed }): void {
  refuse([...reviewedProblems(review.spec), ...metadataProblems(review.metadata)])
}

export function checkReview(review: { metadata: ObjectMeta; spec: SubjectAccessReviewSpec }): void {
  refuse([...subjectProblems(review.spec), ...metadataProblems(review.metadata)])
}

export function checkLocalReview(review: { metadata: ObjectMeta; spec: SubjectAccessReviewSpec }): void {
  const { resourceAttributes: resource, nonResourceAttributes: other } = review.spec
  const problems = [...subjectProblems(review.spec)]
  if (resource && (resource.namespace ?? '') !== review.metadata.namespace)
    problems.push(
      spec.field('resourceAttributes', 'namespace').invalid(resource.namespace ?? '', 'must match metadata.namespace'),
    )
  if (other)
    problems.push(spec.field('nonResourceAttributes').invalid(shown(other), 'disallowed on this kind of request'))
  refuse(problems)
}

function* subjectProblems(asked: SubjectAccessReviewSpec): Iterable<Problem> {
  yield* bothOrNone(asked)
  if (!asked.user && !asked.groups?.length)
    yield spec.field('user').invalid('', 'at least one of user or group must be specified')
  yield* selectorProblems(asked.resourceAttributes)
}

function* reviewedProblems(asked: Reviewed): Iterable<Problem> {
  yield* bothOrNone(asked)
  yield* selectorProblems(asked.resourceAttributes)
}

function* bothOrNone({ resourceAttributes, nonResourceAttributes }: Reviewed): Iterable<Problem> {
  if (resourceAttributes && nonResourceAttributes)
    yield spec
      .field('nonResourceAttributes')
      .invalid(shown(nonResourceAttributes), 'cannot be specified in combination with resourceAttributes')
  if (!resourceAttributes && !nonResourceAttributes)
    yield spec
      .field('resourceAttributes')
      .invalid(null, 'exactly one of nonResourceAttributes or resourceAttributes must be specified')
}

/** The attributes with their field names in Go, which the error shows. */
const shown = ({ path = '', verb = '' }: NonResourceAttributes) => ({ Path: path, Verb: verb })

function* metadataProblems({ managedFields: _managed, ...metadata }: ObjectMeta): Iterable<Problem> {
  if (Object.keys(metadata).length)
    yield root.field('metadata').invalid({ ...metadata, ...(_managed && { managedFields: _managed }) }, 'must be empty')
}

function* selectorProblems(attributes: ResourceAttributes | undefined): Iterable<Problem> {
  for (const name of ['fieldSelector', 'labelSelector'] as const) {
    const selector = attributes?.[name]
    if (!selector) continue
    const at = spec.field('resourceAttributes', name)
    const { rawSelector = '', requirements = [] } = selector
    if (rawSelector && requirements.length)
      yield at.field('rawSelector').invalid(rawSelector, 'may not specified at the same time as requirements')
    if (!rawSelector && !requirements.length)
      yield at
        .field('requirements')
        .required(`when ${at.toString()} is specified, requirements or rawSelector is required`)
    for (const [i, { key = '', operator = '', values = [] }] of requirements.entries())
      yield* requirementProblems(key, operator, values, at.field('requirements').index(i), name === 'labelSelector')
  }
}

function* requirementProblems(
  key: string,
  operator: string,
  values: readonly string[],
  at: Path,
  isLabel: boolean,
): Iterable<Problem> {
  if (isLabel) return yield* validateRequirement({ key, operator, values }, at)
  if (!key) yield at.field('key').required('must be specified')
  if (operator === 'In' || operator === 'NotIn') {
    if (!values.length) yield at.field('values').required("must be specified when `operator` is 'In' or 'NotIn'")
  } else if ((operator === 'Exists' || operator === 'DoesNotExist') && values.length)
    yield at.field('values').forbidden("may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
}
