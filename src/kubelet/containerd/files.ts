// Reads files that may vanish at any moment: processes under /proc, sockets, bundles of containers.
import { readdir, readFile } from 'node:fs/promises'

// ESRCH stands for a process that ended between open and read.
const missingCodes = ['ENOENT', 'ENOTDIR', 'ESRCH']

/** The text of a file, or '' when there is no such file. */
export async function textOf(path: string): Promise<string> {
  return whenThere(() => readFile(path, 'utf8'), '')
}

/** The names in a directory; none when there is no such directory. */
export async function namesIn(path: string): Promise<string[]> {
  return whenThere(() => readdir(path), [])
}

/** The result of `look`, or `otherwise` when the file does not exist. */
export async function whenThere<T>(look: () => Promise<T>, otherwise: T): Promise<T> {
  try {
    return await look()
  } catch (error) {
    if (missingCodes.includes((error as NodeJS.ErrnoException).code ?? '')) return otherwise
    throw error
  }
}
