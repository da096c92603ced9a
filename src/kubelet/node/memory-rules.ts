// What a node's configuration and its machine say of the memory of containers.
import type { Log } from '../../base/log.ts'
import type { Cgroups } from '../../linux/index.ts'
import { type MemoryRules, plainMemory } from '../config/memory.ts'
import type { KubeletConfig } from '../kubelet-config.ts'
import type { Machine } from './machine.ts'

/** Throws on a machine that swaps where the configuration does not allow it. */
export async function memoryRules(
  { failSwapOn, reserved, ...config }: KubeletConfig,
  machine: Pick<Machine, 'memoryBytes' | 'swapBytes'>,
  cgroups: Pick<Cgroups, 'version' | 'limitsSwap'> | undefined,
  log: Log,
): Promise<MemoryRules> {
  if (!cgroups) return plainMemory(machine.memoryBytes)
  const { version } = cgroups
  if (failSwapOn && machine.swapBytes)
    throw new Error('failSwapOn: running with swap on is not supported, please disable swap or set failSwapOn to false')
  if (version === 1 && (config.memoryThrottlingFactor !== undefined || config.swapBehavior === 'LimitedSwap'))
    log.warn('MemoryQoS and LimitedSwap have no effect: the machine has control groups of version 1')
  return {
    ...config,
    version,
    limitsSwap: await cgroups.limitsSwap(),
    capacityBytes: machine.memoryBytes,
    allocatableBytes: Math.max(0, machine.memoryBytes - reserved.memoryBytes),
    swapBytes: machine.swapBytes,
  }
}
