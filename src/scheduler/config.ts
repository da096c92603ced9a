// Reads the scheduler's configuration: KubeSchedulerConfiguration of kubescheduler.config.k8s.io/v1, to which the field
// `kutter` adds the files of own plugins. docs/scheduler.md explains it to users.
// Source: staging/src/k8s.io/kube-scheduler/config/v1, pkg/scheduler/apis/config/validation.
import { readFields, Fields } from '../api/config-file.ts'
import { durationField } from './duration-field.ts'
import type { PluginMaker } from './framework.ts'
import { defaultPlugins, unbuiltPlugins } from './plugins/index.ts'
import { type Point, points } from './points.ts'

export const apiVersion = 'kubescheduler.config.k8s.io/v1'
export const kind = 'KubeSchedulerConfiguration'

export interface PluginRef {
  name: string
  weight?: number
}

export interface PluginSet {
  enabled: readonly PluginRef[]
  /** Names, or `*` for all. */
  disabled: readonly string[]
}

export interface ProfileConfig {
  schedulerName: string
  percentageOfNodesToScore: number
  plugins: Readonly<Record<Point, PluginSet>>
  multiPoint: PluginSet
  /** Arguments of plugins as they are in the document, by plugin name. */
  args: ReadonlyMap<string, unknown>
}

export interface ExtenderConfig {
  urlPrefix: string
  filterVerb: string
  prioritizeVerb: string
  preemptVerb: string
  bindVerb: string
  weight: number
  httpTimeoutMs: number
  nodeCacheCapable: boolean
  ignorable: boolean
  managedResources: readonly { name: string; ignoredByScheduler: boolean }[]
  tls: ExtenderTls | undefined
}

interface ExtenderTls {
  insecure: boolean
  serverName: string
  /** Each as PEM or as the name of a file. */
  cert: Pem | undefined
  key: Pem | undefined
  ca: Pem | undefined
}
export type Pem = { data: Buffer } | { file: string }

export interface SchedulerConfig {
  /** The file that the configuration was read from, for messages. */
  source: string
  profiles: readonly ProfileConfig[]
  extenders: readonly ExtenderConfig[]
  podInitialBackoffMs: number
  podMaxBackoffMs: number
  /** Plugins in addition to the built-in ones. */
  makers: readonly PluginMaker[]
  /** For a scheduler in a process of its own: how it reaches the API server, and how one of several becomes leader. */
  process: { kubeconfig: string; leaderElection: LeaderElectionConfig }
}

export interface LeaderElectionConfig {
  leaderElect: boolean
  leaseDurationMs: number
  renewDeadlineMs: number
  retryPeriodMs: number
  resourceName: string
}

const defaultSchedulerName = 'default-scheduler'
const maxInt = 2 ** 31 - 1
const noPlugins: PluginSet = { enabled: [], disabled: [] }

/** The configuration of a scheduler without a file. */
export const defaultConfig: SchedulerConfig = readConfig({ apiVersion, kind }, 'defaults', [])

/** Reads a document. Throws a StatusError that lists all mistakes in it. */
export function readConfig(document: unknown, source: string, makers: readonly PluginMaker[]): SchedulerConfig {
  return readFields(document, source, root => {
    if (root.string('apiVersion') !== apiVersion) root.problem('apiVersion', `must be ${apiVersion}`)
    if (root.string('kind') !== kind) root.problem('kind', `must be ${kind}`)
    // `parallelism` is checked and not used, since nodes are not asked in threads.
    root.integer('parallelism', { min: 1, max: maxInt })
    for (const name of ['enableProfiling', 'enableContentionProfiling', 'delayCacheUntilActive'])
      root.boolean(name, false)
    const percentage = root.integer('percentageOfNodesToScore', { min: 0, max: 100 }, 0)
    const process = { kubeconfig: readConnection(root), leaderElection: readElection(root) }
    const initial = root.integer('podInitialBackoffSeconds', { min: 1, max: maxInt }, 1)
    const longest = root.integer('podMaxBackoffSeconds', { min: 1, max: maxInt }, 10)
    if (longest < initial) root.problem('podMaxBackoffSeconds', 'must not be less than podInitialBackoffSeconds')
    const own = root.object('kutter')
    own.raw('plugins')
    own.end()
    const known = new Map([...defaultPlugins.map(({ maker }) => maker), ...makers].map(maker => [maker.name, maker]))
    const config = {
      source,
      makers,
      process,
      profiles: readProfiles(root, percentage, known),
      extenders: readExtenders(root),
      podInitialBackoffMs: initial * 1000,
      podMaxBackoffMs: longest * 1000,
    }
    root.end()
    return config
  })
}

