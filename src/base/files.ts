// Files that others remove and read at any moment: those of processes under /proc, sockets, bundles of containers, and
// what a program that is killed must not leave half-written.
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import type { Clock } from './clock.ts'

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

let written = 0

/**
 * Writes a file beside the old one, and renames it: a reader, or a program after a crash, finds one of the two whole. Of
 * several that replace it at the same time, also in other processes, the last one counts.
 */
export async function replaceFile(path: string, text: string | Uint8Array, options: WriteOptions = {}): Promise<void> {
  const next = `${path}.${process.pid}-${++written}.new`
  try {
    await writeFile(next, text, options)
    await rename(next, path)
  } catch (error) {
    await rm(next, { force: true })
    throw error
  }
}

/** How long a lock is waited for. One that stays is what a program that was killed has left. */
const lockMs = 3_000
const lockLookMs = 20

/**
 * Runs `work`, which reads and replaces a file, while no other program does that: the lock is a file beside it, as that of
 * client-go. Source: client-go tools/clientcmd/config.go (lockFile).
 */
export async function withFileLocked<T>(path: string, clock: Clock, work: () => Promise<T>): Promise<T> {
  const lock = `${path}.lock`
  const until = clock.steady() + lockMs
  let isTaken = false
  while (!isTaken && clock.steady() < until) {
    isTaken = await writeFile(lock, '', { flag: 'wx', mode: 0o600 }).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error
        return false
      },
    )
    if (!isTaken) await clock.sleep(lockLookMs)
  }
  try {
    return await work()
  } finally {
    if (isTaken) await rm(lock, { force: true })
  }
}
