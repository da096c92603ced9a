// The usage of a volume, from the answer of its driver.
import type { Usage } from '../volumes/volume.ts'
import type { CsiMessage } from './calls.ts'

/** What a driver says in bytes and in inodes. What it leaves out is 0; with no bytes at all the answer is worth nothing. */
export function usageOf({ usage }: CsiMessage<'NodeGetVolumeStatsResponse'>): Usage | undefined {
  const bytes = usage.find(({ unit }) => unit === 'BYTES')
  const inodes = usage.find(({ unit }) => unit === 'INODES')
  if (!bytes) return undefined
  return {
    capacityBytes: bytes.total,
    availableBytes: bytes.available,
    usedBytes: bytes.used,
    inodes: inodes?.total ?? 0,
    inodesFree: inodes?.available ?? 0,
    inodesUsed: inodes?.used ?? 0,
  }
}
