// The kubelet's configuration file: a KubeletConfiguration of kubelet.config.k8s.io/v1beta1 with the fields that are in
// effect here. All others are reported as unknown, since a setting without effect would mislead.
// Source: kubernetes staging/src/k8s.io/kubelet/config/v1beta1/types.go, pkg/kubelet/apis/config/v1beta1/defaults.go.
import { type Fields, readFields } from '../api/config-file.ts'
import { isQuantity, quantityMilli, quantityValue } from '../api/quantity.ts'
import { parseDuration } from '../api/time.ts'
import { readYamlFile } from '../base/yaml-file.ts'
import type { Reserved } from './node/groups.ts'
import type { ImagePolicy } from './gc/images.ts'
import type { ShutdownPhase } from './shutdown/plan.ts'
import { criticalPriority } from './admission/critical.ts'
import { type MemoryConfig, readMemoryConfig } from './config/memory.ts'
import { type ManagersConfig, readManagers } from './topology/config.ts'
import { type Amount, defaultThresholds, type Signal, signals, type Threshold } from './eviction/signals.ts'

const apiVersion = 'kubelet.config.k8s.io/v1beta1'
const kind = 'KubeletConfiguration'
const maxInt = 2 ** 31 - 1
const minCheckMs = 1_000
const defaultStreamIdleMs = 4 * 3_600_000

export interface KubeletConfig extends ManagersConfig, MemoryConfig {
  maxPods: number | undefined
  /** The most processes of a pod. */
  podPidsLimit: number | undefined
  /** What pods cannot have, from `kubeReserved` and `systemReserved` together. */
  reserved: Reserved
  /** Whether what all pods use together is limited. */
  enforcesAllocatable: boolean
  allowedUnsafeSysctls: readonly string[]
  /** Hard thresholds by signal; undefined for the defaults. */
  evictionHard: readonly Threshold[] | undefined
  /** Whether signals that `evictionHard` leaves out have their default. */
  mergeDefaultEvictionSettings: boolean
  evictionSoft: readonly Threshold[]
  evictionMinimumReclaim: ReadonlyMap<Signal, Amount>
  evictionPressureTransitionMs: number
  evictionMaxPodGraceSeconds: number
  localStorageCapacityIsolation: boolean
  images: ImagePolicy
  /** The directory or file of static pods. */
  staticPodPath: string | undefined
  staticPodURL: string | undefined
  /** Headers of requests to the URL. */
  staticPodURLHeader: ReadonlyMap<string, readonly string[]>
  /** How often they are read in any case. */
  fileCheckMs: number
  httpCheckMs: number
  /** After how long without a byte an exec, attach or port-forward is ended; 0 for never. */
  streamIdleMs: number
  /** How the pods end when the machine shuts down; empty without a graceful shutdown. */
  shutdownPhases: readonly ShutdownPhase[]
  /** Whether the file names no percentages of its own for images. */
  isImagePolicyDefault: boolean
}

/** The configuration of a kubelet without a file. */
export const defaultKubeletConfig: KubeletConfig = readKubeletConfig({ apiVersion, kind }, 'defaults')

/** Throws a StatusError that names the file and all fields with mistakes. */
export async function loadKubeletConfig(path: string): Promise<KubeletConfig> {
  return readKubeletConfig(await readYamlFile(path), path)
}

/** Reads a document. Throws a StatusError that lists all mistakes in it. */
export function readKubeletConfig(document: unknown, source: string): KubeletConfig {
  return readFields(document, source, root => {
    if (root.string('apiVersion') !== apiVersion) root.problem('apiVersion', `must be ${apiVersion}`)
    if (root.string('kind') !== kind) root.problem('kind', `must be ${kind}`)
    const config: KubeletConfig = {
      maxPods: root.integer('maxPods', { min: 1, max: maxInt }),
      podPidsLimit: root.integer('podPidsLimit', { min: 1, max: maxInt }),
      allowedUnsafeSysctls: root.strings('allowedUnsafeSysctls'),
      ...readReserved(root),
      ...readMemoryConfig(root),
      ...readEviction(root),
      ...readImages(root),
      ...readStatic(root),
      streamIdleMs: durationOf(root, 'streamingConnectionIdleTimeout', defaultStreamIdleMs),
      shutdownPhases: readShutdown(root),
    }
    root.end()
    return config
  })
}