function readProfiles(root: Fields, percentage: number, makers: ReadonlyMap<string, PluginMaker>): ProfileConfig[] {
  const list = root.objects('profiles')
  const profiles = list.map(fields => readProfile(fields, percentage, makers))
  profiles.forEach(({ schedulerName }, i) => {
    if (profiles.findIndex(other => other.schedulerName === schedulerName) < i)
      list[i]!.problem('schedulerName', `${JSON.stringify(schedulerName)} is taken by another profile`)
    if (!schedulerName) list[i]!.problem('schedulerName', 'is required')
  })
  return profiles.length ? profiles : [readProfile(new Fields({}), percentage, makers)]
}

function readProfile(fields: Fields, percentage: number, makers: ReadonlyMap<string, PluginMaker>): ProfileConfig {
  const schedulerName = fields.string('schedulerName', defaultSchedulerName)
  const plugins = fields.object('plugins')
  const read = (name: string) => (plugins.has(name) ? readSet(plugins.object(name), makers) : noPlugins)
  const profile = {
    schedulerName,
    percentageOfNodesToScore: fields.integer('percentageOfNodesToScore', { min: 0, max: 100 }, percentage),
    plugins: Object.fromEntries(points.map(point => [point, read(point)])) as Record<Point, PluginSet>,
    multiPoint: read('multiPoint'),
    args: readArgs(fields, makers),
  }
  plugins.end()
  fields.end()
  return profile
}

function readSet(fields: Fields, makers: ReadonlyMap<string, PluginMaker>): PluginSet {
  const check = (item: Fields, name: string, on: boolean) => {
    // A name that is missing is a mistake of its own.
    if (name === '' || makers.has(name) || (name === '*' && !on) || (!on && unbuiltPlugins.has(name))) return
    if (unbuiltPlugins.has(name)) item.problem('name', `plugin ${name} is not built into Kutter yet`)
    else item.problem('name', `there is no plugin ${JSON.stringify(name)}`)
  }
  const enabled = fields.objects('enabled').map(item => {
    const name = item.required('name')
    const weight = item.integer('weight', { min: 0, max: maxInt })
    item.end()
    check(item, name, true)
    return { name, ...(weight !== undefined && { weight }) }
  })
  const disabled = fields.objects('disabled').map(item => {
    const name = item.required('name')
    item.integer('weight', { min: 0, max: maxInt })
    item.end()
    check(item, name, false)
    return name
  })
  enabled.forEach(({ name }, i) => {
    if (enabled.findIndex(other => other.name === name) < i)
      fields.problem(`enabled[${i}].name`, `plugin ${name} is there twice`)
  })
  fields.end()
  return { enabled, disabled }
}

function readArgs(profile: Fields, makers: ReadonlyMap<string, PluginMaker>): Map<string, unknown> {
  const found = new Map<string, unknown>()
  for (const item of profile.objects('pluginConfig')) {
    const name = item.required('name')
    const maker = makers.get(name)
    if (found.has(name)) item.problem('name', `plugin ${name} is there twice`)
    if (name !== '' && !maker && !unbuiltPlugins.has(name))
      item.problem('name', `there is no plugin ${JSON.stringify(name)}`)
    const args = item.object('args')
    found.set(name, item.raw('args'))
    if (maker) checkArgs(maker, args)
    item.end()
  }
  return found
}

/** Reads arguments only to report mistakes in them. */
function checkArgs(maker: PluginMaker, args: Fields): void {
  readTypeMeta(args, `${maker.name}Args`)
  maker.read(args)
  args.end()
}

