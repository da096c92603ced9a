// Sets up the management of CPUs as the kubelet's configuration says.
import { join } from 'node:path'
import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import type { KubeletConfig } from '../kubelet-config.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { CpuManager, type OnNode } from './manager.ts'
import { reservedCpus } from './plan.ts'
import { readTopology } from './topology.ts'

interface CpuParts {
  runtime: Runtime
  rootDir: string
  config: Pick<KubeletConfig, 'cpuManagerPolicy' | 'reservedCpus' | 'reserved'>
  /** Whether all pods of the node are in `workers`. */
  source: { readonly isComplete: boolean }
  workers: ReadonlyMap<string, OnNode>
  clock: Clock
  log: Log
  signal: AbortSignal
}

/** Undefined where all containers share all CPUs. Throws for CPUs that the machine does not have. */
export async function makeCpus(parts: CpuParts): Promise<CpuManager | undefined> {
  const { runtime, rootDir, config, source, workers, clock, log, signal } = parts
  if (config.cpuManagerPolicy !== 'static' || !runtime.real) return undefined
  const cpus = await readTopology()
  const unknown = config.reservedCpus.find(id => cpus.every(cpu => cpu.id !== id))
  if (unknown !== undefined) throw new Error(`reservedSystemCPUs: the machine has no CPU ${unknown}`)
  return new CpuManager({
    file: join(rootDir, 'cpu_manager_state'),
    cpus,
    reserved: reservedCpus(cpus, config.reservedCpus, config.reserved.cpuMilli),
    pods: () => workers.values(),
    isComplete: () => source.isComplete,
    runtime,
    clock,
    log,
    signal,
  })
}