type ReservedFields = 'reserved' | 'enforcesAllocatable' | keyof ManagersConfig

function readReserved(root: Fields): Pick<KubeletConfig, ReservedFields> {
  const reserved = { cpuMilli: 0, memoryBytes: 0, storageBytes: 0, pids: 0 }
  for (const name of ['kubeReserved', 'systemReserved']) {
    const amounts = root.object(name)
    const of = (resource: string): string => {
      const text = amounts.string(resource, '0')
      if (isQuantity(text) && quantityMilli(text) >= 0) return text
      amounts.problem(resource, `must be a quantity that is not negative, not ${JSON.stringify(text)}`)
      return '0'
    }
    reserved.cpuMilli += quantityMilli(of('cpu'))
    reserved.memoryBytes += quantityValue(of('memory'))
    reserved.storageBytes += quantityValue(of('ephemeral-storage'))
    reserved.pids += quantityValue(of('pid'))
    amounts.end()
  }
  const field = 'enforceNodeAllocatable'
  const enforced = root.has(field) ? root.strings(field) : ['pods']
  for (const what of enforced)
    if (what !== 'pods' && what !== 'none')
      root.problem(field, `${JSON.stringify(what)} is not supported; supported are "pods" and "none"`)
  if (enforced.includes('none') && enforced.length > 1) root.problem(field, '"none" stands alone')
  return { reserved, enforcesAllocatable: enforced.includes('pods'), ...readManagers(root, reserved) }
}

function readEviction(root: Fields) {
  const hard = root.has('evictionHard') ? readThresholds(root.object('evictionHard')) : undefined
  const soft = readThresholds(root.object('evictionSoft'))
  const graces = root.object('evictionSoftGracePeriod')
  for (const name of graces.names) if (!soft.some(({ signal }) => signal === name)) signalOf(graces, name)
  const reclaims = root.object('evictionMinimumReclaim')
  return {
    evictionHard: hard,
    mergeDefaultEvictionSettings: root.boolean('mergeDefaultEvictionSettings', false),
    evictionSoft: soft.map(threshold => {
      const graceMs = durationOf(graces, threshold.signal, 0)
      if (!graces.has(threshold.signal))
        root.problem(
          'evictionSoftGracePeriod',
          `grace period must be specified for the soft eviction threshold ${threshold.signal}`,
        )
      return { ...threshold, graceMs }
    }),
    evictionMinimumReclaim: new Map(
      reclaims.names.flatMap((name): [Signal, Amount][] => {
        const signal = signalOf(reclaims, name)
        const amount = signal && amountOf(reclaims, signal)
        return amount ? [[signal, amount]] : []
      }),
    ),
    evictionPressureTransitionMs: durationOf(root, 'evictionPressureTransitionPeriod', 300_000),
    evictionMaxPodGraceSeconds: root.integer('evictionMaxPodGracePeriod', { min: 0, max: maxInt }, 0),
    localStorageCapacityIsolation: root.boolean('localStorageCapacityIsolation', true),
  }
}

function readImages(root: Fields): Pick<KubeletConfig, 'images' | 'isImagePolicyDefault'> {
  const percent = { min: 0, max: 100 }
  const [high, low] = ['imageGCHighThresholdPercent', 'imageGCLowThresholdPercent'] as const
  const isImagePolicyDefault = !root.has(high) && !root.has(low)
  const highPercent = root.integer(high, percent, 85)
  const lowPercent = root.integer(low, percent, Math.min(80, highPercent))
  if (lowPercent > highPercent) root.problem(low, `must not be more than ${high}`)
  const [minAgeMs, maxAgeMs] = [
    durationOf(root, 'imageMinimumGCAge', 120_000),
    durationOf(root, 'imageMaximumGCAge', 0),
  ]
  if (maxAgeMs && maxAgeMs <= minAgeMs) root.problem('imageMaximumGCAge', 'must be more than imageMinimumGCAge')
  return { images: { highPercent, lowPercent, minAgeMs, maxAgeMs }, isImagePolicyDefault }
}

