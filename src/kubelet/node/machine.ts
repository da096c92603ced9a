// Reads the facts of the machine that the Node object contains: processors, memory, disk, identity.
import { readdir, readFile, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { arch, availableParallelism, release, totalmem } from 'node:os'

export interface Machine {
  cpuMilli: number
  memoryBytes: number
  /** 0 on a machine that does not swap. */
  swapBytes: number
  /** The most processes at once. */
  maxPids: number
  ephemeralStorageBytes: number
  /** The memory that is set aside for huge pages, in bytes, by the size of a page in bytes. */
  hugePages: ReadonlyMap<number, number>
  machineID: string
  systemUUID: string
  bootID: string
  kernelVersion: string
  osImage: string
  architecture: string
}

const goArch = (name: string): string => ({ x64: 'amd64', ia32: '386' })[name] ?? name

export async function readMachine(rootDir: string): Promise<Machine> {
  const text = async (path: string) => {
    try {
      return (await readFile(path, 'utf8')).trim()
    } catch {
      // Containers and small boards lack some of these files, and the value is empty then.
      return ''
    }
  }
  const fs = await statfs(rootDir)
  const osRelease = await text('/etc/os-release')
  const machineID = await text('/etc/machine-id')
  return {
    cpuMilli: availableParallelism() * 1000,
    memoryBytes: totalmem(),
    swapBytes: (await readMemInfo())('SwapTotal'),
    maxPids: Number(await text('/proc/sys/kernel/pid_max')),
    ephemeralStorageBytes: fs.blocks * fs.bsize,
    hugePages: await readHugePages(),
    machineID,
    systemUUID: (await text('/sys/class/dmi/id/product_uuid')) || machineID,
    bootID: await text('/proc/sys/kernel/random/boot_id'),
    kernelVersion: release(),
    osImage: /^PRETTY_NAME="?([^"\n]*)"?/m.exec(osRelease)?.[1] ?? 'Linux',
    architecture: goArch(arch()),
  }
}

/** The fields of /proc/meminfo in bytes, by name. Source: proc_meminfo(5). */
export async function readMemInfo(): Promise<(name: string) => number> {
  const text = await readFile('/proc/meminfo', 'utf8')
  return name => memoryIn(text, name)
}

/** A field in bytes of such a text, also of that of a NUMA node, whose lines begin with the node's name. */
export const memoryIn = (text: string, field: string): number =>
  Number(new RegExp(`^(?:Node \\d+ )?${field}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0) * 1024

/** The bytes of huge pages by the size of a page. Source: the kernel's admin-guide/mm/hugetlbpage. */
export async function readHugePages(root = '/sys/kernel/mm/hugepages'): Promise<ReadonlyMap<number, number>> {
  const pools = new Map<number, number>()
  for (const name of await readdir(root).catch(() => [])) {
    const size = Number(/^hugepages-(\d+)kB$/.exec(name)?.[1]) * 1024
    if (size) pools.set(size, size * Number(await readFile(join(root, name, 'nr_hugepages'), 'utf8')))
  }
  return pools
}

/** The machine of simulated nodes. */
export const simulatedMachine: Machine = {
  cpuMilli: 32_000,
  memoryBytes: 256 * 2 ** 30,
  swapBytes: 0,
  maxPids: 4_194_304,
  ephemeralStorageBytes: 2 ** 40,
  hugePages: new Map(),
  machineID: '',
  systemUUID: '',
  bootID: 'simulated',
  kernelVersion: 'simulated',
  osImage: 'Simulated',
  architecture: 'amd64',
}
