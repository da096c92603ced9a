// A container's environment: the services of its namespace, then envFrom, then env, where later values replace earlier
// ones. A value may refer to variables before it.
// Source: kubernetes pkg/kubelet/kubelet_pods.go (makeEnvironmentVariables), envvars.
import { StatusError } from '../../base/errors.ts'
import { own } from '../../base/own.ts'
import type { EnvVar } from '../../kinds/core/container.ts'
import type { ConfigMap } from '../../kinds/core/configmap.ts'
import type { Secret } from '../../kinds/core/secret.ts'
import type { Service } from '../../kinds/core/service.ts'
import { namespaceOf, type ReadContainer } from '../pod/spec.ts'
import { expand } from './expand.ts'
import { fieldValue, type NodeFacts, resourceValue } from './fields.ts'
import type { Pod } from '../../kinds/core/pod.ts'

/** The sources of values outside of the pod. */
export interface EnvSources {
  configMap(namespace: string, name: string): Promise<ConfigMap | undefined>
  secret(namespace: string, name: string): Promise<Secret | undefined>
  services(namespace: string): readonly Service[]
  facts: NodeFacts
}

interface Environment {
  values: Map<string, string>
  /** Messages about keys of envFrom that cannot be names of variables, for events. */
  warnings: string[]
}

/** Throws NotFound, with the message of a CreateContainerConfigError, when a source that is not optional is missing. */
export async function environmentOf(
  pod: Pod,
  container: ReadContainer,
  sources: EnvSources,
  podIPs: readonly string[],
): Promise<Environment> {
  const services = serviceEnv(pod, sources)
  const given = new Map<string, string>()
  const warnings: string[] = []
  for (const from of container.envFrom ?? []) {
    const data = await sourceData(pod, from, sources)
    const bad: string[] = []
    for (const key of Object.keys(data).sort()) {
      const name = `${from.prefix ?? ''}${key}`
      if (isEnvName(name)) given.set(name, data[key]!)
      else bad.push(name)
    }
    if (bad.length) {
      const kind = from.configMapRef ? 'configMap' : 'secret'
      const source = from.configMapRef?.name ?? from.secretRef?.name ?? ''
      warnings.push(
        `Keys [${bad.join(', ')}] from the EnvFrom ${kind} ${namespaceOf(pod)}/${source} were skipped since they are considered invalid environment variable names.`,
      )
    }
  }
  for (const variable of container.env ?? []) {
    const value = await variableValue(
      pod,
      container,
      variable,
      sources,
      podIPs,
      name => given.get(name) ?? services.get(name),
    )
    if (value !== undefined) given.set(variable.name, value)
  }
  const values = new Map(given)
  for (const [name, value] of services) if (!values.has(name)) values.set(name, value)
  return { values, warnings }
}

// Printable ASCII without `=`. Source: KEP-4369.
const isEnvName = (name: string) => /^[ -<>-~]+$/.test(name)

type EnvFrom = NonNullable<ReadContainer['envFrom']>[number]

async function sourceData(pod: Pod, from: EnvFrom, sources: EnvSources): Promise<Readonly<Record<string, string>>> {
  const namespace = namespaceOf(pod)
  if (from.configMapRef) {
    const found = await sources.configMap(namespace, from.configMapRef.name ?? '')
    if (!found && !from.configMapRef.optional) throw missing('configmap', from.configMapRef.name)
    return found?.data ?? {}
  }
  if (from.secretRef) {
    const found = await sources.secret(namespace, from.secretRef.name ?? '')
    if (!found && !from.secretRef.optional) throw missing('secret', from.secretRef.name)
    return Object.fromEntries(Object.entries(found?.data ?? {}).map(([key, value]) => [key, decode(value)]))
  }
  return {}
}

