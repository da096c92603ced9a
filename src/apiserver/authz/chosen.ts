// The authorizers that an administrator has chosen, in their order, which may change while the server runs.
// Source: pkg/kubeapiserver/authorizer; apiserver pkg/authorization/metrics.
import { counter } from '../../base/metrics.ts'
import type { AccessRequest, Authorizer, Decision } from './authorizer.ts'

/** Those that a server brings along. */
export const ownAuthorizers = ['AlwaysAllow', 'AlwaysDeny', 'Node', 'RBAC'] as const
type OwnAuthorizer = (typeof ownAuthorizers)[number]

export type ChosenAuthorizer =
  | { readonly type: OwnAuthorizer; readonly name: string }
  | { readonly type: 'Webhook'; readonly name: string; readonly authorizer: Authorizer }

const defaultAuthorizers: readonly ChosenAuthorizer[] = [
  { type: 'Node', name: 'node' },
  { type: 'RBAC', name: 'rbac' },
]

/** Which authorizers are asked. Each request is decided by those of one moment. */
export class AuthorizerChoice {
  #chosen: readonly ChosenAuthorizer[]

  constructor(chosen: readonly ChosenAuthorizer[] = defaultAuthorizers) {
    this.#chosen = chosen
  }

  get chosen(): readonly ChosenAuthorizer[] {
    return this.#chosen
  }

  use(chosen: readonly ChosenAuthorizer[]): void {
    this.#chosen = chosen
  }
}

/** What can be listed of the rights of a user. */
interface ShownRules {
  /** Whether roles count, and whether everything is allowed to everybody. */
  readonly roles: boolean
  readonly everything: boolean
  /** Why the list is not all, if it is not. */
  readonly hidden?: string
}

/** The authorizer of all requests. */
export interface RequestAuthorizer extends Authorizer {
  readonly shownRules: ShownRules
}

const decisions = counter(
  'apiserver_authorization_decisions_total',
  'Decisions of authorizers that allow or deny, by type and name of the authorizer.',
)

interface Step {
  readonly authorizer: Authorizer
  /** They count decisions. */
  readonly allowed: () => void
  readonly denied: () => void
}

/** @param own the authorizers that read the state of the cluster */
export function requestAuthorizer(
  choice: AuthorizerChoice,
  own: Readonly<Record<'Node' | 'RBAC', Authorizer>>,
): RequestAuthorizer {
  const all: Readonly<Record<OwnAuthorizer, Authorizer>> = {
    ...own,
    AlwaysAllow: { authorize: () => ({ allowed: true, reason: '' }) },
    AlwaysDeny: { authorize: () => ({ allowed: false, reason: 'Everything is forbidden.' }) },
  }
  let of: readonly ChosenAuthorizer[] | undefined
  let steps: readonly Step[] = []
  return {
    authorize(request) {
      if (request.user.groups.includes('system:masters')) return superuser
      if (of !== choice.chosen) {
        of = choice.chosen
        steps = of.map(one => stepOf(one, one.type === 'Webhook' ? one.authorizer : all[one.type]))
      }
      return decide(steps, request, 0, '')
    },
    get shownRules() {
      const types = new Set(choice.chosen.map(({ type }) => type))
      return {
        roles: types.has('RBAC'),
        everything: types.has('AlwaysAllow'),
        ...(types.has('Webhook') && { hidden: 'webhook authorizer does not support user rule resolution' }),
      }
    },
  }
}

const superuser: Decision = { allowed: true, reason: '' }

const stepOf = ({ type, name }: ChosenAuthorizer, authorizer: Authorizer): Step => ({
  authorizer,
  allowed: decisions.with({ type, name, decision: 'allowed' }),
  denied: decisions.with({ type, name, decision: 'denied' }),
})

/** Asks the authorizers from one on, without waiting for those that decide at once. */
function decide(
  steps: readonly Step[],
  request: AccessRequest,
  from: number,
  before: string,
): Decision | Promise<Decision> {
  let reasons = before
  for (let i = from; i < steps.length; i++) {
    const step = steps[i]!
    const answer = step.authorizer.authorize(request)
    if (answer instanceof Promise) {
      const soFar = reasons
      return answer.then(decision =>
        isFinal(step, decision) ? decision : decide(steps, request, i + 1, joined(soFar, decision.reason)),
      )
    }
    if (isFinal(step, answer)) return answer
    reasons = joined(reasons, answer.reason)
  }
  return { allowed: false, reason: reasons }
}

const joined = (reasons: string, reason: string) => (reasons && reason ? `${reasons}, ${reason}` : reasons || reason)

/** Whether a decision ends the search. It is counted then. */
function isFinal({ allowed, denied }: Step, decision: Decision): boolean {
  if (decision.allowed || decision.denied) {
    if (decision.allowed) allowed()
    else denied()
    return true
  }
  return false
}
