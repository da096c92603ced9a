// What a node measures of itself, and the thresholds below which it defends itself.
//
//   signal                        resource           condition        what is available
//   memory.available              memory             MemoryPressure   memory of the machine
//   nodefs.available, inodesFree  ephemeral-storage  DiskPressure     the file system of the node's directory
//   imagefs.available, inodesFree (or inodes)        DiskPressure     the file system of images and containers
//   pid.available                 pids               PIDPressure      process ids of the machine
//
// Percentages of a file system that a node shares with others are of at most 10 GiB, and of the inodes that such a file
// system has: a tenth of a large disk is more than a node needs. docs/decisions/eviction.md has the reasons.
// Source: kubernetes pkg/kubelet/eviction/api/types.go, apis/config/v1beta1/defaults_linux.go.
import { canonicalQuantity } from '../../api/quantity.ts'

export const signals = [
  'memory.available',
  'nodefs.available',
  'nodefs.inodesFree',
  'imagefs.available',
  'imagefs.inodesFree',
  'pid.available',
] as const
export type Signal = (typeof signals)[number]

export type Resource = 'memory' | 'ephemeral-storage' | 'inodes' | 'pids'
export type Condition = 'MemoryPressure' | 'DiskPressure' | 'PIDPressure'

/** What is missing, and the condition of the node that reports it, by signal. */
export const meanings: Readonly<Record<Signal, { resource: Resource; condition: Condition }>> = {
  'memory.available': { resource: 'memory', condition: 'MemoryPressure' },
  'nodefs.available': { resource: 'ephemeral-storage', condition: 'DiskPressure' },
  'nodefs.inodesFree': { resource: 'inodes', condition: 'DiskPressure' },
  'imagefs.available': { resource: 'ephemeral-storage', condition: 'DiskPressure' },
  'imagefs.inodesFree': { resource: 'inodes', condition: 'DiskPressure' },
  'pid.available': { resource: 'pids', condition: 'PIDPressure' },
}

/** An amount, or a share of the capacity, of which at most `ofAtMost` counts. */
export type Amount = { quantity: number } | { share: number; ofAtMost?: number }

export interface Threshold {
  signal: Signal
  /** The threshold is met while less than this is available. */
  value: Amount
  /** How long a soft threshold must be met before pods are evicted; 0 for a hard one. */
  graceMs: number
  /** How much more must be available than `value` before the threshold counts as resolved. */
  minReclaim?: Amount
}

export interface Observation {
  available: number
  capacity: number
}

/** What was measured. A signal that could not be measured is absent, and its thresholds are not met. */
export type Observations = ReadonlyMap<Signal, Observation>

/** Source: GetThresholdQuantity upstream. */
export const amountIn = (amount: Amount, capacity: number): number =>
  'quantity' in amount
    ? amount.quantity
    : Math.floor(Math.min(capacity, amount.ofAtMost ?? Number.POSITIVE_INFINITY) * amount.share)

/** The part of a shared file system of which percentages are, in bytes and in inodes (one for each 16 KiB). */
export const sharedDisk = { bytes: 10 * 2 ** 30, inodes: 655_360 } as const

/** The hard thresholds of a node without a configuration. */
export function defaultThresholds(isShared: boolean): Threshold[] {
  const share = (signal: Signal, part: number, ofAtMost: number): Threshold => ({
    signal,
    value: { share: part, ...(isShared && { ofAtMost }) },
    graceMs: 0,
  })
  return [
    { signal: 'memory.available', value: { quantity: 100 * 2 ** 20 }, graceMs: 0 },
    share('nodefs.available', 0.1, sharedDisk.bytes),
    share('nodefs.inodesFree', 0.05, sharedDisk.inodes),
    share('imagefs.available', 0.15, sharedDisk.bytes),
    share('imagefs.inodesFree', 0.05, sharedDisk.inodes),
  ]
}

/** What is kept free of a resource, and so is not allocatable: the hard threshold. */
export function keptFree(thresholds: readonly Threshold[], signal: Signal, capacity: number): number {
  const hard = thresholds.find(threshold => threshold.signal === signal && threshold.graceMs === 0)
  return hard ? amountIn(hard.value, capacity) : 0
}

const binaryUnits = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei']

/** A number of bytes as a quantity in binary units, as Go writes it: `100Mi`, or `104857601`. */
export function bytesText(bytes: number): string {
  let [rest, unit] = [Math.floor(bytes), 0]
  while (rest !== 0 && rest % 1024 === 0 && unit < binaryUnits.length - 1) {
    rest /= 1024
    unit++
  }
  return `${rest}${binaryUnits[unit]}`
}

/** An amount of a resource as a quantity. */
export const amountText = (resource: Resource, amount: number): string =>
  resource === 'inodes' || resource === 'pids' ? canonicalQuantity(Math.floor(amount)) : bytesText(amount)
