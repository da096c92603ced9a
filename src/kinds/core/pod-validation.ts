// What must hold of a pod's spec, alone and against the pod it replaces. Used for pods and their templates.
// Source: pkg/apis/core/validation/validation.go.
import type { Path, Problem } from '../../api/path.ts'
import { compareQuantities } from '../../api/quantity.ts'
import type { KubeObject } from '../../api/kind.ts'
import type { DeepReadonly } from '../../api/schema/node.ts'
import { dnsLabelErrors, dnsSubdomainErrors, labelValueErrors, qualifiedNameErrors } from '../../api/validate.ts'
import type { Container } from './container.ts'
import type { PodSpec } from './podspec.ts'
import type { PodStatus } from './podstatus.ts'
import type { Probe } from './probe.ts'

// Spelled out, since the kind's own type is inferred from a definition that uses this file.
type Pod = KubeObject & { spec: PodSpec; status: PodStatus }

type Spec = DeepReadonly<PodSpec>
type ReadContainer = DeepReadonly<Container>

/** Problems of a pod's spec. */
export function* validatePodSpec(spec: Spec, at: Path): Iterable<Problem> {
  const volumes = new Set<string>()
  yield* validateVolumes(spec, at.field('volumes'), volumes)
  if (!spec.containers?.length) yield at.field('containers').required()
  const names = new Set<string>()
  for (const [field, list] of [
    ['containers', spec.containers ?? []],
    ['initContainers', spec.initContainers ?? []],
    ['ephemeralContainers', (spec.ephemeralContainers ?? []) as unknown as readonly ReadContainer[]],
  ] as const) {
    for (const [i, container] of list.entries()) {
      const path = at.field(field).index(i)
      if (container.name && names.has(container.name)) yield path.field('name').duplicate(container.name)
      names.add(container.name)
      yield* validateContainer(container, path, volumes)
    }
  }
  yield* validateHostPorts(spec, at)
  if (spec.activeDeadlineSeconds !== undefined && spec.activeDeadlineSeconds < 1)
    yield at
      .field('activeDeadlineSeconds')
      .invalid(spec.activeDeadlineSeconds, 'must be between 1 and 2147483647, inclusive')
  if (spec.terminationGracePeriodSeconds !== undefined && spec.terminationGracePeriodSeconds < 0)
    yield at
      .field('terminationGracePeriodSeconds')
      .invalid(spec.terminationGracePeriodSeconds, 'must be greater than or equal to 0')
  if (spec.nodeName)
    for (const error of dnsSubdomainErrors(spec.nodeName)) yield at.field('nodeName').invalid(spec.nodeName, error)
  if (spec.serviceAccountName)
    for (const error of dnsSubdomainErrors(spec.serviceAccountName))
      yield at.field('serviceAccountName').invalid(spec.serviceAccountName, error)
  for (const field of ['hostname', 'subdomain'] as const) {
    if (spec[field]) for (const error of dnsLabelErrors(spec[field]!)) yield at.field(field).invalid(spec[field], error)
  }
  for (const [key, value] of Object.entries(spec.nodeSelector ?? {})) {
    for (const error of qualifiedNameErrors(key)) yield at.field('nodeSelector').invalid(key, error)
    for (const error of labelValueErrors(value)) yield at.field('nodeSelector').invalid(value, error)
  }
  if (spec.shareProcessNamespace && spec.hostPID)
    yield at.field('shareProcessNamespace').invalid(true, 'ShareProcessNamespace and HostPID cannot both be enabled')
  yield* validateTolerations(spec, at.field('tolerations'))
  if (spec.dnsPolicy === 'None' && !spec.dnsConfig?.nameservers?.length)
    yield at
      .field('dnsConfig', 'nameservers')
      .required('must provide at least one DNS nameserver when `dnsPolicy` is None')
}

function* validateVolumes(spec: Spec, at: Path, names: Set<string>): Iterable<Problem> {
  for (const [i, volume] of (spec.volumes ?? []).entries()) {
    const path = at.index(i)
    if (!volume.name) yield path.field('name').required()
    else {
      for (const error of dnsLabelErrors(volume.name)) yield path.field('name').invalid(volume.name, error)
      if (names.has(volume.name)) yield path.field('name').duplicate(volume.name)
    }
    names.add(volume.name)
    const sources = Object.keys(volume).filter(key => key !== 'name')
    if (sources.length === 0) yield path.required('must specify a volume type')
    for (const extra of sources.slice(1)) yield path.field(extra).forbidden('may not specify more than 1 volume type')
    if (volume.hostPath) yield* validateHostPath(volume.hostPath, path.field('hostPath'))
    if (volume.secret && !volume.secret.secretName) yield path.field('secret', 'secretName').required()
    if (volume.configMap && !volume.configMap.name) yield path.field('configMap', 'name').required()
    if (volume.persistentVolumeClaim && !volume.persistentVolumeClaim.claimName)
      yield path.field('persistentVolumeClaim', 'claimName').required()
  }
}

