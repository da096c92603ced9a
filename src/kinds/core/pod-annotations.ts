// Annotations of pods that Kubernetes gives a meaning to, some of them older than the fields that took their place.
// Source: pkg/apis/core/validation (ValidatePodSpecificAnnotations and below).
import { jsonSyntaxError } from '../../base/json-syntax.ts'
import { sameJson } from '../../api/equal.ts'
import { type Problems } from '../../api/checks.ts'
import { type Path, root } from '../../api/path.ts'
import { isObject } from '../../api/patch/merge.ts'
import type { Mutable } from '../../api/schema/node.ts'
import { validateTolerations } from './affinity-rules.ts'
import type { Container } from './container.ts'
import { descendingPath } from './path-rules.ts'
import { containersAt } from './pod-os-rules.ts'
import type { Toleration } from './affinity.ts'
import type { PodSpec } from './podspec.ts'
import { validateAppArmor } from './security-rules.ts'
import type { AppArmorProfile } from './securitycontext.ts'

type Annotations = Readonly<Record<string, string>>
type Spec = PodSpec

export const mirrorAnnotation = 'kubernetes.io/config.mirror'
const deletionCost = 'controller.kubernetes.io/pod-deletion-cost'
const criticalPod = 'scheduler.alpha.kubernetes.io/critical-pod'
const tolerationsAnnotation = 'scheduler.alpha.kubernetes.io/tolerations'
const seccompOfPod = 'seccomp.security.alpha.kubernetes.io/pod'
const seccompOfContainer = 'container.seccomp.security.alpha.kubernetes.io/'
const appArmorOfContainer = 'container.apparmor.security.beta.kubernetes.io/'
const localhost = 'localhost/'

/** Alone, and against the spec. */
export function* validatePodAnnotations(annotations: Annotations, spec: Spec, at: Path): Problems {
  const mirror = annotations[mirrorAnnotation]
  if (mirror !== undefined && !spec.nodeName)
    yield at.key(mirrorAnnotation).invalid(mirror, 'must set spec.nodeName if mirror pod annotation is set')
  if (annotations[tolerationsAnnotation]) yield* tolerationsText(annotations[tolerationsAnnotation], at)
  const cost = annotations[deletionCost]
  if (cost !== undefined && !isInt32(cost)) yield at.key(deletionCost).invalid(cost, 'must be a 32bit integer')
  for (const [key, value] of Object.entries(annotations)) {
    if (key === seccompOfPod || key.startsWith(seccompOfContainer)) yield* seccompText(value, at.field(key))
    if (key.startsWith(appArmorOfContainer)) yield* appArmorText(key, value, spec, at.key(key))
  }
}

const isInt32 = (text: string) => /^(0|-?[1-9]\d*)$/.test(text) && Number(text) === (Number(text) | 0)

function* tolerationsText(text: string, at: Path): Problems {
  try {
    const list: unknown = JSON.parse(text)
    if (Array.isArray(list) && list.every(isObject))
      yield* validateTolerations(list as Toleration[], at.field(tolerationsAnnotation))
  } catch {
    yield at.invalid(tolerationsAnnotation, jsonSyntaxError(text))
  }
}

function* seccompText(profile: string, at: Path): Problems {
  if (['runtime/default', 'docker/default', 'unconfined'].includes(profile)) return
  if (profile.startsWith(localhost)) yield* descendingPath(profile.slice(localhost.length), at)
  else yield at.invalid(profile, 'must be a valid seccomp profile')
}

function* appArmorText(key: string, profile: string, spec: Spec, at: Path): Problems {
  const name = key.slice(appArmorOfContainer.length)
  if (![...containersAt(spec, at)].some(([container]) => container.name === name))
    yield at.invalid(name, 'container not found')
  if (profile && profile !== 'runtime/default' && profile !== 'unconfined' && !profile.startsWith(localhost))
    yield at.invalid(profile, `invalid AppArmor profile name: ${JSON.stringify(profile)}`)
}

/**
 * Gives containers the profiles that annotations have for them, for nodes that look at the fields only. Returns what to
 * warn of: each annotation that a field should have said instead.
 */
export function takeProfiles(annotations: Annotations, spec: Mutable<PodSpec>): string[] {
  if (spec.os?.name === 'windows') return []
  const warnings: string[] = []
  for (const container of [...(spec.initContainers ?? []), ...(spec.containers ?? [])]) {
    const key = appArmorOfContainer + container.name
    if (annotations[key] === undefined || container.securityContext?.appArmorProfile) continue
    const profile = profileOf(annotations[key])
    if (profile && sameJson(profile, spec.securityContext.appArmorProfile)) continue
    if (profile) container.securityContext = { ...container.securityContext, appArmorProfile: profile }
    warnings.push(appArmorWarning(root.field('metadata', 'annotations').key(key)))
  }
  return warnings
}

