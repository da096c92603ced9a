// What validating and mutating admission policies have in common: policies with their bindings, which requests they are
// about, and the objects with their parameters.
//
//   policy (expressions, matchConstraints, paramKind) ◄── binding (matchResources, paramRef) ──► parameters
//
// - A policy without a binding has no effect. Several bindings, and several objects with parameters, are each evaluated.
// - Policies and bindings are read from the mirrors, so a change holds from when its write returns.
// - Requests about policies, webhooks and reviews of access are never judged.
//
// Source: apiserver pkg/admission/plugin/policy/generic (policy_dispatcher.go, policy_source.go).
import { matchesSelector, selectorOf } from '../../api/labels.ts'
import { asJson, type JsonObject } from '../../api/schema/node.ts'
import { StatusError } from '../../base/errors.ts'
import { type AnyKind, type Kind, type KubeObject, parseApiVersion } from '../../api/kind.ts'
import { Expressions } from '../../kinds/admissionregistration/expressions.ts'
import type { MatchResources, ParamKind, ParamRef, Variable } from '../../kinds/admissionregistration/types.ts'
import type { Authorizer } from '../authz/authorizer.ts'
import type { Catalog } from '../catalog.ts'
import { forbidden } from '../errors.ts'
import type { Storage } from '../storage.ts'
import { shownItems } from '../versions.ts'
import { type Attributes, attributesOf, type Form } from './attributes.ts'
import { isRegistration, matchingForm } from './match.ts'
import type { AdmissionRequest } from './request.ts'
import { usable } from './usable.ts'

export interface PolicyContext {
  storage: Storage
  catalog: Catalog
  authorizer: Authorizer
}

interface Policy {
  readonly metadata: { readonly name?: string }
  readonly spec: {
    readonly matchConstraints?: MatchResources
    readonly paramKind?: ParamKind
    readonly variables?: readonly Variable[]
  }
}

interface Binding {
  readonly metadata: { readonly name?: string }
  readonly spec: {
    readonly policyName?: string
    readonly matchResources?: MatchResources
    readonly paramRef?: ParamRef
  }
}

const byName = <T extends { metadata: { name?: string } }>(list: readonly T[]): T[] =>
  [...list].sort((a, b) => ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1))

/** Why a policy or a binding cannot be used. */
export class PolicyFault extends Error {
  override name = 'PolicyFault'
}

/** A request as policies see it; undefined for one that they never judge. */
export function judged(request: AdmissionRequest, phase: Attributes['phase']): Attributes | undefined {
  const { group, plural } = request.operation.kind
  if (group === 'authorization.k8s.io' || (group === 'authentication.k8s.io' && plural.endsWith('reviews')))
    return undefined
  const attributes = attributesOf(request, phase)
  return isRegistration(attributes) ? undefined : attributes
}

/** A policy with its bindings. */
export interface Bound<P, B> {
  readonly policy: P
  readonly bindings: readonly B[]
  /** Compiled at the first use, and once for a policy as long as it does not change. */
  readonly expressions: Expressions
}

/** The usable policies that have bindings, in the order of their names. */
export class BoundPolicies<P extends Policy & KubeObject, B extends Binding & KubeObject> {
  readonly #read: () => Bound<P, B>[]
  readonly #mutates: boolean
  readonly #compiled = new WeakMap<P, Expressions>()
  /** Until a policy or binding changes. */
  #all: readonly Bound<P, B>[] | undefined

