// Processes by their ids.
import { readFileSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'

/** Sends a signal. Returns false when there is no such process. Throws what else the kernel refuses, such as EPERM. */
export function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal)
  } catch (error) {
    if (isGone(error)) return false
    throw error
  }
}

/**
 * Whether a process runs. One that has ended and whose parent has not asked for its status, a zombie, does not: on a
 * machine or in a container whose first process collects no orphans, it would stay for ever. Source: proc_pid_stat(5).
 */
export function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name before the state is in parentheses and may contain any character.
    const state = stat.charAt(stat.lastIndexOf(')') + 2)
    return state !== 'Z' && state !== 'X'
  } catch (error) {
    if (isGone(error)) return false
    throw error
  }
}

// ESRCH is also what a read gives when the process ends just then.
const isGone = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH')

/** The processes of the machine other than this one, with the words of their command lines. */
export async function commandLines(): Promise<{ pid: number; words: string[] }[]> {
  const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name) && Number(name) !== process.pid)
  return Promise.all(
    pids.map(async pid => {
      // A process that has ended meanwhile has no file, and a kernel thread has no words.
      const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
      return { pid: Number(pid), words: text.split('\0').filter(Boolean) }
    }),
  )
}
