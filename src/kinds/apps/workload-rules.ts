// What the kinds that make pods from a template have in common: defaults of the template, the selector's rules.
// Source: pkg/apis/apps/validation.
import { sameJson } from '../../api/equal.ts'
import { asGiven } from '../../api/schema/empties.ts'
import { immutable, type Problems, validateSelector } from '../../api/checks.ts'
import { matches } from '../../api/labels.ts'
import type { LabelSelector } from '../../api/meta.ts'
import type { Path } from '../../api/path.ts'
import type { Mutable } from '../../api/schema/node.ts'
import { defaultPodSpec } from '../core/pod-defaults.ts'
import type { PodTemplateSpec } from '../core/podtemplatespec.ts'
import { validateTemplate } from '../core/template-rules.ts'

interface HasTemplate {
  spec: { template: PodTemplateSpec }
}

interface Workload {
  readonly selector?: LabelSelector
  readonly template: PodTemplateSpec
}

export const defaultTemplate = (object: Mutable<HasTemplate>): void => defaultPodSpec(object.spec.template.spec)

/** The words of a kind's messages about an invalid selector. */
interface Words {
  /** The word for the kind in the message about an empty selector. */
  kind: string
  /** The message about a selector with problems, in addition to these. With it, a selector is required. */
  broken?: string
}

/** Selector and template fit each other. */
export function* validateSelection({ selector, template }: Workload, words: Words, at: Path): Problems {
  const path = at.field('selector')
  const problems = [...validateSelector(selector, path)]
  yield* problems
  if (!selector) {
    if (words.broken !== undefined) yield path.required()
  } else if (isEmpty(selector)) yield path.invalid(selector, `empty selector is invalid for ${words.kind}`)
  if (!problems.length) yield* validateMatch(selector, template, at)
  else if (words.broken !== undefined) yield path.invalid(selector, words.broken)
}

/** The template's pods are ones that the selector finds. */
export function* validateMatch(selector: LabelSelector | undefined, { metadata }: PodTemplateSpec, at: Path): Problems {
  if (selector && (isEmpty(selector) || matches(selector, metadata.labels))) return
  yield at
    .field('template', 'metadata', 'labels')
    .invalid(asGiven(metadata, 'labels'), '`selector` does not match template `labels`')
}

const isEmpty = ({ matchLabels, matchExpressions }: LabelSelector) =>
  !Object.keys(matchLabels ?? {}).length && !matchExpressions?.length

/** Pods that are made again whenever they end: their containers start again by themselves, and there is no deadline. */
export function* validateLasting(template: PodTemplateSpec, kind: string, at: Path): Problems {
  yield* validateTemplate(template, at)
  const { restartPolicy, activeDeadlineSeconds } = template.spec
  if (restartPolicy !== 'Always') yield at.field('spec', 'restartPolicy').notSupported(restartPolicy, ['Always'])
  if (activeDeadlineSeconds !== undefined)
    yield at.field('spec', 'activeDeadlineSeconds').forbidden(`activeDeadlineSeconds in ${kind} is not Supported`)
}

export function* selectorUnchanged(next: unknown, old: unknown, at: Path): Problems {
  if (!sameJson(next, old)) yield at.field('spec', 'selector').invalid(next, immutable)
}
