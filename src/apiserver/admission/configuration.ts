// The file that configures admission plugins: AdmissionConfiguration of apiserver.config.k8s.io/v1. Each entry has the
// configuration of one plugin, or names the file that does.
// Source: apiserver pkg/admission/config.go, pkg/apis/apiserver/v1; the configurations of the plugins beside them.
import { dirname, resolve } from 'node:path'
import { readYamlFile } from '../../base/yaml-file.ts'
import { type Fields, readFields } from '../../api/config-file.ts'
import { parseSelector } from '../../api/labels.ts'
import { Toleration } from '../../kinds/core/affinity.ts'
import { type EventLimit, limitTypes } from './event-rate-limit.ts'
import {
  type Exemptions,
  levels,
  type LevelVersion,
  type modes,
  parseVersion,
  type Policy,
} from './pod-security-policy.ts'

/** What plugins do differently from their defaults. A plugin without an entry is absent. */
export interface AdmissionConfiguration {
  podSecurity?: { defaults: Policy; exemptions: Exemptions }
  eventLimits?: readonly EventLimit[]
  nodeSelectors?: NodeSelectors
  tolerations?: PodTolerations
}

export interface NodeSelectors {
  /** For namespaces without the annotation, such as `disk=fast`. */
  default: string
  /** The labels that pods of a namespace may select nodes by, by the name of the namespace. */
  allowed: ReadonlyMap<string, string>
}

/** The tolerations of pods in namespaces without the annotations. */
export interface PodTolerations {
  defaults: readonly Toleration[]
  allowed: readonly Toleration[]
}

const maxInt32 = 2 ** 31 - 1

type Reader = (fields: Fields) => Partial<AdmissionConfiguration>

const readers: Readonly<Record<string, Reader>> = {
  PodSecurity: readPodSecurity,
  EventRateLimit: readEventLimits,
  PodNodeSelector: readNodeSelectors,
  PodTolerationRestriction: readTolerations,
}

/** Reads the file at `path`. Throws a StatusError that names the file and all fields with mistakes. */
export async function loadAdmissionConfiguration(path: string): Promise<AdmissionConfiguration> {
  const entries = readFields(await readYamlFile(path), path, root => {
    checkType(root, 'AdmissionConfiguration', ['v1', 'v1beta1', 'v1alpha1'].map(of('apiserver.config.k8s.io')))
    const plugins = root.objects('plugins').map(readEntry)
    plugins.forEach(({ name, at }, i) => {
      if (plugins.findIndex(other => other.name === name) < i)
        root.problem(at, `there is another entry for the plugin ${JSON.stringify(name)}`)
    })
    root.end()
    return plugins
  })
  let all: AdmissionConfiguration = {}
  for (const { name, at, file, configuration } of entries) {
    const read = readers[name]!
    const full = file && resolve(dirname(path), file)
    const document = full ? await readYamlFile(full) : configuration
    all = { ...all, ...readFields(document, full || `${path}: ${at}.configuration`, read) }
  }
  return all
}

const of = (group: string) => (version: string) => `${group}/${version}`

function checkType(fields: Fields, kind: string, versions: readonly string[]): void {
  if (!versions.includes(fields.string('apiVersion', ''))) fields.problem('apiVersion', `must be ${versions[0]}`)
  if (fields.string('kind') !== kind) fields.problem('kind', `must be ${kind}`)
}

function readEntry(fields: Fields) {
  const name = fields.required('name')
  const file = fields.string('path', '')
  const configuration = fields.raw('configuration')
  if (name && !Object.hasOwn(readers, name))
    fields.problem('name', `only these plugins have a configuration: ${Object.keys(readers).join(', ')}`)
  if (Boolean(file) === (configuration !== undefined)) fields.problem('', 'must have either a path or a configuration')
  fields.end()
  return { name, at: fields.path, file, configuration }
}

function readPodSecurity(root: Fields): Partial<AdmissionConfiguration> {
  const versions = ['v1', 'v1beta1', 'v1alpha1'].map(of('pod-security.admission.config.k8s.io'))
  checkType(root, 'PodSecurityConfiguration', versions)
  const levelsOf = root.object('defaults')
  const read = (mode: (typeof modes)[number]): LevelVersion => {
    const version = parseVersion(levelsOf.string(`${mode}-version`, 'latest'))
    if (version === undefined) levelsOf.problem(`${mode}-version`, 'must be "latest" or "v1.x"')
    return { level: levelsOf.oneOf(mode, levels, 'privileged'), version: version ?? 'latest' }
  }
  const defaults = { enforce: read('enforce'), audit: read('audit'), warn: read('warn') }
  levelsOf.end()
  const exempt = root.object('exemptions')
  const [usernames, namespaces, runtimeClasses] = (['usernames', 'namespaces', 'runtimeClasses'] as const).map(
    name => new Set(exempt.strings(name)),
  )
  exempt.end()
  root.end()
  const exemptions = { usernames: usernames!, namespaces: namespaces!, runtimeClasses: runtimeClasses! }
  return { podSecurity: { defaults, exemptions } }
}

function readEventLimits(root: Fields): Partial<AdmissionConfiguration> {
  checkType(root, 'Configuration', ['eventratelimit.admission.k8s.io/v1alpha1'])
  const range = { min: 1, max: maxInt32 }
  const eventLimits = root.objects('limits').map(limit => {
    for (const name of ['qps', 'burst']) if (!limit.has(name)) limit.problem(name, 'is required')
    const read = {
      type: limit.oneOf('type', limitTypes, 'Server'),
      qps: limit.integer('qps', range, 1),
      burst: limit.integer('burst', range, 1),
      cacheSize: limit.integer('cacheSize', { min: 0, max: maxInt32 }, 0) || 4096,
    }
    limit.end()
    return read
  })
  if (!eventLimits.length) root.problem('limits', 'must not be empty')
  root.end()
  return { eventLimits }
}

function readNodeSelectors(root: Fields): Partial<AdmissionConfiguration> {
  const selectors = root.object('podNodeSelectorPluginConfig')
  const read = (name: string): string => {
    const text = selectors.string(name, '')
    try {
      parseSelector(text)
    } catch (error) {
      selectors.problem(name, error instanceof Error ? error.message : String(error))
    }
    return text
  }
  const special = 'clusterDefaultNodeSelector'
  const names = selectors.names.filter(name => name !== special)
  const nodeSelectors = { default: read(special), allowed: new Map(names.map(name => [name, read(name)])) }
  selectors.end()
  root.end()
  return { nodeSelectors }
}

function readTolerations(root: Fields): Partial<AdmissionConfiguration> {
  checkType(root, 'Configuration', ['podtolerationrestriction.admission.k8s.io/v1alpha1'])
  const tolerations = {
    defaults: root.typedList('default', Toleration),
    allowed: root.typedList('whitelist', Toleration),
  }
  root.end()
  return { tolerations }
}
