// Files that others remove and read at any moment: those of processes under /proc, sockets, bundles of containers, and
// what a program that is killed must not leave half-written.
import { readdir, readFile, rename, writeFile } from 'node:fs/promises'

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

interface WriteOptions {
  mode?: number
  /** Whether the file is on the disk before it takes the place of the old one. */
  flush?: boolean
}

/** Writes a file beside the old one, and renames it: a reader, or a program after a crash, finds one of the two whole. */
export async function replaceFile(path: string, text: string, options: WriteOptions = {}): Promise<void> {
  await writeFile(`${path}.new`, text, options)
  await rename(`${path}.new`, path)
}
