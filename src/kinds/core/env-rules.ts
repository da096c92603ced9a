// The environment of a container: names of variables, and the places their values come from.
// Source: pkg/apis/core/validation (ValidateEnv, ValidateEnvFrom, validateObjectFieldSelector and below).
import { named, type Problems, present, requiredName } from '../../api/checks.ts'
import { configKeyErrors, dnsSubdomainErrors, environmentNameErrors, qualifiedNameErrors } from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import { compareQuantities } from '../../api/quantity.ts'
import type { Container, EnvVarSource, FileKeySelector } from './container.ts'
import { localPath } from './path-rules.ts'
import type { ObjectFieldSelector, ResourceFieldSelector } from './volume.ts'

/** Variables one by one. */
export function* validateEnv(env: Container['env'], at: Path): Problems {
  for (const [i, { name, value, valueFrom }] of (env ?? []).entries()) {
    yield* requiredName(environmentNameErrors, name, at.index(i).field('name'))
    if (valueFrom) yield* validateSource(valueFrom, value, at.index(i).field('valueFrom'))
  }
}

function* validateSource(source: EnvVarSource, value: string | undefined, at: Path): Problems {
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef } = source
  if (fieldRef) yield* validateFieldRef(fieldRef, fieldsOfEnv, at.field('fieldRef'))
  if (resourceFieldRef) yield* validateResourceRef(resourceFieldRef, false, at.field('resourceFieldRef'))
  if (configMapKeyRef) yield* validateKeyRef(configMapKeyRef, at.field('configMapKeyRef'))
  if (secretKeyRef) yield* validateKeyRef(secretKeyRef, at.field('secretKeyRef'))
  if (fileKeyRef) yield* validateFileRef(fileKeyRef, at.field('fileKeyRef'))
  const count = Object.keys(source).length
  if (count === 0)
    yield at.invalid(
      '',
      'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`',
    )
  else if (value) yield at.invalid('', 'may not be specified when `value` is not empty')
  else if (count > 1) yield at.invalid('', 'may not have more than one field specified at a time')
}

function* validateKeyRef({ name = '', key }: { readonly name?: string; readonly key: string }, at: Path): Problems {
  yield* named(dnsSubdomainErrors, name, at.field('name'))
  yield* requiredName(configKeyErrors, key, at.field('key'))
}

function* validateFileRef({ volumeName, path, key }: FileKeySelector, at: Path): Problems {
  yield* requiredName(environmentNameErrors, key, at.field('key'))
  yield* present(volumeName, at.field('volumeName'))
  yield* present(path, at.field('path'))
  if (path) yield* localPath(path, at.field('path'))
}

const fieldsOfEnv = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
]

/** Fields that files of the downward API can show. */
export const fieldsOfFiles: readonly string[] = [
  'metadata.annotations',
  'metadata.labels',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
]

const convertible = new Set([...fieldsOfEnv, ...fieldsOfFiles, 'spec.restartPolicy', 'spec.schedulerName'])
const renamed: Readonly<Record<string, string>> = { 'spec.host': 'spec.nodeName' }

/** A field of the pod, or one label or annotation of it. */
export function* validateFieldRef(
  { apiVersion, fieldPath }: ObjectFieldSelector,
  allowed: readonly string[],
  at: Path,
): Problems {
  if (!apiVersion) return yield at.field('apiVersion').required()
  if (!fieldPath) return yield at.field('fieldPath').required()
  const wrong = (text: string) => at.field('fieldPath').invalid(fieldPath, `error converting fieldPath: ${text}`)
  if (apiVersion !== 'v1') return yield wrong(`unsupported pod version: ${apiVersion}`)
  const subscript = /^(.*)\['(.*)'\]$/s.exec(fieldPath)
  if (subscript) {
    const [, path = '', key = ''] = subscript
    if (path !== 'metadata.labels' && path !== 'metadata.annotations')
      return yield wrong(`field label does not support subscript: ${fieldPath}`)
    yield* named(qualifiedNameErrors, path === 'metadata.annotations' ? key.toLowerCase() : key, at)
    return
  }
  const path = renamed[fieldPath] ?? fieldPath
  if (!convertible.has(path)) return yield wrong(`field label not supported: ${fieldPath}`)
  if (!allowed.includes(path)) yield at.field('fieldPath').notSupported(path, allowed)
}

const resources = [
  'limits.cpu',
  'limits.ephemeral-storage',
  'limits.memory',
  'requests.cpu',
  'requests.ephemeral-storage',
  'requests.memory',
]
const hugeResource = /^(requests|limits)\.hugepages-/
const unitsOfBytes = [
  '1',
  ...['k', 'M', 'G', 'T', 'P', 'E', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'].map(unit => `1${unit}`),
]

/** A resource of a container; volumes must name the container. */
export function* validateResourceRef(ref: ResourceFieldSelector, isVolume: boolean, at: Path): Problems {
  const { containerName, resource, divisor } = ref
  if (isVolume && !containerName) yield at.field('containerName').required()
  else if (!resource) yield at.field('resource').required()
  else if (!resources.includes(resource) && !hugeResource.test(resource))
    yield at.field('resource').notSupported(resource, resources)
  if (compareQuantities(divisor, '0') === 0) return
  const problem = divisorProblem(resource, divisor)
  if (problem) yield at.field('divisor').invalid(resource, problem)
}

function divisorProblem(resource: string, divisor: string): string | undefined {
  if (resource.endsWith('.cpu'))
    return ['1m', '1'].includes(divisor)
      ? undefined
      : "only divisor's values 1m and 1 are supported with the cpu resource"
  const what = resource.endsWith('.memory')
    ? 'memory'
    : resource.endsWith('.ephemeral-storage')
      ? 'local ephemeral storage'
      : hugeResource.test(resource)
        ? 'hugepages'
        : undefined
  if (!what || unitsOfBytes.includes(divisor)) return undefined
  return `only divisor's values ${unitsOfBytes.join(', ')} are supported with the ${what} resource`
}

/** Whole ConfigMaps and Secrets as variables. */
export function* validateEnvFrom(sources: Container['envFrom'], at: Path): Problems {
  for (const [i, { prefix, configMapRef, secretRef }] of (sources ?? []).entries()) {
    if (prefix) yield* named(environmentNameErrors, prefix, at.index(i).field('prefix'))
    if (configMapRef) yield* validateWhole(configMapRef.name, at.index(i).field('configMapRef', 'name'))
    if (secretRef) yield* validateWhole(secretRef.name, at.index(i).field('secretRef', 'name'))
    if (!configMapRef && !secretRef) yield at.invalid('', 'must specify one of: `configMapRef` or `secretRef`')
    else if (configMapRef && secretRef) yield at.invalid('', 'may not have more than one field specified at a time')
  }
}

/** Here a name may end in a dash, as the prefix of a generated one. */
function* validateWhole(name: string | undefined, at: Path): Problems {
  if (!name) return yield at.required()
  for (const error of dnsSubdomainErrors(name.endsWith('-') ? `${name.slice(0, -1)}a` : name))
    yield at.invalid(name, error)
}
