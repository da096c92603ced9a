// One command at a time changes a cluster: `up`, `down` and `node` hold a lock in its directory, which the kernel
// takes back however they end. Source: flock(1).
import { spawn } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { mkdir, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { realClock } from '../base/clock.ts'
import type { ClusterPaths } from './config.ts'

interface Lock {
  release(): Promise<void>
}

/** How long another command may take before somebody is told that he waits. */
const patienceMs = 300

const lockFile = (paths: ClusterPaths) => join(paths.root, 'command.lock')

/** Waits for the lock of a cluster; calls `waiting` when another command has it. */
async function takeLock(paths: ClusterPaths, waiting: () => void): Promise<Lock> {
  const file = lockFile(paths)
  for (let told = false; ; ) {
    await mkdir(paths.root, { recursive: true, mode: 0o700 })
    const lock = await holdFile(file, () => {
      if (!told) waiting()
      told = true
    })
    // The command before may have removed the directory, and somebody else made it again: then this is no lock.
    if (existsSync(file) && statSync(file).ino === lock.inode) return lock
    await lock.release()
  }
}

/** Runs `work` under the lock. Of a cluster that was not made after all nothing stays. */
export async function locked<T>(paths: ClusterPaths, waiting: () => void, work: () => Promise<T>): Promise<T> {
  const lock = await takeLock(paths, waiting)
  try {
    return await work()
  } finally {
    if (existsSync(paths.root) && !existsSync(paths.config)) {
      await rm(lockFile(paths), { force: true })
      // What else is there is not ours to remove.
      await rmdir(paths.root).catch(() => {})
    }
    await lock.release()
  }
}

/** Tells that another command is at work. */
export const sayBusy = (name: string, out: (text: string) => void) => () =>
  out(`Another kutter is at work on the cluster ${name}; waiting for it to end.\n`)

/** A child that holds the lock as long as we hold its input. */
function holdFile(file: string, waiting: () => void): Promise<Lock & { inode: number }> {
  return new Promise((resolve, reject) => {
    const script = 'exec 9>>"$0" && flock 9 && stat -Lc %i /proc/self/fd/9 && exec cat >/dev/null'
    const child = spawn('sh', ['-c', script, file], { stdio: ['pipe', 'pipe', 'inherit'], detached: true })
    const cancel = realClock.after(patienceMs, waiting)
    const ended = new Promise<void>(done => child.once('close', () => done()))
    child.once('error', error => (cancel(), reject(error)))
    child.once('exit', code => (cancel(), reject(new Error(`the lock ${file} cannot be taken (${code})`))))
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
