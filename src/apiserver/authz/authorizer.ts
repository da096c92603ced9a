// Authorization: may this user do this? Authorizers are asked in order; the first that allows or denies decides.
// Source: kubernetes.io/docs/reference/access-authn-authz/authorization.
import type { User } from '../../api/operation.ts'

/** A request as authorization sees it: attributes of a resource, or a bare path. */
export interface AccessRequest {
  user: User
  verb: string
  group: string
  resource: string
  subresource: string
  namespace: string
  name: string
  /** Set for requests that are not about a resource; then the fields above are empty. */
  path?: string
  fieldSelector?: string
}

export interface Decision {
  allowed: boolean
  /** Refused outright: later authorizers are not asked. */
  denied?: boolean
  reason: string
}

export interface Authorizer {
  authorize(request: AccessRequest): Decision
}

/** The built-in superusers. */
export const mastersAuthorizer: Authorizer = {
  authorize: ({ user }) => ({ allowed: user.groups.includes('system:masters'), reason: '' }),
}

/** Asks each in turn. */
export function chain(authorizers: readonly Authorizer[]): Authorizer {
  return {
    authorize(request) {
      const reasons: string[] = []
      for (const authorizer of authorizers) {
        const decision = authorizer.authorize(request)
        if (decision.allowed || decision.denied) return decision
        if (decision.reason) reasons.push(decision.reason)
      }
      return { allowed: false, reason: reasons.join(', ') }
    },
  }
}