  constructor({ storage }: PolicyContext, policy: Kind<P>, binding: Kind<B>, { mutates = false } = {}) {
    const [policies, bindings] = [storage.mirror(policy), storage.mirror(binding)]
    this.#mutates = mutates
    this.#read = () => this.#bound(usable(policy, policies), usable(binding, bindings))
    const changed = () => (this.#all = undefined)
    policies.subscribe(changed, policy.kind)
    bindings.subscribe(changed, policy.kind)
  }

  get all(): readonly Bound<P, B>[] {
    return (this.#all ??= this.#read())
  }

  #bound(policies: readonly P[], bindings: readonly B[]): Bound<P, B>[] {
    const byPolicy = Map.groupBy(byName(bindings), ({ spec }) => spec.policyName)
    const expressionsOf = (policy: P) => this.#expressionsOf(policy)
    return byName(policies).flatMap(policy => {
      const found = byPolicy.get(policy.metadata.name)
      if (!found) return []
      return {
        policy,
        bindings: found,
        get expressions() {
          return expressionsOf(policy)
        },
      }
    })
  }

  #expressionsOf(policy: P): Expressions {
    let known = this.#compiled.get(policy)
    if (!known) {
      const { variables = [], paramKind } = policy.spec
      known = new Expressions({ variables, hasParams: paramKind !== undefined, mutates: this.#mutates })
      this.#compiled.set(policy, known)
    }
    return known
  }
}

/** The form in which a request matches; undefined if it does not, or is excluded. Without constraints all match. */
export function formOf(
  context: PolicyContext,
  attributes: Attributes,
  match: MatchResources | undefined,
): Form | undefined {
  if (!match) return attributes.asked
  const { excludeResourceRules = [], resourceRules } = match
  if (
    excludeResourceRules.length &&
    matchingForm(context, attributes, { matchPolicy: match.matchPolicy }, excludeResourceRules)
  )
    return undefined
  // A binding may leave the rules to its policy.
  return matchingForm(context, attributes, match, resourceRules?.length ? resourceRules : [everything])
}

const everything = { operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*'] }

/** The parameters of a binding; one `null` where there are none to be had. Throws PolicyFault. */
export async function paramsOf(
  { storage, catalog }: PolicyContext,
  attributes: Attributes,
  paramKind: ParamKind | undefined,
  paramRef: ParamRef | undefined,
): Promise<(JsonObject | null)[]> {
  if (!paramKind || !paramRef) return [null]
  const kind = kindOf(catalog, paramKind)
  const namespace = namespaceFor(kind, attributes, paramRef)
  const { mirror } = storage.of(kind.view?.of ?? kind)
  const { name, selector, parameterNotFoundAction } = paramRef
  const items = name
    ? [mirror.item(namespace, name)].filter(item => item !== undefined)
    : [...mirror.items(namespace)].filter(({ object }) =>
        matchesSelector(selectorOf(selector) ?? [], object.metadata.labels),
      )
  if (!items.length && parameterNotFoundAction === 'Deny')
    throw new PolicyFault(
      'failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction',
    )
  return (await shownItems(kind, items)).map(({ object }) => asJson(object))
}

function kindOf(catalog: Catalog, { apiVersion = '', kind: name = '' }: ParamKind): AnyKind {
  const { group, version } = parseApiVersion(apiVersion)
  const kind = catalog.all.find(k => k.plural && k.group === group && k.version === version && k.kind === name)
  if (!kind)
    throw new PolicyFault(
      `failed to configure policy: failed to find resource referenced by paramKind: '${apiVersion}, Kind=${name}'`,
    )
  return kind
}

function namespaceFor(
  kind: AnyKind,
  { namespace, asked }: Attributes,
  { namespace: given }: ParamRef,
): string | undefined {
  const fault = (why: string) => new PolicyFault(`failed to configure binding: ${why}`)
  if (!kind.namespaced) {
    if (given) throw fault('paramRef.namespace must not be provided for a cluster-scoped `paramKind`')
    return undefined
  }
  const own = asked.whole.namespaced ? namespace : ''
  if (!given && !own)
    throw fault('cannot use namespaced paramRef in policy binding that matches cluster-scoped resources')
  return given || own
}

const codes: Readonly<Record<string, number>> = { Unauthorized: 401, Forbidden: 403, RequestEntityTooLarge: 413 }
const invalid = 422

/** The error for a request that a policy refuses. */
export function refusedBy({ asked, name }: Attributes, message: string, reason = 'Invalid'): StatusError {
  const { message: text, details } = forbidden(asked.whole, name, message)
  return new StatusError(reason as 'Invalid', text, {
    code: codes[reason] ?? invalid,
    details: { ...details, causes: [{ reason: '', message }] },
  })
}
