// Containers of a pod, each sort with its own: those that run, those that run before, those for debugging.
// Source: pkg/apis/core/validation (validateContainers, validateInitContainers, validateEphemeralContainers).
import { named, oneOf, type Problems, requiredName, supported } from '../../api/checks.ts'
import { dnsLabelErrors, portErrors, portNameErrors } from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import type { Container, EphemeralContainer } from './container.ts'
import { validateEnv, validateEnvFrom } from './env-rules.ts'
import { validateDevices, validateMounts, type Volumes } from './mount-rules.ts'
import type { PodSpec } from './podspec.ts'
import { type Ending, validateLifecycle, validateProbes } from './probe-rules.ts'
import { validateContainerResourceName, validateRequirements } from './resource-rules.ts'
import { validateContainerSecurity } from './security-rules.ts'

export const pullPolicies = ['Always', 'IfNotPresent', 'Never']
export const protocols = ['SCTP', 'TCP', 'UDP']
const restartPolicies = ['Always', 'Never', 'OnFailure']

/** What containers are judged against. */
export interface PodContext {
  spec: PodSpec
  volumes: Volumes
  /** Names of the pod's claims on devices. */
  claims: ReadonlySet<string>
  ending: Ending
}

/** All containers of a pod. */
export function* validateContainers(context: PodContext, at: Path): Problems {
  const { initContainers = [], ephemeralContainers = [] } = context.spec
  // Nothing at all is decoded as null.
  const containers = context.spec.containers ?? []
  if (!containers.length) yield at.field('containers').required()
  const names = new Set<string>()
  for (const [i, container] of containers.entries()) {
    const path = at.field('containers').index(i)
    yield* validateCommon(container, context, path)
    yield* uniqueName(container.name, names, path)
    yield* validateLife(container, context, path)
    if (container.restartPolicy !== undefined || container.restartPolicyRules?.length)
      yield* validateRestart(container, path)
  }
  yield* validateHostPorts(containers, at.field('containers'))
  for (const [i, container] of initContainers.entries())
    yield* validateInit(container, names, context, at.field('initContainers').index(i))
  const others = new Set(names)
  for (const [i, container] of ephemeralContainers.entries())
    yield* validateEphemeral(container, names, others, context, at.field('ephemeralContainers').index(i))
}

function* uniqueName(name: string, names: Set<string>, at: Path): Problems {
  if (names.has(name)) yield at.field('name').duplicate(name)
  if (name) names.add(name)
}

function* validateLife(container: Container, { ending }: PodContext, at: Path): Problems {
  if (container.lifecycle) yield* validateLifecycle(container.lifecycle, ending, at.field('lifecycle'))
  yield* validateProbes(container, ending, at)
}

function* validateInit(container: Container, names: Set<string>, context: PodContext, at: Path): Problems {
  yield* validateCommon(container, context, at)
  yield* validateRestart(container, at)
  yield* uniqueName(container.name, names, at)
  yield* validateHostPorts([container], at.parent)
  if (container.restartPolicy === 'Always') return yield* validateLife(container, context, at)
  for (const field of ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const)
    if (container[field])
      yield at.field(field).forbidden('may not be set for init containers without restartPolicy=Always')
}

const maxRules = 20
const maxExitCodes = 255

/** When a container of its own starts again, by exit codes first. */
function* validateRestart({ restartPolicy, restartPolicyRules: rules = [] }: Container, at: Path): Problems {
  if (restartPolicy !== undefined) yield* supported(restartPolicy, restartPolicies, at.field('restartPolicy'))
  else if (rules.length)
    yield at.field('restartPolicy').required('must specify restartPolicy when restart rules are used')
  const path = at.field('restartPolicyRules')
  if (rules.length > maxRules) yield path.tooMany(rules.length, maxRules)
  for (const [i, { action, exitCodes }] of rules.entries()) {
    yield* supported(action, ['Restart', 'RestartAllContainers'], path.index(i).field('action'))
    const codes = path.index(i).field('exitCodes')
    if (!exitCodes) {
      yield codes.required('must be specified')
      continue
    }
    yield* supported(exitCodes.operator, ['In', 'NotIn'], codes.field('operator'))
    const count = exitCodes.values?.length ?? 0
    if (count > maxExitCodes) yield codes.field('values').tooMany(count, maxExitCodes)
  }
}

/** What only makes sense for containers that a pod cannot do without. */
const notForDebugging = [
  'ports',
  'resources',
  'resizePolicy',
  'restartPolicy',
  'restartPolicyRules',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'lifecycle',
] as const

