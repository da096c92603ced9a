// Authorization: whether a user may do what a request asks for.
//
// - Superusers may do everything. Then authorizers are asked in the order that the administrator has chosen, or else
//   nodes and roles (chosen.ts). The first that allows or denies decides. If none does, the request is refused with the
//   reasons of all of them.
// - The authorizers of the cluster itself decide at once, from the mirrors, and change nothing. A change of roles has
//   effect as soon as the mirrors contain it: for the user who made it, when the write returns. Others may ask a server
//   first (webhook.ts), and answer with a promise. It never rejects: a server that does not answer is a decision, too.
// - Those who ask therefore wait only for a promise, so that nothing is slower without such servers.
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
  /** The version of a resource; '' or absent where a question is about all of them. */
  version?: string
  fieldSelector?: string
  labelSelector?: string
}

export interface Decision {
  allowed: boolean
  /** Refuses the request, without asking later authorizers. If neither is set, later authorizers are asked. */
  denied?: boolean
  reason: string
}

export interface Authorizer {
  authorize(request: AccessRequest): Decision | Promise<Decision>
}

/** An authorizer that never has to wait. */
export interface InstantAuthorizer extends Authorizer {
  authorize(request: AccessRequest): Decision
}

/** Goes on with a decision: at once if it is there. */
export const withDecision = <T>(
  decision: Decision | Promise<Decision>,
  next: (decision: Decision) => T,
): T | Promise<Awaited<T>> =>
  decision instanceof Promise ? (decision.then(next) as Promise<Awaited<T>>) : next(decision)
