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
  readonly allowed: Readonly<Record<string, string>>
  readonly denied: Readonly<Record<string, string>>
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
      return decide(steps, request, 0, [])
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
  allowed: { type, name, decision: 'allowed' },
  denied: { type, name, decision: 'denied' },
})

/** Asks the authorizers from one on, without waiting for those that decide at once. */
function decide(
  steps: readonly Step[],
  request: AccessRequest,
  from: number,
  reasons: string[],
): Decision | Promise<Decision> {
  for (let i = from; i < steps.length; i++) {
    const step = steps[i]!
    const answer = step.authorizer.authorize(request)
    if (answer instanceof Promise)
      return answer.then(decision =>
        isFinal(step, decision, reasons) ? decision : decide(steps, request, i + 1, reasons),
      )
    if (isFinal(step, answer, reasons)) return answer
  }
  return { allowed: false, reason: reasons.join(', ') }
}

/** Counts a decision that ends the search. The reason of another one is kept for the refusal. */
function isFinal({ allowed, denied }: Step, decision: Decision, reasons: string[]): boolean {
  if (decision.allowed || decision.denied) {
    decisions.add(decision.allowed ? allowed : denied)
    return true
  }
  if (decision.reason) reasons.push(decision.reason)
  return false
}
