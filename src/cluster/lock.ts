// Only one command at a time changes a cluster: `up`, `down` and `node` hold a lock on a file in its directory. The
// kernel releases the lock when the command ends, also after a crash. Source: flock(1).
import { spawn } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { mkdir, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { realClock } from '../base/clock.ts'
import type { ClusterPaths } from './config.ts'

interface Lock {
  release(): Promise<void>
}

/** How often the file may be gone again before it can be opened, since its directory was removed by another command. */
const maxTries = 20
/** How long to wait silently before reporting that another command holds the lock. */
const patienceMs = 300

const lockFile = (paths: ClusterPaths) => join(paths.root, 'command.lock')

/** Waits for the lock of a cluster, however long another command holds it; calls `waiting` at most once meanwhile. */
async function takeLock(paths: ClusterPaths, waiting: () => void): Promise<Lock> {
  const file = lockFile(paths)
  let reported = false
  for (let tries = 1; ; tries++) {
    await mkdir(paths.root, { recursive: true, mode: 0o700 })
    const lock = await holdFile(file, () => {
      if (!reported) waiting()
      reported = true
    })
    if (!lock) {
      if (tries < maxTries) continue
      throw new Error(`${file} cannot be opened`)
    }
    // The previous holder may have removed the directory, and a third command may have created it again. Then this lock
    // is on a file that nobody else can find, and is worth nothing.
    if (existsSync(file) && statSync(file).ino === lock.inode) return lock
    await lock.release()
  }
}

/** Runs `work` while holding the lock. If no configuration exists afterwards, the directory is removed again. */
export async function locked<T>(paths: ClusterPaths, waiting: () => void, work: () => Promise<T>): Promise<T> {
  const lock = await takeLock(paths, waiting)
  try {
    return await work()
  } finally {
    if (existsSync(paths.root) && !existsSync(paths.config)) {
      await rm(lockFile(paths), { force: true })
      // Fails when the directory holds something else, which is then left alone.
      await rmdir(paths.root).catch(() => {})
    }
    await lock.release()
  }
}

/** A function that reports that another command holds the lock. */
export const reportBusy = (name: string, out: (text: string) => void) => () =>
  out(`Another kutter command is changing the cluster ${name}. Waiting for it to finish.\n`)

/** The exit code of the child process for a file that cannot be opened. */
const cannotOpen = 3

/**
 * Starts a child process that holds the lock until its standard input is closed, which the end of this process does
 * too. Resolves to undefined if the file cannot be opened.
 */
function holdFile(file: string, waiting: () => void): Promise<(Lock & { inode: number }) | undefined> {
  return new Promise((resolve, reject) => {
    const script = `{ command exec 9>>"$0"; } 2>/dev/null || exit ${cannotOpen}; flock 9 && stat -Lc %i /proc/self/fd/9 && exec cat >/dev/null`
    const child = spawn('sh', ['-c', script, file], { stdio: ['pipe', 'pipe', 'inherit'], detached: true })
    const cancel = realClock.after(patienceMs, waiting)
    const ended = new Promise<void>(done => child.once('close', () => done()))
    child.once('error', error => (cancel(), reject(error)))
    child.once('exit', code => {
      cancel()
      if (code === cannotOpen) resolve(undefined)
      else reject(new Error(`cannot lock ${file}: flock ended with code ${code}`))
    })
    child.stdout.once('data', (text: Buffer) => {
      cancel()
      resolve({
        inode: Number(text.toString()),
        async release() {
          child.stdin.end()
          await ended
        },
      })
    })
  })
}
