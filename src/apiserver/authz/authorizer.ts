// Authorization: whether a user may do what a request asks for.
//
// - Authorizers are asked in order: superusers, nodes, roles (../open.ts). The first that allows or denies decides. If
//   none does, the request is refused with the reasons of all of them.
// - An authorizer decides synchronously from the mirrors, and changes nothing. A change of roles has effect as soon as
//   the mirrors contain it: for the user who made it, when the write returns.
// - A running watch or stream is not authorized again when rights are removed.
//
// Source: kubernetes.io/docs/reference/access-authn-authz/authorization.
import type { User } from '../../api/operation.ts'

/** A request as authorization sees it: attributes of a resource, or a path. */
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
  /** Refuses the request, without asking later authorizers. If neither is set, later authorizers are asked. */
  denied?: boolean
  reason: string
}

export interface Authorizer {
  authorize(request: AccessRequest): Decision
}

/** Allows everything to superusers, who are the members of `system:masters`. */
export const mastersAuthorizer: Authorizer = {
  authorize: ({ user }) => ({ allowed: user.groups.includes('system:masters'), reason: '' }),
}

/** Makes one authorizer of several, which are asked in order. */
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
