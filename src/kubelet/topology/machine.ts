// The CPUs and the NUMA nodes of the machine, as the kernel lists them.
// Source: the kernel's admin-guide/cputopology and ABI/stable/sysfs-devices-node.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { namesIn, textOf } from '../../base/files.ts'
import { type Cpu, cpusIn } from '../cpus/plan.ts'
import { memoryIn, readHugePages, readMemInfo } from '../node/machine.ts'
import { hugePageResource } from '../node/status.ts'

/** A part of the machine whose memory is near its CPUs. */
export interface NumaNode {
  readonly id: number
  /** The CPUs that are online. */
  readonly cpus: readonly number[]
  /** Bytes by resource: `memory`, and `hugepages-2Mi` and so on. */
  readonly bytes: ReadonlyMap<string, number>
  /** How far each node is, by its id; 10 for the node itself. */
  readonly distances: ReadonlyMap<number, number>
}

export interface Topology {
  readonly cpus: readonly Cpu[]
  /** By id; never empty. */
  readonly nodes: readonly NumaNode[]
}

/** Throws when the kernel does not say which CPUs there are. */
export async function readTopology(root = '/sys/devices/system'): Promise<Topology> {
  const online = await readFile(join(root, 'cpu/online'), 'utf8')
  const ids = cpusIn(online)
  if (!ids?.length) throw new Error(`${join(root, 'cpu/online')} has no CPUs: ${JSON.stringify(online)}`)
  const nodes = await readNodes(join(root, 'node'), ids)
  // On some virtual machines a CPU has no topology, and then it is a core of its own.
  const number = async (id: number, file: string, otherwise: number) =>
    Number(await readFile(join(root, `cpu/cpu${id}/topology`, file), 'utf8').catch(() => otherwise))
  const cpus = await Promise.all(
    ids.map(async id => ({
      id,
      core: await number(id, 'core_id', id),
      socket: await number(id, 'physical_package_id', 0),
      node: nodes.find(node => node.cpus.includes(id))?.id ?? nodes[0]!.id,
    })),
  )
  return { cpus, nodes }
}

/** A kernel without NUMA has one node with all of the CPUs, and the memory that it says elsewhere. */
async function readNodes(root: string, online: readonly number[]): Promise<NumaNode[]> {
  const ids = (await namesIn(root)).flatMap(name => /^node(\d+)$/.exec(name)?.[1] ?? []).map(Number)
  ids.sort((a, b) => a - b)
  if (!ids.length) {
    const bytes = new Map([['memory', (await readMemInfo())('MemTotal')]])
    return [{ id: 0, cpus: online, bytes, distances: new Map([[0, 10]]) }]
  }
  return Promise.all(
    ids.map(async id => {
      const dir = join(root, `node${id}`)
      const cpus = cpusIn(await textOf(join(dir, 'cpulist'))) ?? []
      const distances = (await textOf(join(dir, 'distance'))).trim().split(/\s+/).map(Number)
      const hugePages = await readHugePages(join(dir, 'hugepages'))
      return {
        id,
        cpus: cpus.filter(cpu => online.includes(cpu)),
        bytes: new Map([
          ['memory', memoryIn(await textOf(join(dir, 'meminfo')), 'MemTotal')],
          ...Array.from(hugePages, ([size, bytes]): [string, number] => [hugePageResource(size), bytes]),
        ]),
        distances: new Map(ids.map((other, at) => [other, distances[at] || 10])),
      }
    }),
  )
}
