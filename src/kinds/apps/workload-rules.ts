// What the kinds that make pods from a template have in common: defaults of the template, the selector's rules.
// Source: pkg/apis/apps/validation.
import { matches } from '../../api/labels.ts'
import type { LabelSelector } from '../../api/meta.ts'
import type { Path, Problem } from '../../api/path.ts'
import type { DeepReadonly } from '../../api/schema/node.ts'
import { labelValueErrors, qualifiedNameErrors, validateLabels } from '../../api/validate.ts'
import { defaultPodSpec } from '../core/pod-defaults.ts'
import type { PodTemplateSpec } from '../core/podtemplatespec.ts'
import { validatePodSpec } from '../core/pod-validation.ts'

interface HasTemplate {
  spec: { template: PodTemplateSpec }
}

export const defaultTemplate = (object: HasTemplate): void => defaultPodSpec(object.spec.template.spec)

/** A selector that is usable: known operators, values where they belong. */
export function* validateSelector(selector: DeepReadonly<LabelSelector> | undefined, at: Path): Iterable<Problem> {
  for (const [key, value] of Object.entries(selector?.matchLabels ?? {})) {
    for (const error of qualifiedNameErrors(key)) yield at.field('matchLabels').invalid(key, error)
    for (const error of labelValueErrors(value)) yield at.field('matchLabels').key(key).invalid(value, error)
  }
  for (const [i, e] of (selector?.matchExpressions ?? []).entries()) {
    const path = at.field('matchExpressions').index(i)
    const needsValues = e.operator === 'In' || e.operator === 'NotIn'
    if (needsValues && !e.values?.length)
      yield path.field('values').required("must be specified when `operator` is 'In' or 'NotIn'")
    if (!needsValues && ['Exists', 'DoesNotExist'].includes(e.operator) && e.values?.length)
      yield path.field('values').forbidden("may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
    if (!['In', 'NotIn', 'Exists', 'DoesNotExist'].includes(e.operator))
      yield path.field('operator').invalid(e.operator, 'not a valid selector operator')
  }
}

/** Selector and template must fit, and the template's pods must restart always. */
export function* validateWorkload(
  spec: { readonly selector?: DeepReadonly<LabelSelector>; readonly template: DeepReadonly<PodTemplateSpec> },
  at: Path,
): Iterable<Problem> {
  const { selector, template } = spec
  if (!selector) return
  yield* validateSelector(selector, at.field('selector'))
  if (!Object.keys(selector.matchLabels ?? {}).length && !selector.matchExpressions?.length)
    yield at.field('selector').invalid(selector, 'empty selector is invalid for deployment')
  yield* validateLabels(template.metadata.labels, at.field('template', 'metadata', 'labels'))
  if (!matches(selector, template.metadata.labels))
    yield at
      .field('template', 'metadata', 'labels')
      .invalid(template.metadata.labels ?? null, '`selector` does not match template `labels`')
  yield* validateTemplate(template, at.field('template'))
}

export function* validateTemplate(
  template: DeepReadonly<PodTemplateSpec>,
  at: Path,
  restartPolicies: readonly string[] = ['Always'],
): Iterable<Problem> {
  yield* validatePodSpec(template.spec, at.field('spec'))
  if (!restartPolicies.includes(template.spec.restartPolicy))
    yield at.field('spec', 'restartPolicy').notSupported(template.spec.restartPolicy, restartPolicies)
}

export const immutableField = 'field is immutable'

export function* selectorUnchanged(next: unknown, old: unknown, at: Path): Iterable<Problem> {
  if (JSON.stringify(next) !== JSON.stringify(old)) yield at.field('spec', 'selector').invalid(next, immutableField)
}

export function* notNegative(values: Readonly<Record<string, number | undefined>>, at: Path): Iterable<Problem> {
  for (const [field, value] of Object.entries(values))
    if (value !== undefined && value < 0) yield at.field(field).invalid(value, 'must be greater than or equal to 0')
}
