// Sets and reads kernel settings below /proc/sys. Those of the network belong to the network namespace of this process.
import { readFile, writeFile } from 'node:fs/promises'
import type { Log } from '../base/log.ts'
import { messageOf } from '../base/errors.ts'

/**
 * Sets a setting such as `net/ipv4/ip_forward` unless it has the value already. A failure is logged, not thrown.
 * @param root where the settings are
 */
export async function setKernel(name: string, value: string, log: Log, root = '/proc/sys'): Promise<void> {
  const file = `${root}/${name}`
  try {
    if ((await readFile(file, 'utf8')).trim() !== value) await writeFile(file, value)
  } catch (error) {
    log.warn('cannot set a kernel setting that pods need', {
      setting: name.replaceAll('/', '.'),
      why: messageOf(error),
    })
  }
}

/** The value of a setting; undefined if the kernel does not have it. */
export async function readKernel(name: string, root = '/proc/sys'): Promise<string | undefined> {
  try {
    return (await readFile(`${root}/${name}`, 'utf8')).trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
