// Templates of pods: a pod's labels, annotations and spec, without what only a pod itself can have.
// Source: pkg/apis/core/validation (ValidatePodTemplateSpec).
import { type Problems, validateAnnotations, validateLabels } from '../../api/checks.ts'
import type { Path } from '../../api/path.ts'
import { validatePodAnnotations, validateProfilesMatch } from './pod-annotations.ts'
import { validatePodSpec } from './pod-rules.ts'
import type { PodTemplateSpec } from './podtemplatespec.ts'

export function* validateTemplate({ metadata, spec }: PodTemplateSpec, at: Path): Problems {
  const annotations = metadata.annotations ?? {}
  yield* validateLabels(metadata.labels, at.field('labels'))
  yield* validateAnnotations(annotations, at.field('annotations'))
  yield* validatePodAnnotations(annotations, spec, at.field('annotations'))
  yield* validatePodSpec(spec, { isPod: false }, at.field('spec'))
  yield* validateProfilesMatch(annotations, spec, at.field('spec'))
  if (spec.ephemeralContainers?.length)
    yield at.field('spec', 'ephemeralContainers').forbidden('ephemeral containers not allowed in pod template')
}