function* validateEphemeral(
  ephemeral: EphemeralContainer,
  names: Set<string>,
  others: ReadonlySet<string>,
  context: PodContext,
  at: Path,
): Problems {
  // All of a container's fields, and one more.
  const container = ephemeral as Container
  const problem = 'cannot be set for an Ephemeral Container'
  yield* validateCommon(container, context, at)
  yield* validateImageSpaces(container, at)
  yield* uniqueName(container.name, names, at)
  const target = ephemeral.targetContainerName
  if (target && !others.has(target)) yield at.field('targetContainerName').notFound(target)
  for (const field of notForDebugging) {
    const value = container[field]
    if (value !== undefined && (typeof value !== 'object' || Object.keys(value).length))
      yield at.field(field).forbidden(problem)
  }
  for (const [i, mount] of (container.volumeMounts ?? []).entries())
    for (const field of ['subPath', 'subPathExpr'] as const)
      if (mount[field]) yield at.field('volumeMounts').index(i).field(field).forbidden(problem)
}

/** Pods are stricter about the names of images than templates, which may hold a place with a space. */
export function* validateImageSpaces({ image = '' }: { readonly image?: string }, at: Path): Problems {
  if (image.trim() !== image) yield at.field('image').invalid(image, 'must not have leading or trailing whitespace')
}

function* validateCommon(container: Container, context: PodContext, at: Path): Problems {
  const { spec, volumes, claims } = context
  yield* requiredName(dnsLabelErrors, container.name, at.field('name'))
  if (!container.image) yield at.field('image').required()
  yield* oneOf(
    container.terminationMessagePolicy,
    ['File', 'FallbackToLogsOnError'],
    at.field('terminationMessagePolicy'),
  )
  yield* validatePorts(container, at.field('ports'))
  yield* validateEnv(container.env, at.field('env'))
  yield* validateEnvFrom(container.envFrom, at.field('envFrom'))
  yield* validateMounts(container, volumes, at.field('volumeMounts'))
  yield* validateDevices(container, volumes, at.field('volumeDevices'))
  yield* oneOf(container.imagePullPolicy, pullPolicies, at.field('imagePullPolicy'))
  yield* validateRequirements(container.resources, validateContainerResourceName, claims, at.field('resources'))
  yield* validateResize(container, spec.restartPolicy === 'Never', at.field('resizePolicy'))
  if (container.securityContext)
    yield* validateContainerSecurity(container.securityContext, spec.hostUsers ?? true, at.field('securityContext'))
}

function* validateResize({ resizePolicy }: Container, neverRestarts: boolean, at: Path): Problems {
  const seen = new Set<string>()
  for (const [i, { resourceName, restartPolicy }] of (resizePolicy ?? []).entries()) {
    if (seen.has(resourceName)) yield at.index(i).duplicate(resourceName)
    seen.add(resourceName)
    yield* oneOf(resourceName, ['cpu', 'memory'], at)
    yield* oneOf(restartPolicy, ['NotRequired', 'RestartContainer'], at)
    if (neverRestarts && restartPolicy !== 'NotRequired')
      yield at.invalid(restartPolicy, "must be 'NotRequired' when `restartPolicy` is 'Never'")
  }
}

function* validatePorts({ ports }: Container, at: Path): Problems {
  const names = new Set<string>()
  for (const [i, { name, containerPort, hostPort, protocol }] of (ports ?? []).entries()) {
    const path = at.index(i)
    if (name) {
      const problems = [...named(portNameErrors, name, path.field('name'))]
      yield* problems
      if (!problems.length && names.has(name)) yield path.field('name').duplicate(name)
      if (!problems.length) names.add(name)
    }
    if (!containerPort) yield path.field('containerPort').required()
    else for (const error of portErrors(containerPort)) yield path.field('containerPort').invalid(containerPort, error)
    if (hostPort) for (const error of portErrors(hostPort)) yield path.field('hostPort').invalid(hostPort, error)
    yield* oneOf(protocol, protocols, path.field('protocol'))
  }
}

/** No two containers have the same port of the node. */
function* validateHostPorts(containers: readonly Container[], at: Path): Problems {
  const taken = new Set<string>()
  for (const [i, container] of containers.entries()) {
    for (const [j, { protocol, hostIP = '', hostPort }] of (container.ports ?? []).entries()) {
      if (!hostPort) continue
      const key = `${protocol}/${hostIP}/${hostPort}`
      if (taken.has(key)) yield at.index(i).field('ports').index(j).field('hostPort').duplicate(key)
      taken.add(key)
    }
  }
}
