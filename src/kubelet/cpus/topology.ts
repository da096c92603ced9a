// The CPUs of the machine, with their cores and sockets. Source: the kernel's admin-guide/cputopology.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Cpu, cpusIn } from './plan.ts'

/** Throws when the kernel does not say which CPUs there are. */
export async function readTopology(root = '/sys/devices/system/cpu'): Promise<Cpu[]> {
  const online = await readFile(join(root, 'online'), 'utf8')
  const ids = cpusIn(online)
  if (!ids?.length) throw new Error(`${join(root, 'online')} has no CPUs: ${JSON.stringify(online)}`)
  // On some virtual machines a CPU has no topology, and then it is a core of its own.
  const number = async (id: number, file: string, otherwise: number) =>
    Number(await readFile(join(root, `cpu${id}/topology`, file), 'utf8').catch(() => otherwise))
  return Promise.all(
    ids.map(async id => ({
      id,
      core: await number(id, 'core_id', id),
      socket: await number(id, 'physical_package_id', 0),
    })),
  )
}