function readTypeMeta(args: Fields, expected: string): void {
  if (args.string('apiVersion', apiVersion) !== apiVersion) args.problem('apiVersion', `must be ${apiVersion}`)
  if (args.string('kind', expected) !== expected) args.problem('kind', `must be ${expected}`)
}

function readConnection(root: Fields): string {
  const fields = root.object('clientConnection')
  const kubeconfig = fields.string('kubeconfig', '')
  for (const name of ['acceptContentTypes', 'contentType']) fields.string(name)
  for (const name of ['qps', 'burst']) fields.raw(name)
  fields.end()
  return kubeconfig
}

function readElection(root: Fields): LeaderElectionConfig {
  const fields = root.object('leaderElection')
  const election = {
    leaderElect: fields.boolean('leaderElect', true),
    leaseDurationMs: durationField(fields, 'leaseDuration', 15_000),
    renewDeadlineMs: durationField(fields, 'renewDeadline', 10_000),
    retryPeriodMs: durationField(fields, 'retryPeriod', 2_000),
    resourceName: fields.string('resourceName', 'kube-scheduler'),
  }
  fields.oneOf('resourceLock', ['leases'], 'leases')
  fields.oneOf('resourceNamespace', ['kube-system'], 'kube-system')
  if (election.renewDeadlineMs >= election.leaseDurationMs)
    fields.problem('renewDeadline', 'must be shorter than leaseDuration')
  fields.end()
  return election
}

const defaultTimeoutMs = 5_000

function readExtenders(root: Fields): ExtenderConfig[] {
  const list = root.objects('extenders')
  const extenders = list.map(fields => {
    const extender = {
      urlPrefix: fields.required('urlPrefix'),
      filterVerb: fields.string('filterVerb', ''),
      prioritizeVerb: fields.string('prioritizeVerb', ''),
      preemptVerb: fields.string('preemptVerb', ''),
      bindVerb: fields.string('bindVerb', ''),
      weight: fields.integer('weight', { min: 0, max: maxInt }, 0),
      httpTimeoutMs: durationField(fields, 'httpTimeout', defaultTimeoutMs) || defaultTimeoutMs,
      nodeCacheCapable: fields.boolean('nodeCacheCapable', false),
      ignorable: fields.boolean('ignorable', false),
      managedResources: fields.objects('managedResources').map(item => {
        const resource = {
          name: item.required('name'),
          ignoredByScheduler: item.boolean('ignoredByScheduler', false),
        }
        item.end()
        return resource
      }),
      tls: readTls(fields, fields.boolean('enableHTTPS', false)),
    }
    if (extender.urlPrefix && !URL.canParse(extender.urlPrefix)) fields.problem('urlPrefix', 'must be a URL')
    if (extender.prioritizeVerb && extender.weight === 0)
      fields.problem('weight', 'must be greater than zero for an extender with a prioritizeVerb')
    fields.end()
    return extender
  })
  const binders = extenders.filter(({ bindVerb }) => bindVerb)
  if (binders.length > 1) root.problem('extenders', `only one extender can bind, not ${binders.length}`)
  return extenders
}

function readTls(extender: Fields, https: boolean): ExtenderTls | undefined {
  if (!extender.has('tlsConfig'))
    return https
      ? { insecure: false, serverName: '', cert: undefined, key: undefined, ca: undefined }
      : (extender.raw('tlsConfig'), undefined)
  const fields = extender.object('tlsConfig')
  const pem = (name: string): Pem | undefined => {
    const [data, file] = [fields.string(`${name}Data`), fields.string(`${name}File`)]
    if (data !== undefined) return { data: Buffer.from(data, 'base64') }
    return file ? { file } : undefined
  }
  const tls = {
    insecure: fields.boolean('insecure', false),
    serverName: fields.string('serverName', ''),
    cert: pem('cert'),
    key: pem('key'),
    ca: pem('ca'),
  }
  if (Boolean(tls.cert) !== Boolean(tls.key)) fields.problem('keyFile', 'certificate and key must be set together')
  fields.end()
  return tls
}
