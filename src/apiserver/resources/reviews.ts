// Reviews: questions about who someone is and what they may do. Nothing is stored.
// Sources: pkg/registry/authentication, pkg/registry/authorization.
import { Item } from '../../api/mirror.ts'
import type { AnyKind } from '../../api/kind.ts'
import type { Operation, ServedResult, User } from '../../api/operation.ts'
import { invalidError, root } from '../../api/path.ts'
import { timeText } from '../../api/time.ts'
import { SelfSubjectReview } from '../../kinds/authentication/selfsubjectreview.ts'
import { TokenReview } from '../../kinds/authentication/tokenreview.ts'
import { LocalSubjectAccessReview } from '../../kinds/authorization/localsubjectaccessreview.ts'
import { SelfSubjectAccessReview } from '../../kinds/authorization/selfsubjectaccessreview.ts'
import { SelfSubjectRulesReview } from '../../kinds/authorization/selfsubjectrulesreview.ts'
import { SubjectAccessReview } from '../../kinds/authorization/subjectaccessreview.ts'
import type { NonResourceAttributes, ResourceAttributes } from '../../kinds/authorization/types.ts'
import { rulesOf } from '../authz/rbac.ts'
import { canonical, decodeBody } from '../body.ts'
import { checkToken } from '../tokens.ts'
import type { Handler, ServerCore } from '../core.ts'

const answer = (kind: AnyKind, object: object): ServedResult => ({
  type: 'object',
  kind,
  item: new Item(canonical(kind, object), 0),
  created: true,
})

const plainUser = (user: User) => ({
  username: user.name,
  ...(user.uid && { uid: user.uid }),
  groups: [...user.groups],
  ...(user.extra && { extra: user.extra }),
})

export const reviewToken: Handler = async ({ storage, clock, tokens }, operation, warn) => {
  const review = decodeBody(TokenReview, operation.body, operation.options, warn) as TokenReview
  if (!review.spec.token)
    throw invalidError(TokenReview, '', [
      root.field('spec', 'token').required('token is required for TokenReview in authentication'),
    ])
  await storage.fresh(operation.signal)
  const audiences = review.spec.audiences?.length ? review.spec.audiences : tokens.audiences
  const checked = checkToken(tokens, storage, clock, review.spec.token, audiences)
  const status =
    'error' in checked
      ? { user: {}, error: checked.error }
      : { authenticated: true, user: plainUser(checked.user), audiences: checked.audiences }
  return answer(TokenReview, { ...review, status })
}

export const reviewSelf: Handler = async ({ clock }, operation) =>
  answer(SelfSubjectReview, {
    metadata: { creationTimestamp: timeText(clock.now()) },
    status: { userInfo: plainUser(operation.user) },
  })

export const reviewAccess: Handler = async (core, operation, warn) => {
  const review = decodeBody(SubjectAccessReview, operation.body, operation.options, warn) as SubjectAccessReview
  if (!review.spec.user && !review.spec.groups?.length)
    throw invalidError(SubjectAccessReview, '', [
      root.field('spec', 'user').required('at least one of user or group must be specified'),
    ])
  return answer(SubjectAccessReview, {
    ...review,
    status: decide(core, SubjectAccessReview, userOf(review.spec), review.spec),
  })
}

export const reviewLocalAccess: Handler = async (core, operation, warn) => {
  const review = decodeBody(
    LocalSubjectAccessReview,
    operation.body,
    operation.options,
    warn,
  ) as LocalSubjectAccessReview
  if (review.spec.resourceAttributes?.namespace !== operation.namespace) {
    throw invalidError(LocalSubjectAccessReview, '', [
      root
        .field('spec', 'resourceAttributes', 'namespace')
        .invalid(review.spec.resourceAttributes?.namespace, `must match metadata.namespace`),
    ])
  }
  return answer(LocalSubjectAccessReview, {
    ...review,
    status: decide(core, LocalSubjectAccessReview, userOf(review.spec), review.spec),
  })
}

export const reviewOwnAccess: Handler = async (core, operation, warn) => {
  const review = decodeBody(SelfSubjectAccessReview, operation.body, operation.options, warn) as SelfSubjectAccessReview
  return answer(SelfSubjectAccessReview, {
    ...review,
    status: decide(core, SelfSubjectAccessReview, operation.user, review.spec),
  })
}

const userOf = (spec: { user?: string; groups?: string[]; uid?: string; extra?: Record<string, string[]> }): User => ({
  name: spec.user ?? '',
  groups: spec.groups ?? [],
  ...(spec.uid && { uid: spec.uid }),
  ...(spec.extra && { extra: spec.extra }),
})

function decide(
  { authorizer }: ServerCore,
  kind: AnyKind,
  user: User,
  spec: { resourceAttributes?: ResourceAttributes; nonResourceAttributes?: NonResourceAttributes },
) {
  const { resourceAttributes: r, nonResourceAttributes: n } = spec
  if (!!r === !!n) {
    const at = root.field('spec', 'resourceAttributes')
    throw invalidError(kind, '', [
      r
        ? at.invalid(r, 'cannot be specified in combination with nonResourceAttributes')
        : at.invalid(null, 'exactly one of nonResourceAttributes or resourceAttributes must be specified'),
    ])
  }
  const request = {
    user,
    verb: (r ?? n)!.verb ?? '',
    group: r?.group ?? '',
    resource: r?.resource ?? '',
    subresource: r?.subresource ?? '',
    namespace: r?.namespace ?? '',
    name: r?.name ?? '',
  }
  const decision = authorizer.authorize(n ? { ...request, path: n.path ?? '' } : request)
  return {
    allowed: decision.allowed,
    ...(decision.denied && { denied: true }),
    ...(decision.reason && { reason: decision.reason }),
  }
}

export const reviewOwnRules: Handler = async ({ storage }, operation: Operation, warn) => {
  const review = decodeBody(SelfSubjectRulesReview, operation.body, operation.options, warn) as SelfSubjectRulesReview
  const namespace = review.spec.namespace ?? ''
  if (!namespace)
    throw invalidError(SelfSubjectRulesReview, '', [
      root.field('spec', 'namespace').required('no namespace on request'),
    ])
  const found = [...rulesOf(storage, operation.user, namespace)].flatMap(({ rules }) =>
    typeof rules === 'string' ? [] : rules,
  )
  if (operation.user.groups.includes('system:masters'))
    found.push({ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }, { verbs: ['*'], nonResourceURLs: ['*'] })
  const pick = (list: readonly string[] | undefined) => [...(list ?? [])]
  const resourceRules = found
    .filter(rule => rule.resources?.length)
    .map(rule => ({
      verbs: pick(rule.verbs),
      apiGroups: pick(rule.apiGroups),
      resources: pick(rule.resources),
      ...(rule.resourceNames?.length && { resourceNames: pick(rule.resourceNames) }),
    }))
  const nonResourceRules = found
    .filter(rule => rule.nonResourceURLs?.length)
    .map(rule => ({ verbs: pick(rule.verbs), nonResourceURLs: pick(rule.nonResourceURLs) }))
  return answer(SelfSubjectRulesReview, { ...review, status: { resourceRules, nonResourceRules, incomplete: false } })
}