const appArmorWarning = (at: Path) => `${at}: deprecated since v1.30; use the "appArmorProfile" field instead`

/** The profile that an annotation means, if it is one that the field could have. */
function profileOf(annotation: string): AppArmorProfile | undefined {
  if (annotation === 'runtime/default') return { type: 'RuntimeDefault' }
  if (annotation === 'unconfined') return { type: 'Unconfined' }
  if (!annotation.startsWith(localhost)) return undefined
  const profile = { type: 'Localhost', localhostProfile: annotation.slice(localhost.length) } as const
  return [...validateAppArmor(profile, root)].length ? undefined : profile
}

/** Of a container in a template, whose pods get their profiles when they are made. */
export function* warnOfContainerAnnotations(
  annotations: Annotations,
  { name, securityContext }: Container,
  { isTemplate, appArmor }: { isTemplate: boolean; appArmor: boolean },
  at: Path,
): Iterable<string> {
  const seccomp = seccompOfContainer + name
  if (annotations[seccomp] !== undefined && !securityContext?.seccompProfile) yield seccompWarning(at.key(seccomp))
  const key = appArmorOfContainer + name
  if (isTemplate && !appArmor && annotations[key] !== undefined && !securityContext?.appArmorProfile)
    yield appArmorWarning(at.key(key))
}

/** Of a pod as a whole. */
export function* warnOfPodAnnotations(annotations: Annotations, spec: Spec, at: Path): Iterable<string> {
  if (annotations[criticalPod] !== undefined)
    yield `${at.key(criticalPod)}: non-functional in v1.16+; use the "priorityClassName" field instead`
  if (annotations[seccompOfPod] !== undefined && !spec.securityContext.seccompProfile)
    yield seccompWarning(at.key(seccompOfPod))
}

const seccompWarning = (at: Path) => `${at}: non-functional in v1.27+; use the "seccompProfile" field instead`

interface Profile {
  readonly type: string
  readonly localhostProfile?: string
}

/** A profile in an annotation and one in the field that took its place are the same. */
export function* validateProfilesMatch(annotations: Annotations, spec: Spec, at: Path): Problems {
  const ofPod = annotations[seccompOfPod]
  const { seccompProfile, appArmorProfile } = spec.securityContext
  if (ofPod !== undefined && seccompProfile)
    yield* match('seccomp', ofPod, seccompProfile, at.field('securityContext', 'seccompProfile'))
  for (const [{ name, securityContext }, path] of containersAt(spec, at)) {
    const seccomp = annotations[seccompOfContainer + name]
    if (seccomp !== undefined && securityContext?.seccompProfile)
      yield* match('seccomp', seccomp, securityContext.seccompProfile, path.field('securityContext', 'seccompProfile'))
    const appArmor = annotations[appArmorOfContainer + name]
    const profile = securityContext?.appArmorProfile ?? appArmorProfile
    if (appArmor !== undefined && profile && spec.os?.name !== 'windows')
      yield* match('apparmor', appArmor, profile, path.field('securityContext', 'appArmorProfile'))
  }
}

function* match(what: 'seccomp' | 'apparmor', annotation: string, profile: Profile, at: Path): Problems {
  const fits: Readonly<Record<string, boolean>> = {
    Unconfined: annotation === 'unconfined',
    RuntimeDefault: annotation === 'runtime/default' || (what === 'seccomp' && annotation === 'docker/default'),
    Localhost: annotation.startsWith(localhost),
  }
  if (fits[profile.type] === false) yield at.field('type').forbidden(`${what} type in annotation and field must match`)
  else if (profile.type === 'Localhost' && annotation.slice(localhost.length) !== profile.localhostProfile)
    yield at.field('localhostProfile').forbidden(`${what} profile in annotation and field must match`)
}

/** What an update may not do to them. */
export function* validateAnnotationsUpdate(next: Annotations, old: Annotations, at: Path): Problems {
  for (const key of new Set([...Object.keys(old), ...Object.keys(next)])) {
    const what = key === mirrorAnnotation ? 'mirror pod annotation' : 'AppArmor annotations'
    if ((key !== mirrorAnnotation && !key.startsWith(appArmorOfContainer)) || next[key] === old[key]) continue
    yield at.key(key).forbidden(`may not ${old[key] === undefined ? 'add' : 'remove or update'} ${what}`)
  }
}