const hostPathTypes = [
  '',
  'BlockDevice',
  'CharDevice',
  'Directory',
  'DirectoryOrCreate',
  'File',
  'FileOrCreate',
  'Socket',
]

function* validateHostPath(source: { readonly path?: string; readonly type?: string }, at: Path): Iterable<Problem> {
  if (!source.path) yield at.field('path').required()
  else if (source.path.split('/').includes('..')) yield at.field('path').invalid(source.path, "must not contain '..'")
  if (source.type !== undefined && !hostPathTypes.includes(source.type))
    yield at.field('type').notSupported(source.type, hostPathTypes)
}

function* validateContainer(container: ReadContainer, at: Path, volumes: ReadonlySet<string>): Iterable<Problem> {
  if (!container.name) yield at.field('name').required()
  else for (const error of dnsLabelErrors(container.name)) yield at.field('name').invalid(container.name, error)
  if (!container.image) yield at.field('image').required()
  else if (container.image.trim() !== container.image)
    yield at.field('image').invalid(container.image, 'must not have leading or trailing whitespace')
  yield* validatePorts(container, at.field('ports'))
  for (const [i, env] of (container.env ?? []).entries()) {
    const path = at.field('env').index(i)
    if (!env.name) yield path.field('name').required()
    else if (env.name.includes('='))
      yield path
        .field('name')
        .invalid(
          env.name,
          "a valid environment variable name must consist only of printable ASCII characters other than '='",
        )
    if (env.value && env.valueFrom)
      yield path.field('valueFrom').invalid('', 'may not be specified when `value` is not empty')
    if (env.valueFrom && Object.keys(env.valueFrom).length !== 1)
      yield path
        .field('valueFrom')
        .invalid(
          '',
          Object.keys(env.valueFrom).length
            ? 'may not have more than one field specified at a time'
            : 'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`',
        )
  }
  const mounted = new Set<string>()
  for (const [i, mount] of (container.volumeMounts ?? []).entries()) {
    const path = at.field('volumeMounts').index(i)
    if (!mount.name) yield path.field('name').required()
    else if (!volumes.has(mount.name)) yield path.field('name').notFound(mount.name)
    if (!mount.mountPath) yield path.field('mountPath').required()
    if (mounted.has(mount.mountPath)) yield path.field('mountPath').invalid(mount.mountPath, 'must be unique')
    mounted.add(mount.mountPath)
    if (mount.subPath?.startsWith('/')) yield path.field('subPath').invalid(mount.subPath, 'must be a relative path')
    if (mount.subPath?.split('/').includes('..'))
      yield path.field('subPath').invalid(mount.subPath, "must not contain '..'")
  }
  yield* validateResources(container.resources, at.field('resources'))
  for (const field of ['livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
    if (container[field]) yield* validateProbe(container[field], at.field(field), field !== 'readinessProbe')
  }
}

const portProblem = 'must be between 1 and 65535, inclusive'
const isPort = (port: number) => port >= 1 && port <= 65535

function* validatePorts(container: ReadContainer, at: Path): Iterable<Problem> {
  const names = new Set<string>()
  for (const [i, port] of (container.ports ?? []).entries()) {
    const path = at.index(i)
    if (port.name) {
      for (const error of portNameErrors(port.name)) yield path.field('name').invalid(port.name, error)
      if (names.has(port.name)) yield path.field('name').duplicate(port.name)
      names.add(port.name)
    }
    if (!port.containerPort) yield path.field('containerPort').required()
    else if (!isPort(port.containerPort)) yield path.field('containerPort').invalid(port.containerPort, portProblem)
    if (port.hostPort && !isPort(port.hostPort)) yield path.field('hostPort').invalid(port.hostPort, portProblem)
  }
}

/** What is wrong with the name of a port. */
export function portNameErrors(name: string): string[] {
  const errors: string[] = []
  if (name.length > 15) errors.push('must be no more than 15 characters')
  if (!/^[-a-z0-9]+$/.test(name)) errors.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)')
  if (!/[a-z]/.test(name)) errors.push('must contain at least one letter (a-z)')
  if (name.includes('--')) errors.push('must not contain consecutive hyphens')
  if (name.startsWith('-') || name.endsWith('-')) errors.push('must not begin or end with a hyphen')
  return errors
}

function* validateHostPorts(spec: Spec, at: Path): Iterable<Problem> {
  const taken = new Set<string>()
  for (const [i, container] of (spec.containers ?? []).entries()) {
    for (const [j, port] of (container.ports ?? []).entries()) {
      if (!port.hostPort) continue
      const key = `${port.protocol}/${port.hostIP ?? ''}/${port.hostPort}`
      const path = at.field('containers').index(i).field('ports').index(j).field('hostPort')
      if (taken.has(key)) yield path.duplicate(key)
      taken.add(key)
      if (spec.hostNetwork && port.hostPort !== port.containerPort)
        yield at
          .field('containers')
          .index(i)
          .field('ports')
          .index(j)
          .field('containerPort')
          .invalid(port.containerPort, 'must match `hostPort` when `hostNetwork` is true')
    }
  }
}

