// How much of a disk a directory uses, like du(1), but with an end: after so many entries or so much time the result is
// what was found until then, and so at least that much is used. Memory is bounded too, since a directory is read in
// parts. Symbolic links are not followed, a file with several names counts once, and other file systems do not count.
import { lstat, opendir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../base/clock.ts'
import { type Size } from './usage.ts'

interface WalkLimits {
  entries: number
  ms: number
}

/** The unit of `blocks` in stat(2). */
const blockBytes = 512

/** A directory that does not exist uses nothing. Throws only when `signal` aborts. */
export async function treeSize(root: string, limits: WalkLimits, clock: Clock, signal: AbortSignal): Promise<Size> {
  const until = clock.steady() + limits.ms
  const seen = new Set<number>()
  const size = { bytes: 0, inodes: 0 }
  const top = await look(root)
  if (!top) return size
  const count = ({ blocks, ino, nlink }: Entry, isDirectory: boolean) => {
    if (!isDirectory && nlink > 1) {
      if (seen.has(ino)) return
      seen.add(ino)
    }
    size.bytes += blocks * blockBytes
    size.inodes++
  }
  count(top, true)
  const waiting = [root]
  for (let dir = waiting.pop(); dir !== undefined; dir = waiting.pop()) {
    try {
      for await (const { name } of await opendir(dir)) {
        signal.throwIfAborted()
        if (size.inodes >= limits.entries || clock.steady() >= until) return size
        const path = join(dir, name)
        const entry = await look(path)
        if (!entry || entry.dev !== top.dev) continue
        count(entry, entry.isDirectory())
        if (entry.isDirectory()) waiting.push(path)
      }
    } catch {
      // Files come and go during the walk, and a path may be too long to be opened. What was found counts.
      signal.throwIfAborted()
    }
  }
  return size
}

type Entry = NonNullable<Awaited<ReturnType<typeof look>>>

async function look(path: string) {
  try {
    return await lstat(path)
  } catch {
    return undefined
  }
}