/** The value of one variable. Undefined, so that it is left out, when an optional source does not exist. */
async function variableValue(
  pod: Pod,
  container: ReadContainer,
  variable: EnvVar,
  sources: EnvSources,
  podIPs: readonly string[],
  lookup: (name: string) => string | undefined,
): Promise<string | undefined> {
  if (!variable.valueFrom) return expand(variable.value ?? '', lookup)
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef } = variable.valueFrom
  const namespace = namespaceOf(pod)
  if (fieldRef) return fieldValue(pod, fieldRef.fieldPath, sources.facts, podIPs)
  if (resourceFieldRef) return resourceValue(pod, container, resourceFieldRef, sources.facts)
  if (configMapKeyRef) {
    const found = await sources.configMap(namespace, configMapKeyRef.name ?? '')
    if (!found && !configMapKeyRef.optional) throw missing('configmap', configMapKeyRef.name)
    const value = own(found?.data, configMapKeyRef.key)
    if (value === undefined && !configMapKeyRef.optional)
      throw missingKey(configMapKeyRef.key, 'ConfigMap', namespace, configMapKeyRef.name)
    return value
  }
  if (secretKeyRef) {
    const found = await sources.secret(namespace, secretKeyRef.name ?? '')
    if (!found && !secretKeyRef.optional) throw missing('secret', secretKeyRef.name)
    const value = own(found?.data, secretKeyRef.key)
    if (value === undefined && !secretKeyRef.optional)
      throw missingKey(secretKeyRef.key, 'Secret', namespace, secretKeyRef.name)
    return value === undefined ? undefined : decode(value)
  }
  throw new StatusError('BadRequest', `the source of variable ${variable.name} is not supported`)
}

const decode = (base64: string) => Buffer.from(base64, 'base64').toString()
const missing = (kind: string, name: string | undefined) =>
  new StatusError('NotFound', `${kind} "${name ?? ''}" not found`)
const missingKey = (key: string, kind: string, namespace: string, name: string | undefined) =>
  new StatusError('NotFound', `couldn't find key ${key} in ${kind} ${namespace}/${name ?? ''}`)

// Every pod has the variables of the API server's service; those of its namespace only with enableServiceLinks.
function serviceEnv(pod: Pod, sources: EnvSources): Map<string, string> {
  const links = pod.spec.enableServiceLinks !== false
  const byName = new Map<string, Service>()
  for (const service of sources.services('default'))
    if (service.metadata.name === 'kubernetes') byName.set('kubernetes', service)
  if (links) for (const service of sources.services(namespaceOf(pod))) byName.set(service.metadata.name ?? '', service)
  const out = new Map<string, string>()
  for (const service of byName.values()) addService(out, service)
  return out
}

function addService(out: Map<string, string>, { metadata, spec }: Service): void {
  const { clusterIP, ports = [] } = spec
  if (!clusterIP || clusterIP === 'None' || !ports.length) return
  const host = clusterIP.includes(':') ? `[${clusterIP}]` : clusterIP
  const name = envWord(metadata.name ?? '')
  out.set(`${name}_SERVICE_HOST`, clusterIP)
  out.set(`${name}_SERVICE_PORT`, String(ports[0]!.port))
  for (const port of ports) if (port.name) out.set(`${name}_SERVICE_PORT_${envWord(port.name)}`, String(port.port))
  // The same in the form of Docker links, which older programs read.
  for (const [i, port] of ports.entries()) {
    const protocol = (port.protocol ?? 'TCP').toLowerCase()
    const url = `${protocol}://${host}:${port.port}`
    const prefix = `${name}_PORT_${port.port}_${protocol.toUpperCase()}`
    if (i === 0) out.set(`${name}_PORT`, url)
    out.set(prefix, url)
    out.set(`${prefix}_PROTO`, protocol)
    out.set(`${prefix}_PORT`, String(port.port))
    out.set(`${prefix}_ADDR`, clusterIP)
  }
}

const envWord = (name: string) => name.replaceAll('-', '_').toUpperCase()
