// What a pod or a template of pods may say, but had better not.
// Source: pkg/api/pod (warnings.go), pkg/api/service, pkg/api/persistentvolumeclaim.
import type { ObjectMeta } from '../../api/meta.ts'
import { dnsLabelErrors } from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import type { PodAffinity } from './affinity.ts'
import type { Container, ContainerPort } from './container.ts'
import { warnOfContainerAnnotations, warnOfPodAnnotations } from './pod-annotations.ts'
import { containersAt } from './pod-os-rules.ts'
import type { PodSpec } from './podspec.ts'
import type { PodTemplateSpec } from './podtemplatespec.ts'
import { warnOfFraction, warnOfNodes, warnOfVolumes } from './volume-warnings.ts'

type Warnings = Iterable<string>
type Spec = PodSpec

/** Pods are named, and called, after what makes them. */
export function* warnOfName(name: string | undefined, what: string, at: Path): Warnings {
  const errors = dnsLabelErrors(name ?? '')
  if (name && errors.length)
    yield `${at.field('metadata', 'name')}: this is used in ${what}, which can result in surprising behavior; a DNS label is recommended: [${errors.join(' ')}]`
}

/** Of what makes pods: the name of it when it is new, and the template as often as it changes. */
export function* warnOfWorkload(
  next: {
    readonly metadata: ObjectMeta
    readonly spec: { readonly template: PodTemplateSpec }
  },
  old: { readonly metadata: ObjectMeta } | undefined,
  at: Path,
): Warnings {
  if (!old) yield* warnOfName(next.metadata.name, 'Pod names and hostnames', at)
  if (next.metadata.generation !== old?.metadata.generation)
    yield* warnOfTemplate(next.spec.template, at.field('spec', 'template'))
}

export const warnOfTemplate = ({ metadata, spec }: PodTemplateSpec, at: Path): Warnings =>
  warnOfPod(metadata.annotations, spec, true, at)

export function* warnOfPod(
  annotations: Readonly<Record<string, string>> = {},
  spec: Spec,
  isTemplate: boolean,
  root: Path,
): Warnings {
  const at = root.field('spec')
  yield* warnOfNodes(spec, at)
  for (const [i, { labelSelector }] of (spec.topologySpreadConstraints ?? []).entries())
    yield* warnOfNoSelector(labelSelector, at.field('topologySpreadConstraints').index(i).field('labelSelector'))
  const annotationsAt = root.field('metadata', 'annotations')
  yield* warnOfPodAnnotations(annotations, spec, annotationsAt)
  yield* warnOfVolumes(spec.volumes ?? [], at.field('volumes'))
  yield* warnOfAliases(spec, at)
  yield* warnOfSecrets(spec, at.field('imagePullSecrets'))
  yield* warnOfFractions(spec.overhead, at.field('overhead'))
  const containers = [...containersAt(spec, at)]
  const context = { isTemplate, appArmor: spec.securityContext.appArmorProfile !== undefined }
  for (const [container, path] of containers) {
    yield* warnOfContainerAnnotations(annotations, container, context, annotationsAt)
    yield* warnOfContainer(container, path)
  }
  yield* warnOfPorts(containers)
  if ((spec.terminationGracePeriodSeconds ?? 0) < 0)
    yield `${at.field('terminationGracePeriodSeconds')}: must be >= 0; negative values are invalid and will be treated as 1`
  for (const kind of ['podAffinity', 'podAntiAffinity'] as const)
    yield* warnOfNeighbours(spec.affinity?.[kind], at.field('affinity', kind))
}

function* warnOfNeighbours(affinity: PodAffinity | undefined, at: Path): Warnings {
  for (const [i, term] of (affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).entries())
    yield* warnOfNoSelector(
      term.labelSelector,
      at.field('requiredDuringSchedulingIgnoredDuringExecution').index(i).field('labelSelector'),
    )
  for (const [i, { podAffinityTerm }] of (affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries())
    yield* warnOfNoSelector(
      podAffinityTerm.labelSelector,
      at.field('preferredDuringSchedulingIgnoredDuringExecution').index(i).field('podAffinityTerm', 'labelSelector'),
    )
}

/** No selector is not the empty one, which matches everything. */
function* warnOfNoSelector(selector: object | undefined, at: Path): Warnings {
  if (!selector) yield `${at}: a null labelSelector results in matching no pod`
}

function* warnOfAliases({ hostAliases = [] }: Spec, at: Path): Warnings {
  const seen = new Set<string>()
  for (const [i, { ip }] of hostAliases.entries()) {
    if (seen.has(ip)) yield `${at.field('hostAliases').index(i).field('ip')}: duplicate ip ${JSON.stringify(ip)}`
    seen.add(ip)
  }
}

function* warnOfSecrets({ imagePullSecrets = [] }: Spec, at: Path): Warnings {
  const names = imagePullSecrets.map(({ name = '' }) => name)
  for (const [i, name] of names.entries())
    if (name && names.indexOf(name) < i) yield `${at.index(i).field('name')}: duplicate name ${JSON.stringify(name)}`
  for (const [i, name] of names.entries()) if (!name) yield `${at.index(i).field('name')}: invalid empty name ""`
}

function* warnOfContainer({ env = [], resources }: Container, at: Path): Warnings {
  for (const side of ['limits', 'requests'] as const)
    yield* warnOfFractions(resources?.[side], at.field('resources', side))
  const seen = new Set<string>()
  for (const [i, { name, value = '', valueFrom }] of env.entries()) {
    // A value may be made from the one before.
    const reference = `$(${name})`
    const isMadeOfIt = !valueFrom && value !== reference && value.includes(reference)
    if (seen.has(name) && !isMadeOfIt)
      yield `${at.field('env').index(i)}: hides previous definition of ${JSON.stringify(name)}, which may be dropped when using apply`
    seen.add(name)
  }
}

/** Containers of a pod share its addresses. */
function* warnOfPorts(containers: readonly (readonly [Container, Path])[]): Warnings {
  const all: { port: ContainerPort; path: Path }[] = []
  for (const [{ ports = [] }, at] of containers)
    for (const [i, port] of ports.entries()) {
      const path = at.field('ports').index(i)
      const { hostIP = '', hostPort = 0 } = port
      for (const { port: other, path: otherPath } of all) {
        if (port.containerPort !== other.containerPort || port.protocol !== other.protocol) continue
        const { hostIP: otherIP = '', hostPort: otherPort = 0 } = other
        if (hostIP === otherIP && hostPort === otherPort) yield `${path}: duplicate port definition with ${otherPath}`
        else if (!hostPort || !otherPort) yield `${path}: overlapping port definition with ${otherPath}`
        else if (hostPort === otherPort && !hostIP !== !otherIP)
          yield `${path}: dangerously ambiguous port definition with ${otherPath}`
      }
      all.push({ port, path })
    }
}

/** There are no parts of bytes. */
function* warnOfFractions(amounts: Readonly<Record<string, string>> | undefined, at: Path): Warnings {
  for (const name of ['memory', 'ephemeral-storage']) yield* warnOfFraction(amounts?.[name], at.key(name))
}
