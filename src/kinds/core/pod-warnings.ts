// What a pod or a template of pods may say, but had better not.
// Source: pkg/api/pod (warnings.go), pkg/api/service, pkg/api/persistentvolumeclaim.
import type { ObjectMeta } from '../../api/meta.ts'
import { dnsLabelErrors } from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import { quantityMilli } from '../../api/quantity.ts'
import type { DeepReadonly } from '../../api/schema/node.ts'
import type { Container } from './container.ts'
import type { PodSpec } from './podspec.ts'
import type { PodTemplateSpec } from './podtemplatespec.ts'
import type { Volume } from './volume.ts'

type Warnings = Iterable<string>
type Spec = DeepReadonly<PodSpec>

/** Pods are named, and called, after what makes them. */
export function* warnOfName(name: string | undefined, what: string, at: Path): Warnings {
  const errors = dnsLabelErrors(name ?? '')
  if (name && errors.length)
    yield `${at.field('metadata', 'name')}: this is used in ${what}, which can result in surprising behavior; a DNS label is recommended: [${errors.join(' ')}]`
}

/** Of what makes pods: the name of it when it is new, and the template as often as it changes. */
export function* warnOfWorkload(
  next: {
    readonly metadata: DeepReadonly<ObjectMeta>
    readonly spec: { readonly template: DeepReadonly<PodTemplateSpec> }
  },
  old: { readonly metadata: DeepReadonly<ObjectMeta> } | undefined,
  at: Path,
): Warnings {
  if (!old) yield* warnOfName(next.metadata.name, 'Pod names and hostnames', at)
  if (next.metadata.generation !== old?.metadata.generation)
    yield* warnOfTemplate(next.spec.template, at.field('spec', 'template'))
}

export const warnOfTemplate = ({ metadata, spec }: DeepReadonly<PodTemplateSpec>, at: Path): Warnings =>
  warnOfPod(metadata.annotations, spec, at)

/** Of labels of nodes that have other names by now. */
const renamedLabels: Readonly<Record<string, readonly [since: string, name: string]>> = {
  'beta.kubernetes.io/arch': ['v1.14', 'kubernetes.io/arch'],
  'beta.kubernetes.io/os': ['v1.14', 'kubernetes.io/os'],
  'failure-domain.beta.kubernetes.io/region': ['v1.17', 'topology.kubernetes.io/region'],
  'failure-domain.beta.kubernetes.io/zone': ['v1.17', 'topology.kubernetes.io/zone'],
  'beta.kubernetes.io/instance-type': ['v1.17', 'node.kubernetes.io/instance-type'],
}

export function* warnOfPod(
  annotations: Readonly<Record<string, string>> | undefined,
  spec: Spec,
  root: Path,
): Warnings {
  const at = root.field('spec')
  for (const key of Object.keys(spec.nodeSelector ?? {})) {
    const renamed = renamedLabels[key]
    if (renamed)
      yield `${at.field('nodeSelector').key(key)}: deprecated since ${renamed[0]}; use "${renamed[1]}" instead`
  }
  yield* warnOfAnnotations(annotations ?? {}, root.field('metadata', 'annotations'))
  yield* warnOfAliases(spec, at)
  yield* warnOfSecrets(spec, at.field('imagePullSecrets'))
  for (const volume of spec.volumes ?? []) yield* warnOfVolume(volume)
  for (const field of ['initContainers', 'containers'] as const)
    for (const [i, container] of (spec[field] ?? []).entries())
      yield* warnOfContainer(container, at.field(field).index(i))
}

function* warnOfAnnotations(annotations: Readonly<Record<string, string>>, at: Path): Warnings {
  for (const key of Object.keys(annotations)) {
    if (key.startsWith('container.apparmor.security.beta.kubernetes.io/'))
      yield `${at.key(key)}: deprecated since v1.30; use the "appArmorProfile" field instead`
    if (key === 'scheduler.alpha.kubernetes.io/critical-pod')
      yield `${at.key(key)}: non-functional in v1.16+; use the "priorityClassName" field instead`
    if (
      key === 'seccomp.security.alpha.kubernetes.io/pod' ||
      key.startsWith('container.seccomp.security.alpha.kubernetes.io/')
    )
      yield `${at.key(key)}: non-functional in v1.27+; use the "seccompProfile" field instead`
  }
}

function* warnOfAliases({ hostAliases = [] }: Spec, at: Path): Warnings {
  const seen = new Set<string>()
  for (const [i, { ip }] of hostAliases.entries()) {
    if (seen.has(ip)) yield `${at.field('hostAliases').index(i).field('ip')}: duplicate ip ${JSON.stringify(ip)}`
    seen.add(ip)
  }
}

function* warnOfSecrets({ imagePullSecrets = [] }: Spec, at: Path): Warnings {
  const seen = new Set<string>()
  for (const [i, { name = '' }] of imagePullSecrets.entries()) {
    const path = at.index(i).field('name')
    if (!name) yield `${path}: invalid empty name ""`
    else if (seen.has(name)) yield `${path}: duplicate name ${JSON.stringify(name)}`
    seen.add(name)
  }
}

function* warnOfVolume(volume: DeepReadonly<Volume>): Warnings {
  const { name, configMap, secret, downwardAPI, projected } = volume
  const called = `volume ${JSON.stringify(name)}`
  if (configMap)
    yield* overlaps(`${called} (ConfigMap ${JSON.stringify(configMap.name ?? '')})`, pathsOf(configMap.items))
  if (secret) yield* overlaps(`${called} (Secret ${JSON.stringify(secret.secretName ?? '')})`, pathsOf(secret.items))
  if (downwardAPI) yield* overlaps(`${called} (DownwardAPI)`, pathsOf(downwardAPI.items))
  // A source is said to be none at all where it has nothing in it.
  for (const source of projected?.sources ?? [])
    if (!Object.values(source).some(Boolean)) yield `${called} (Projected) has no sources provided`
}

const pathsOf = (items: readonly { readonly path: string }[] | undefined) => (items ?? []).map(item => item.path)

/** One file in the place of another, or below it. */
function* overlaps(where: string, paths: readonly string[]): Warnings {
  for (const [i, path] of paths.entries())
    for (const before of paths.slice(0, i))
      if (path === before || path.startsWith(`${before}/`) || before.startsWith(`${path}/`))
        yield `${where}: overlapping paths: ${JSON.stringify(path)} with ${JSON.stringify(before)}`
}

function* warnOfContainer({ env = [], resources }: DeepReadonly<Container>, at: Path): Warnings {
  const seen = new Set<string>()
  for (const [i, { name }] of env.entries()) {
    if (seen.has(name))
      yield `${at.field('env').index(i)}: hides previous definition of ${JSON.stringify(name)}, which may be dropped when using apply`
    seen.add(name)
  }
  for (const side of ['requests', 'limits'] as const)
    for (const name of ['memory', 'ephemeral-storage'])
      yield* warnOfFraction(resources?.[side]?.[name], at.field('resources', side).key(name))
}

/** There are no parts of bytes. */
export function* warnOfFraction(amount: string | undefined, at: Path): Warnings {
  if (amount !== undefined && quantityMilli(amount) % 1000 !== 0)
    yield `${at}: fractional byte value ${JSON.stringify(amount)} is invalid, must be an integer`
}
