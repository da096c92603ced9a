// Reviews: who a user is, and what a user may do. They are answered from the mirrors by the same tokens and authorizers
// that decide about requests, and are not stored.
//
// A token review waits for the newest state first, so that a token of a new service account is accepted. Access reviews
// do not wait. SelfSubjectRulesReview lists only the rules of roles, not what the node authorizer allows.
// Sources: pkg/registry/authentication, pkg/registry/authorization.
import { StatusError } from '../../base/errors.ts'
import { Item } from '../../api/mirror.ts'
import type { AnyKind, KubeObject } from '../../api/kind.ts'
import type { Operation, ServedResult, User } from '../../api/operation.ts'
import { selectorOf, selectorText } from '../../api/labels.ts'
import { timeText } from '../../api/time.ts'
import { SelfSubjectReview } from '../../kinds/authentication/selfsubjectreview.ts'
import { TokenReview } from '../../kinds/authentication/tokenreview.ts'
import { LocalSubjectAccessReview } from '../../kinds/authorization/localsubjectaccessreview.ts'
import { SelfSubjectAccessReview } from '../../kinds/authorization/selfsubjectaccessreview.ts'
import { SelfSubjectRulesReview } from '../../kinds/authorization/selfsubjectrulesreview.ts'
import { SubjectAccessReview } from '../../kinds/authorization/subjectaccessreview.ts'
import type {
  FieldSelectorAttributes,
  LabelSelectorAttributes,
  NonResourceAttributes,
  ResourceAttributes,
} from '../../kinds/authorization/types.ts'
import { everyRule } from '../authz/covers.ts'
import { rulesOf } from '../authz/rbac.ts'
import type { AdmissionRequest } from '../admission/request.ts'
import { canonical, decodeBody, type Warn } from '../body.ts'
import { placeInNamespace } from '../placement.ts'
import { ownChanges } from '../write.ts'
import { checkLocalReview, checkReview, checkSelfReview } from './review-checks.ts'
import { userOfToken } from '../authn/token-source.ts'
import { checkToken } from '../tokens.ts'
import type { Handler, ServerCore } from '../core.ts'
import type { Mutable } from '../../api/schema/node.ts'

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

/** The review that a client sent, with managed fields, as other objects have them, after admission. */
async function sent<T extends KubeObject>(
  kind: AnyKind,
  { clock, registry }: ServerCore,
  operation: Operation,
  warn: Warn,
): Promise<Mutable<T>> {
  const review = decodeBody(kind, operation.body, operation.options, warn)
  placeInNamespace({ ...operation, kind }, review)
  ownChanges(operation, kind, review, undefined, clock.now())
  const admission: AdmissionRequest = { type: 'CREATE', operation, object: review, body: kind, warn }
  await registry.admission.mutate(admission)
  await registry.admission.validate(admission)
  return review as Mutable<T>
}

export const reviewToken: Handler = async (core, operation, warn) => {
  const { storage, clock, tokens } = core
  const review = await sent<TokenReview>(TokenReview, core, operation, warn)
  if (!review.spec.token) throw new StatusError('BadRequest', 'token is required for TokenReview in authentication')
  await storage.catchUp(operation.signal)
  const audiences = review.spec.audiences?.length ? review.spec.audiences : tokens.audiences
  const checked = checkToken(tokens, storage, clock, review.spec.token, audiences)
  // A token of another source is for this server, whatever audiences are asked for.
  const other = 'error' in checked && core.tokenSources && (await userOfToken(core.tokenSources, review.spec.token))
  const isForHere = audiences.some(one => tokens.audiences.includes(one))
  const status =
    other && isForHere
      ? { authenticated: true, user: plainUser(other), audiences: audiences.filter(a => tokens.audiences.includes(a)) }
      : 'error' in checked
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
  const review = await sent<SubjectAccessReview>(SubjectAccessReview, core, operation, warn)
  checkReview(review)
  return answer(SubjectAccessReview, { ...review, status: await decide(core, userOf(review.spec), review.spec) })
}

export const reviewLocalAccess: Handler = async (core, operation, warn) => {
  const review = await sent<LocalSubjectAccessReview>(LocalSubjectAccessReview, core, operation, warn)
  checkLocalReview(review)
  return answer(LocalSubjectAccessReview, { ...review, status: await decide(core, userOf(review.spec), review.spec) })
}

export const reviewOwnAccess: Handler = async (core, operation, warn) => {
  const review = await sent<SelfSubjectAccessReview>(SelfSubjectAccessReview, core, operation, warn)
  checkSelfReview(review)
  return answer(SelfSubjectAccessReview, { ...review, status: await decide(core, operation.user, review.spec) })
}

const userOf = (spec: { user?: string; groups?: string[]; uid?: string; extra?: Record<string, string[]> }): User => ({
  name: spec.user ?? '',
  groups: spec.groups ?? [],
  ...(spec.uid && { uid: spec.uid }),
  ...(spec.extra && { extra: spec.extra }),
})

async function decide(
  { authorizer }: ServerCore,
  user: User,
  spec: { resourceAttributes?: ResourceAttributes; nonResourceAttributes?: NonResourceAttributes },
) {
  const { resourceAttributes: r, nonResourceAttributes: n } = spec
  const request = {
    user,
    verb: (r ?? n)!.verb ?? '',
    group: r?.group ?? '',
    version: r?.version ?? '',
    resource: r?.resource ?? '',
    subresource: r?.subresource ?? '',
    namespace: r?.namespace ?? '',
    name: r?.name ?? '',
    ...(r?.fieldSelector && { fieldSelector: fieldSelectorText(r.fieldSelector) }),
    ...(r?.labelSelector && { labelSelector: labelSelectorText(r.labelSelector) }),
  }
  const decision = await authorizer.authorize(n ? { ...request, path: n.path ?? '' } : request)
  return {
    allowed: decision.allowed,
    ...(decision.denied && { denied: true }),
    ...(decision.reason && { reason: decision.reason }),
  }
}

/** The part of a field selector at which authorizers look: the requirements with one value. */
const fieldSelectorText = ({ rawSelector, requirements = [] }: FieldSelectorAttributes): string =>
  rawSelector ||
  requirements
    .filter(({ operator, values }) => operator === 'In' && values?.length === 1)
    .map(({ key, values }) => `${key}=${values![0]}`)
    .join(',')

const labelSelectorText = ({ rawSelector, requirements = [] }: LabelSelectorAttributes): string =>
  rawSelector || selectorText(selectorOf({ matchExpressions: requirements }) ?? [])

export const reviewOwnRules: Handler = async (core, operation, warn) => {
  const { storage } = core
  const { roles, everything, hidden } = core.authorizer.shownRules
  const review = await sent<SelfSubjectRulesReview>(SelfSubjectRulesReview, core, operation, warn)
  const namespace = review.spec.namespace ?? ''
  if (!namespace) throw new StatusError('BadRequest', 'no namespace on request')
  const ofRoles = roles ? [...rulesOf(storage, operation.user, namespace)] : []
  const found = ofRoles.flatMap(({ rules }) => (typeof rules === 'string' ? [] : rules))
  if (everything) found.push(...everyRule)
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
  return answer(SelfSubjectRulesReview, {
    spec: {},
    status: {
      resourceRules,
      nonResourceRules,
      incomplete: hidden !== undefined,
      ...(hidden !== undefined && { evaluationError: hidden }),
    },
  })
}
