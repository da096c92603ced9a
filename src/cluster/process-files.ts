// The files that belong to the processes of a cluster: logs and locks, each by the key of the process's task, such as
// `server` or `agent/NODE`.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ClusterPaths } from './config.ts'

const fileName = (key: string) => key.replace('/', '-')

/** The log file of a process. */
export const logOf = (paths: Pick<ClusterPaths, 'logs'>, key: string): string =>
  join(paths.logs, `${fileName(key)}.log`)

/** The exit code of a process whose task is being run by another. */
export const lockedCode = 75

/** The words before a command that let it run only while no other process holds the same lock. Source: flock(1). */
export const lockOf = (paths: Pick<ClusterPaths, 'run'>, key: string): string[] => [
  'flock',
  '--no-fork',
  '--nonblock',
  '--conflict-exit-code',
  String(lockedCode),
  join(paths.run, `${fileName(key)}.lock`),
]

const tailBytes = 4096

/** The end of a log. */
export const logTail = (file: string): string => readFileSync(file).subarray(-tailBytes).toString().trim()

/** The last line of a log, without the prefix of the program's error messages. */
export function lastLine(file: string): string {
  const text = logTail(file)
  return text.slice(text.lastIndexOf('\n') + 1).replace(/^kutter: /, '')
}
