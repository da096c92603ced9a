// Reading what may be gone the next moment: processes under /proc, sockets, bundles of containers.
import { readdir, readFile } from 'node:fs/promises'

// ESRCH: the process ended between open and read.
const gone = ['ENOENT', 'ENOTDIR', 'ESRCH']

/** A file's text, or nothing when there is no such file. */
export async function textOf(path: string): Promise<string> {
  return whenThere(() => readFile(path, 'utf8'), '')
}

/** The names in a directory, or none when there is no such directory. */
export async function namesIn(path: string): Promise<string[]> {
  return whenThere(() => readdir(path), [])
}

/** What `look` finds, or `otherwise` when it is not there. */
export async function whenThere<T>(look: () => Promise<T>, otherwise: T): Promise<T> {
  try {
    return await look()
  } catch (error) {
    if (gone.includes((error as NodeJS.ErrnoException).code ?? '')) return otherwise
    throw error
  }
}
