// Finds the processes of a cluster by their command lines, also those that no supervisor has a life line to.
import type { Clock } from '../base/clock.ts'
import { type ClusterPaths, defaultDataDir, defaultName } from './config.ts'
import { commandLines, sendSignal } from '../linux/index.ts'

interface FoundProcess {
  pid: number
  line: string
}

/** The supervisor, server and agents of a cluster. */
export async function rolesOf(paths: ClusterPaths, name: string): Promise<FoundProcess[]> {
  const found = await commandLines()
  return found.flatMap(({ pid, words }) => {
    const program = words.findIndex(word => /(^|\/)(supervisor-)?main\.(js|ts)$/.test(word))
    if (program < 0) return []
    const args = words.slice(program + 1)
    const supervisor = words[program]!.includes('supervisor-main') && args[0] === name && args[1] === paths.dataDir
    const role =
      ['server', 'agent'].includes(args[0]!) &&
      optionOf(args, 'name', defaultName) === name &&
      optionOf(args, 'data-dir', defaultDataDir) === paths.dataDir
    return supervisor || role ? [{ pid, line: words.join(' ') }] : []
  })
}

/** Processes with a file below `dir` on their command line, such as containerd and its shims. */
export async function processesBelow(dir: string): Promise<FoundProcess[]> {
  const found = await commandLines()
  return found.flatMap(({ pid, words }) =>
    words.some(word => word.includes(`${dir}/`)) ? [{ pid, line: words.join(' ') }] : [],
  )
}

const stopMs = 10_000
const lookMs = 20

/**
 * Ends the supervisor, server and agents that are left. They may start each other meanwhile, so it repeats until none
 * is found: with SIGTERM for 10 s, then with SIGKILL for another 10 s. Throws when one is left even then.
 */
export async function endRoles(paths: ClusterPaths, name: string, clock: Clock): Promise<void> {
  const deadline = clock.steady() + stopMs
  for (;;) {
    const left = await rolesOf(paths, name)
    if (!left.length) return
    const late = clock.steady() > deadline
    for (const { pid } of left) sendSignal(pid, late ? 'SIGKILL' : 'SIGTERM')
    await clock.sleep(lookMs)
    if (clock.steady() > deadline + stopMs)
      throw new Error(`process ${left[0]!.pid} does not end, even with SIGKILL: ${left[0]!.line.slice(0, 60)}`)
  }
}

/** The value of `--name VALUE` or `--name=VALUE`. */
function optionOf(args: readonly string[], name: string, otherwise: string): string | undefined {
  const at = args.findIndex(arg => arg === `--${name}` || arg.startsWith(`--${name}=`))
  if (at < 0) return otherwise
  const flag = args[at]!
  return flag.includes('=') ? flag.slice(flag.indexOf('=') + 1) : args[at + 1]
}