function* validateResources(resources: ReadContainer['resources'] | undefined, at: Path): Iterable<Problem> {
  for (const [field, list] of [
    ['limits', resources?.limits],
    ['requests', resources?.requests],
  ] as const) {
    for (const [name, quantity] of Object.entries(list ?? {})) {
      if (compareQuantities(quantity, '0') < 0)
        yield at.field(field).key(name).invalid(quantity, 'must be greater than or equal to 0')
    }
  }
  for (const [name, request] of Object.entries(resources?.requests ?? {})) {
    const limit = resources?.limits?.[name]
    if (limit !== undefined && compareQuantities(request, limit) > 0)
      yield at.field('requests').invalid(request, `must be less than or equal to ${name} limit of ${limit}`)
  }
}

function* validateProbe(probe: DeepReadonly<Probe>, at: Path, onlyOneSuccess: boolean): Iterable<Problem> {
  const handlers = (['exec', 'httpGet', 'tcpSocket', 'grpc'] as const).filter(h => probe[h])
  if (handlers.length === 0) yield at.required('must specify a handler type')
  for (const extra of handlers.slice(1)) yield at.field(extra).forbidden('may not specify more than 1 handler type')
  for (const field of [
    'initialDelaySeconds',
    'timeoutSeconds',
    'periodSeconds',
    'successThreshold',
    'failureThreshold',
  ] as const) {
    const value = probe[field] ?? 0
    if (value < 0) yield at.field(field).invalid(value, 'must be greater than or equal to 0')
  }
  if (onlyOneSuccess && probe.successThreshold !== 1)
    yield at.field('successThreshold').invalid(probe.successThreshold, 'must be 1')
  if (probe.exec && !probe.exec.command?.length) yield at.field('exec', 'command').required()
  for (const handler of ['httpGet', 'tcpSocket'] as const) {
    const port = probe[handler]?.port
    if (port === undefined) continue
    if (typeof port === 'number' ? !isPort(port) : portNameErrors(port).length > 0)
      yield at.field(handler, 'port').invalid(port, typeof port === 'number' ? portProblem : portNameErrors(port)[0]!)
  }
}

function* validateTolerations(spec: Spec, at: Path): Iterable<Problem> {
  for (const [i, toleration] of (spec.tolerations ?? []).entries()) {
    const path = at.index(i)
    if (toleration.key)
      for (const error of qualifiedNameErrors(toleration.key)) yield path.field('key').invalid(toleration.key, error)
    if (!toleration.key && toleration.operator !== 'Exists')
      yield path
        .field('operator')
        .invalid(
          toleration.operator,
          'operator must be Exists when `key` is empty, which means "match all values and all keys"',
        )
    if (toleration.operator === 'Exists' && toleration.value)
      yield path.field('operator').invalid(toleration, "value must be empty when `operator` is 'Exists'")
  }
}

const updateRule =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)'

/** A running pod changes little: images, a shorter deadline, more tolerations, fewer scheduling gates. */
export function* validatePodUpdate(pod: DeepReadonly<Pod>, old: DeepReadonly<Pod>, at: Path): Iterable<Problem> {
  const spec = at.field('spec')
  if (pod.spec.containers.length !== old.spec.containers.length) {
    yield spec.field('containers').forbidden('pod updates may not add or remove containers')
    return
  }
  const before = old.spec.activeDeadlineSeconds
  const after = pod.spec.activeDeadlineSeconds
  if (before !== undefined && (after === undefined || after > before)) {
    yield spec.field('activeDeadlineSeconds').invalid(after ?? null, 'must be less than or equal to previous value')
  }
  const gates = (p: DeepReadonly<Pod>) => (p.spec.schedulingGates ?? []).map(g => g.name)
  const added = gates(pod).filter(name => !gates(old).includes(name))
  if (added.length)
    yield spec
      .field('schedulingGates')
      .forbidden(`only deletion is allowed, but found new scheduling gate '${added[0]}'`)
  if (JSON.stringify(fixedPart(pod, old)) !== JSON.stringify(fixedPart(old, old))) yield spec.forbidden(updateRule)
}

function fixedPart(pod: DeepReadonly<Pod>, old: DeepReadonly<Pod>): unknown {
  const {
    activeDeadlineSeconds: _deadline,
    schedulingGates: _gates,
    tolerations,
    nodeSelector,
    affinity,
    ...rest
  } = pod.spec
  const bare = (list: DeepReadonly<Container>[] | readonly DeepReadonly<Container>[] | undefined) =>
    list?.map(({ image: _image, ...container }) => container)
  const kept = (old.spec.tolerations ?? []).every(t =>
    (tolerations ?? []).some(other => JSON.stringify(other) === JSON.stringify(t)),
  )
  // Gated pods may still narrow down where they want to go.
  const placement = old.spec.schedulingGates?.length ? {} : { nodeSelector, affinity }
  return { ...rest, ...placement, kept, containers: bare(rest.containers), initContainers: bare(rest.initContainers) }
}
