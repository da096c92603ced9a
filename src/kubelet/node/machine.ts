// Reads the facts of the machine that the Node object contains: processors, memory, disk, identity.
import { readFile, statfs } from 'node:fs/promises'
import { arch, availableParallelism, release, totalmem } from 'node:os'

export interface Machine {
  cpuMilli: number
  memoryBytes: number
  ephemeralStorageBytes: number
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
    ephemeralStorageBytes: fs.blocks * fs.bsize,
    machineID,
    systemUUID: (await text('/sys/class/dmi/id/product_uuid')) || machineID,
    bootID: await text('/proc/sys/kernel/random/boot_id'),
    kernelVersion: release(),
    osImage: /^PRETTY_NAME="?([^"\n]*)"?/m.exec(osRelease)?.[1] ?? 'Linux',
    architecture: goArch(arch()),
  }
}

/** The machine of simulated nodes. */
export const simulatedMachine: Machine = {
  cpuMilli: 32_000,
  memoryBytes: 256 * 2 ** 30,
  ephemeralStorageBytes: 2 ** 40,
  machineID: '',
  systemUUID: '',
  bootID: '',
  kernelVersion: 'simulated',
  osImage: 'Simulated',
  architecture: 'amd64',
}
