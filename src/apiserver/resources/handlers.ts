// The handlers of resources that are not plain stored objects, by resource, subresource and verb. `serve` looks here
// first; what has no handler here is read from and written to the store like any object.
import { Pod } from '../../kinds/core/pod.ts'
import { Binding } from '../../kinds/core/binding.ts'
import { CertificateSigningRequest } from '../../kinds/certificates/certificatesigningrequest.ts'
import { ComponentStatus } from '../../kinds/core/componentstatus.ts'
import { LocalSubjectAccessReview } from '../../kinds/authorization/localsubjectaccessreview.ts'
import { Namespace } from '../../kinds/core/namespace.ts'
import { SelfSubjectAccessReview } from '../../kinds/authorization/selfsubjectaccessreview.ts'
import { SelfSubjectReview } from '../../kinds/authentication/selfsubjectreview.ts'
import { SelfSubjectRulesReview } from '../../kinds/authorization/selfsubjectrulesreview.ts'
import { ServiceAccount } from '../../kinds/core/serviceaccount.ts'
import { SubjectAccessReview } from '../../kinds/authorization/subjectaccessreview.ts'
import { TokenReview } from '../../kinds/authentication/tokenreview.ts'
import type { AnyKind } from '../../api/kind.ts'
import { getComponentStatus, listComponentStatuses } from './component-status.ts'
import { createBinding } from './binding.ts'
import { setEphemeralContainers } from './ephemeral-containers.ts'
import { setResources } from './resize.ts'
import { createEviction } from './eviction.ts'
import { createToken } from './token.ts'
import { getScale, patchScale, updateScale } from './scale.ts'
import { partUpdate } from './part-update.ts'
import { reviewAccess, reviewLocalAccess, reviewOwnAccess, reviewOwnRules, reviewSelf, reviewToken } from './reviews.ts'
import { type Handler, handlerKey } from '../core.ts'

export const handlers: Map<string, Handler> = new Map()

function on(kind: AnyKind, subresource: string, verbs: Record<string, Handler>): void {
  for (const [verb, handler] of Object.entries(verbs)) handlers.set(handlerKey(kind, subresource, verb), handler)
}

on(Pod, 'binding', { create: createBinding })
on(Binding, '', { create: createBinding })
on(Pod, 'eviction', { create: createEviction })
on(Pod, 'ephemeralcontainers', partUpdate(setEphemeralContainers))
on(Pod, 'resize', partUpdate(setResources))
// Upstream has no patch for finalizers. To remove one, a client must send them all.
const { patch: _patched, ...finalize } = partUpdate((next, sent) => void (next.spec = sent.spec))
on(Namespace, 'finalize', finalize)
on(
  CertificateSigningRequest,
  'approval',
  partUpdate((next, sent) => void (next.status = { ...next.status, conditions: sent.status.conditions })),
)
on(ServiceAccount, 'token', { create: createToken })
on(TokenReview, '', { create: reviewToken })
on(SubjectAccessReview, '', { create: reviewAccess })
on(LocalSubjectAccessReview, '', { create: reviewLocalAccess })
on(SelfSubjectAccessReview, '', { create: reviewOwnAccess })
on(SelfSubjectRulesReview, '', { create: reviewOwnRules })
on(SelfSubjectReview, '', { create: reviewSelf })
on(ComponentStatus, '', { get: getComponentStatus, list: listComponentStatuses })
handlers.set('scale:get', getScale)
handlers.set('scale:update', updateScale)
handlers.set('scale:patch', patchScale)