function readStatic(root: Fields) {
  const headers = root.object('staticPodURLHeader')
  const url = root.string('staticPodURL')
  if (url !== undefined && !/^https?:\/\//.test(url)) root.problem('staticPodURL', 'must be a URL of http or https')
  const period = (name: string) => Math.max(minCheckMs, durationOf(root, name, 20_000))
  return {
    staticPodPath: root.string('staticPodPath') || undefined,
    staticPodURL: url || undefined,
    staticPodURLHeader: new Map(headers.names.map(name => [name, headers.strings(name)])),
    fileCheckMs: period('fileCheckFrequency'),
    httpCheckMs: period('httpCheckFrequency'),
  }
}

function readShutdown(root: Fields): ShutdownPhase[] {
  const [all, critical] = ['shutdownGracePeriod', 'shutdownGracePeriodCriticalPods'] as const
  const wholeSeconds = durationOf(root, all, 0) / 1000
  const criticalSeconds = durationOf(root, critical, 0) / 1000
  const phases = root.objects('shutdownGracePeriodByPodPriority').map(fields => {
    const phase = {
      priority: fields.integer('priority', { min: -maxInt, max: maxInt }, 0),
      graceSeconds: fields.integer('shutdownGracePeriodSeconds', { min: 0, max: maxInt }, 0),
    }
    fields.end()
    return phase
  })
  if (criticalSeconds > wholeSeconds) root.problem(critical, `must not be more than ${all}`)
  if (phases.length && wholeSeconds)
    root.problem('shutdownGracePeriodByPodPriority', `cannot be specified together with ${all}`)
  if (phases.length || !wholeSeconds) return phases
  return [
    { priority: 0, graceSeconds: wholeSeconds - criticalSeconds },
    { priority: criticalPriority, graceSeconds: criticalSeconds },
  ]
}

function readThresholds(fields: Fields): Threshold[] {
  return fields.names.flatMap(name => {
    const signal = signalOf(fields, name)
    const value = signal && amountOf(fields, signal)
    // As under Kubernetes, 0% and 100% turn a threshold off.
    if (!value || ('share' in value && (value.share === 0 || value.share === 1))) return []
    return [{ signal, value, graceMs: 0 }]
  })
}

function signalOf(fields: Fields, name: string): Signal | undefined {
  const found = signals.find(signal => signal === name)
  if (!found) fields.problem(name, `unsupported eviction signal; supported are ${signals.join(', ')}`)
  return found
}

function amountOf(fields: Fields, name: string): Amount | undefined {
  const text = fields.string(name, '')
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(text)?.[1]
  if (percent !== undefined && Number(percent) <= 100) return { share: Number(percent) / 100 }
  if (isQuantity(text) && quantityValue(text) > 0) return { quantity: quantityValue(text) }
  fields.problem(name, `must be a positive quantity or a percentage from 0% to 100%, not ${JSON.stringify(text)}`)
  return undefined
}

/** A duration such as `1m30s`, in ms. */
function durationOf(fields: Fields, name: string, otherwise: number): number {
  const text = fields.string(name)
  if (text === undefined) return otherwise
  const nanos = parseDuration(text)
  if (nanos !== undefined && nanos >= 0) return nanos / 1e6
  fields.problem(name, `must be a duration such as 1m30s, not ${JSON.stringify(text)}`)
  return otherwise
}

/**
 * The thresholds in effect.
 * @param isShared whether others use the node's file system, too
 */
export function thresholdsOf(config: KubeletConfig, isShared: boolean): Threshold[] {
  const { evictionHard, mergeDefaultEvictionSettings, evictionSoft, evictionMinimumReclaim } = config
  const given = evictionHard ?? []
  const byDefault = evictionHard && !mergeDefaultEvictionSettings ? [] : defaultThresholds(isShared)
  const hard = [...given, ...byDefault.filter(({ signal }) => !given.some(other => other.signal === signal))]
  return [...hard, ...evictionSoft].map(threshold => {
    const minReclaim = evictionMinimumReclaim.get(threshold.signal)
    return minReclaim ? { ...threshold, minReclaim } : threshold
  })
}
