// The fields of a KubeletConfiguration for the managers of CPUs, memory and NUMA nodes.
// Source: kubernetes pkg/kubelet/apis/config/validation, pkg/kubelet/cm/*/policy_options.go.
import type { Fields } from '../../api/config-file.ts'
import { isQuantity, quantityValue } from '../../api/quantity.ts'
import type { CpuPolicyOptions } from '../cpus/manager.ts'
import { cpusIn } from '../cpus/plan.ts'
import type { Reserved } from '../node/groups.ts'
import type { TopologyPolicy } from './hints.ts'

export interface ManagersConfig {
  /** `static`: containers of Guaranteed pods with whole CPUs have these for themselves. */
  cpuManagerPolicy: 'none' | 'static'
  cpuPolicyOptions: CpuPolicyOptions
  /** The CPUs that no container has for itself; none for as many as are reserved. */
  reservedCpus: readonly number[]
  /** `Static`: containers of Guaranteed pods have their memory from certain NUMA nodes. */
  memoryManagerPolicy: 'None' | 'Static'
  /** What pods cannot have of each NUMA node: bytes by resource. */
  reservedMemory: ReadonlyMap<number, ReadonlyMap<string, number>>
  topologyManagerPolicy: TopologyPolicy
  topologyManagerScope: 'container' | 'pod'
  /** Whether, of sets of NUMA nodes of one size, those that are closest to each other are preferred. */
  prefersClosestNodes: boolean
}

const maxNumaId = 1_023

/** Named CPUs are what is reserved, whatever the amounts say, and `reserved` is changed to that. */
export function readManagers(root: Fields, reserved: Reserved): ManagersConfig {
  return { ...readCpus(root, reserved), ...readMemory(root), ...readTopologyManager(root) }
}

function readCpus(root: Fields, reserved: Reserved) {
  const cpuManagerPolicy = root.oneOf('cpuManagerPolicy', ['none', 'static'], 'none')
  const text = root.string('reservedSystemCPUs', '')
  const reservedCpus = cpusIn(text) ?? []
  if (text && !reservedCpus.length)
    root.problem('reservedSystemCPUs', `must be a set of CPUs such as 0-1,4, not ${JSON.stringify(text)}`)
  if (reservedCpus.length) reserved.cpuMilli = reservedCpus.length * 1000
  if (cpuManagerPolicy === 'static' && !reserved.cpuMilli)
    root.problem(
      'cpuManagerPolicy',
      'the static policy requires systemreserved.cpu + kubereserved.cpu to be greater than zero',
    )
  const options = root.object('cpuManagerPolicyOptions')
  const cpuPolicyOptions = {
    fullCores: switchOf(options, 'full-pcpus-only'),
    strictReservation: switchOf(options, 'strict-cpu-reservation'),
  }
  options.end()
  return { cpuManagerPolicy, cpuPolicyOptions, reservedCpus }
}

function readMemory(root: Fields) {
  const memoryManagerPolicy = root.oneOf('memoryManagerPolicy', ['None', 'Static'], 'None')
  const reservedMemory = new Map<number, Map<string, number>>()
  root.objects('reservedMemory').forEach((entry, at) => {
    const node = entry.integer('numaNode', { min: 0, max: maxNumaId }, 0)
    const limits = entry.object('limits')
    const amounts = reservedMemory.get(node) ?? new Map<string, number>()
    for (const resource of limits.names) {
      const text = limits.string(resource, '')
      if (resource !== 'memory' && !resource.startsWith('hugepages-'))
        limits.problem(resource, 'must be memory or the name of huge pages')
      else if (!isQuantity(text) || quantityValue(text) <= 0)
        limits.problem(resource, `must be a quantity that is positive, not ${JSON.stringify(text)}`)
      else if (amounts.has(resource)) limits.problem(resource, `was given for NUMA node ${node} before`)
      else amounts.set(resource, quantityValue(text))
    }
    if (!limits.names.length) root.problem(`reservedMemory[${at}].limits`, 'must have an amount')
    limits.end()
    entry.end()
    reservedMemory.set(node, amounts)
  })
  if (reservedMemory.size && memoryManagerPolicy === 'None')
    root.problem('reservedMemory', 'requires the memoryManagerPolicy Static')
  const total = Array.from(reservedMemory.values(), amounts => amounts.get('memory') ?? 0).reduce((a, b) => a + b, 0)
  if (memoryManagerPolicy === 'Static' && !total)
    root.problem('reservedMemory', '[memorymanager] you should specify the system reserved memory')
  return { memoryManagerPolicy, reservedMemory }
}

function readTopologyManager(root: Fields) {
  const policies = ['none', 'best-effort', 'restricted', 'single-numa-node'] as const
  const topologyManagerPolicy = root.oneOf('topologyManagerPolicy', policies, 'none')
  const topologyManagerScope = root.oneOf('topologyManagerScope', ['container', 'pod'], 'container')
  const options = root.object('topologyManagerPolicyOptions')
  const prefersClosestNodes = switchOf(options, 'prefer-closest-numa-nodes')
  options.end()
  return { topologyManagerPolicy, topologyManagerScope, prefersClosestNodes }
}

/** An option of a policy, whose value is a text. */
const switchOf = (options: Fields, name: string): boolean => options.oneOf(name, ['true', 'false'], 'false') === 'true'
