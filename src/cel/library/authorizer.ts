// Authorization checks: `authorizer.group('apps').resource('deployments').namespace('x').check('get').allowed()`.
//
// The caller passes the function that decides. Where that has to wait, it throws `Pending` (see program.ts) and is
// asked again; `Authorizer` remembers the answers, so that each question is put once.
// Source: apiserver pkg/cel/library/authz.go.
import { sameJson } from '../../api/equal.ts'
import { dnsLabelErrors, dnsSubdomainErrors } from '../../api/names.ts'
import { fn, member, type Library } from '../functions.ts'
import { Pending } from '../program.ts'
import * as t from '../types.ts'
import { Opaque, failure, noSuchOverload, type Value } from '../values.ts'

/** What a check asks. Selectors are texts, which the caller parses. */
export interface AuthorizationQuestion {
  /** Another identity than the one of the request. */
  readonly serviceAccount?: { readonly namespace: string; readonly name: string }
  readonly verb: string
  /** Of a check of a path; the other fields are of a check of a resource. */
  readonly path?: string
  readonly group?: string
  readonly resource?: string
  readonly subresource?: string
  readonly namespace?: string
  readonly name?: string
  readonly fieldSelector?: string
  readonly labelSelector?: string
}

export interface AuthorizationAnswer {
  readonly allowed: boolean
  readonly reason: string
  /** Set when the check failed. */
  readonly error?: string
}

type Authorize = (question: AuthorizationQuestion) => AuthorizationAnswer | Promise<AuthorizationAnswer>

const typeName = (name: string) => t.object(`kubernetes.authorization.${name}`)
export const authorizerType = typeName('Authorizer')
const pathCheck = typeName('PathCheck')
const groupCheck = typeName('GroupCheck')
export const resourceCheckType = typeName('ResourceCheck')
const decision = typeName('Decision')

/** One step of a check: what is asked so far. */
class Step extends Opaque {
  readonly question: Omit<AuthorizationQuestion, 'verb'>
  readonly #ask: (question: AuthorizationQuestion) => AuthorizationAnswer

  constructor(
    type: t.Type,
    question: Omit<AuthorizationQuestion, 'verb'>,
    ask: (question: AuthorizationQuestion) => AuthorizationAnswer,
  ) {
    super(type)
    this.question = question
    this.#ask = ask
  }

  /** The next step, with more to ask. */
  with(more: Partial<AuthorizationQuestion>, type: t.Type = this.type): Step {
    return new Step(type, { ...this.question, ...more }, this.#ask)
  }

  check(verb: string): Decision {
    return new Decision(this.#ask({ ...this.question, verb }))
  }

  equals(other: Opaque): boolean {
    return other instanceof Step && sameJson(other.question, this.question)
  }
}

class Decision extends Opaque {
  readonly answer: AuthorizationAnswer
  constructor(answer: AuthorizationAnswer) {
    super(decision)
    this.answer = answer
  }

  equals(other: Opaque): boolean {
    return other instanceof Decision && sameJson(other.answer, this.answer)
  }
}

/** The value of the variable `authorizer`, for one request. */
export function makeAuthorizer(authorize: Authorize): Opaque {
  return new Step(authorizerType, {}, remembering(authorize))
}

/** The value of the variable `authorizer.requestResource`: a check of the resource that the request is about. */
export function makeRequestResource(
  authorizer: Opaque,
  resource: Pick<AuthorizationQuestion, 'group' | 'resource' | 'subresource' | 'namespace' | 'name'>,
): Opaque {
  return authorizer instanceof Step ? authorizer.with(resource, resourceCheckType) : authorizer
}

/** Asks each question once, and throws until its answer is there. */
function remembering(authorize: Authorize): (question: AuthorizationQuestion) => AuthorizationAnswer {
  const answers = new Map<string, AuthorizationAnswer | Promise<void>>()
  const refused = (error: unknown): AuthorizationAnswer => ({
    allowed: false,
    reason: '',
    error: error instanceof Error ? error.message : String(error),
  })
  return question => {
    const key = JSON.stringify(question)
    const known = answers.get(key)
    if (known instanceof Promise) throw new Pending(known)
    if (known) return known
    const answer = authorize(question)
    if (answer instanceof Promise) {
      const settled = answer.catch(refused).then(a => void answers.set(key, a))
      answers.set(key, settled)
      throw new Pending(settled)
    }
    answers.set(key, answer)
    return answer
  }
}

const isBlank = (text: string) => text.trim() === ''

const step = (name: string, id: string, from: t.Type, result: t.Type, next: (step: Step, text: string) => Value) =>
  fn(
    name,
    member(id, [from, t.string], result, (value, text) =>
      value instanceof Step ? next(value, text as string) : noSuchOverload(),
    ),
  )

const ofResource = (name: 'subresource' | 'namespace' | 'name' | 'fieldSelector' | 'labelSelector', id: string) =>
  step(name, id, resourceCheckType, resourceCheckType, (check, text) => check.with({ [name]: text }))

const ofDecision = (name: string, result: t.Type, read: (answer: AuthorizationAnswer) => Value) =>
  fn(
    name,
    member(`decision_${name}`, [decision], result, value =>
      value instanceof Decision ? read(value.answer) : noSuchOverload(),
    ),
  )

function asServiceAccount(authorizer: Value, namespace: string, name: string): Value {
  if (!(authorizer instanceof Step)) return noSuchOverload()
  if (dnsSubdomainErrors(name).length) return failure('Invalid service account name')
  if (dnsLabelErrors(namespace).length) return failure('Invalid service account namespace')
  return authorizer.with({ serviceAccount: { namespace, name } })
}

export const authorization: Library = {
  name: 'kubernetes.authz',
  types: [authorizerType, pathCheck, groupCheck, resourceCheckType, decision],
  functions: [
    step('path', 'authorizer_path', authorizerType, pathCheck, (authorizer, path) =>
      isBlank(path) ? failure('path must not be empty') : authorizer.with({ path }, pathCheck),
    ),
    step('group', 'authorizer_group', authorizerType, groupCheck, (authorizer, group) =>
      authorizer.with({ group }, groupCheck),
    ),
    fn(
      'serviceAccount',
      member(
        'authorizer_serviceaccount',
        [authorizerType, t.string, t.string],
        authorizerType,
        (authorizer, namespace, name) => asServiceAccount(authorizer!, namespace as string, name as string),
      ),
    ),
    step('resource', 'groupcheck_resource', groupCheck, resourceCheckType, (group, resource) =>
      isBlank(resource) ? failure('resource must not be empty') : group.with({ resource }, resourceCheckType),
    ),
    ofResource('subresource', 'resourcecheck_subresource'),
    ofResource('namespace', 'resourcecheck_namespace'),
    ofResource('name', 'resourcecheck_name'),
    step('check', 'pathcheck_check', pathCheck, decision, (check, verb) => check.check(verb)),
    step('check', 'resourcecheck_check', resourceCheckType, decision, (check, verb) => check.check(verb)),
    ofDecision('errored', t.bool, ({ error }) => error !== undefined),
    ofDecision('error', t.string, ({ error }) => error ?? ''),
    ofDecision('allowed', t.bool, ({ allowed }) => allowed),
    ofDecision('reason', t.string, ({ reason }) => reason),
  ],
}

export const authorizationSelectors: Library = {
  name: 'kubernetes.authzSelectors',
  functions: [
    ofResource('fieldSelector', 'authorizer_fieldselector'),
    ofResource('labelSelector', 'authorizer_labelselector'),
  ],
}
