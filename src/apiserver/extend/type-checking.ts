// Checks the expressions of ValidatingAdmissionPolicies against the types of the objects that they are about, and writes
// what is wrong into the status of the policy. A policy has effect all the same: the check helps who writes one.
//
// - Only rules that name groups, versions and resources are checked; a wildcard may mean anything.
// - Each policy is checked once for each of its generations.
//
// Source: apiserver pkg/admission/plugin/policy/validating/typechecking.go, pkg/controller/validatingadmissionpolicystatus.
import { Chore } from '../../base/chore.ts'
import type { Clock } from '../../base/clock.ts'
import { isReason, messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { type AnyKind, asObject, type KubeObject } from '../../api/kind.ts'
import { root } from '../../api/path.ts'
import type { Mutable } from '../../api/schema/node.ts'
import { Expressions } from '../../kinds/admissionregistration/expressions.ts'
import { ValidatingAdmissionPolicy } from '../../kinds/admissionregistration/validatingadmissionpolicy.ts'
import type { Catalog } from '../catalog.ts'
import type { Registry } from '../registry.ts'
import type { Storage } from '../storage.ts'
import { self } from '../self.ts'

type Policy = ValidatingAdmissionPolicy
type Warnings = { fieldRef: string; warning: string }[]

interface TypeCheckingOptions {
  storage: Storage
  registry: Registry
  catalog: Catalog
  clock: Clock
  log: Log
}

/** Kinds that one policy is checked for. */
const maxKinds = 10
const retryMs = { firstMs: 200, maxMs: 30_000 }
/** Checks all policies, and from then on those that change. Returns a function that ends this. */
export function checkPolicies({ storage, registry, catalog, clock, log }: TypeCheckingOptions): () => Promise<void> {
  const abort = new AbortController()
  const mirror = storage.mirror(ValidatingAdmissionPolicy)
  const failed = (error: unknown) =>
    log.warn('the types of a policy could not be checked, will be retried', { why: messageOf(error) })
  const chore = new Chore({ signal: abort.signal, retry: { clock, ...retryMs, failed } }, async () => {
    for (const policy of mirror.list())
      if (!isChecked(policy)) await report(registry, policy, warningsOf(policy, catalog))
  })
  const stop = mirror.subscribe(changes => {
    if (changes.some(({ type, item }) => type !== 'DELETED' && !isChecked(item.object))) chore.wake()
  }, 'type checks of policies')
  chore.wake()
  return async () => {
    stop()
    abort.abort()
    await chore.settled()
  }
}

const isChecked = ({ metadata, status }: Policy) =>
  status.typeChecking !== undefined && status.observedGeneration === metadata.generation

/** Writes the status. A conflict is left to the check that the other write brings about. */
async function report(registry: Registry, policy: Policy, expressionWarnings: Warnings): Promise<void> {
  const { name = '', generation, resourceVersion } = policy.metadata
  const kind: AnyKind = ValidatingAdmissionPolicy
  const operation = {
    verb: 'update',
    kind,
    subresource: 'status',
    namespace: '',
    name,
    user: self,
    options: {},
  } as const
  const propose = (live: KubeObject) => {
    const next = structuredClone(live) as Mutable<Policy>
    next.metadata.resourceVersion = resourceVersion!
    next.status.observedGeneration = generation!
    next.status.typeChecking = expressionWarnings.length ? { expressionWarnings } : {}
    return asObject(next)
  }
  try {
    await registry.update(operation, propose, { rules: 'none', retry: false })
  } catch (error) {
    if (!isReason(error, 'NotFound', 'Conflict')) throw error
  }
}

/** The warnings for a policy, by the kinds that its rules and its parameters name. */
function warningsOf({ spec }: Policy, catalog: Catalog): Warnings {
  const kinds = kindsOf(spec.matchConstraints?.resourceRules ?? [], catalog)
  const { apiVersion, kind: paramName } = spec.paramKind ?? {}
  const params = catalog.all.find(kind => kind.apiVersion === apiVersion && kind.kind === paramName)
  const { variables = [] } = spec
  const checked = kinds.map(object => ({
    object,
    expressions: new Expressions({ variables, hasParams: spec.paramKind !== undefined, object, params }),
  }))
  const warnings: Warnings = []
  const check = (expression: string | undefined, fieldRef: string) => {
    if (!expression) return
    const texts = checked.flatMap(({ object, expressions }) => {
      const { error } = expressions.compiled(expression)
      return error === undefined ? [] : [`${object.apiVersion}, Kind=${object.kind}: ${error}\n`]
    })
    if (texts.length) warnings.push({ fieldRef, warning: texts.join('\n') })
  }
  for (const [i, { expression, messageExpression }] of (spec.validations ?? []).entries()) {
    const at = root.field('spec', 'validations').index(i)
    check(expression, at.field('expression').toString())
    check(messageExpression, at.field('messageExpression').toString())
  }
  return warnings
}

type Rules = NonNullable<NonNullable<Policy['spec']['matchConstraints']>['resourceRules']>

/** The kinds that rules name, each once. */
function kindsOf(rules: Rules, catalog: Catalog): AnyKind[] {
  const kinds = new Set<AnyKind>()
  for (const { apiGroups = [], apiVersions = [], resources = [] } of rules)
    for (const group of apiGroups)
      for (const version of apiVersions)
        for (const plural of resources) {
          const kind = catalog.find({ group, version, plural })
          if (kind && kinds.size < maxKinds) kinds.add(kind)
        }
  return [...kinds].sort((a, b) => (`${a.apiVersion} ${a.kind}` < `${b.apiVersion} ${b.kind}` ? -1 : 1))
}
