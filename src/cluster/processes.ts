// The processes of a cluster, found by what they were started with: also those that nobody answers for any more.
import { readdir, readFile } from 'node:fs/promises'
import type { Clock } from '../base/clock.ts'
import { type ClusterPaths, defaultDataDir, defaultName } from './config.ts'
import { kill } from './supervisor.ts'

interface FoundProcess {
  pid: number
  line: string
}

/** Supervisor, server and agents of the cluster. */
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

/** Whatever has a file below the cluster's directory on its command line: containerd, its shims. */
export async function processesBelow(dir: string): Promise<FoundProcess[]> {
  const found = await commandLines()
  return found.flatMap(({ pid, words }) =>
    words.some(word => word.includes(`${dir}/`)) ? [{ pid, line: words.join(' ') }] : [],
  )
}

const stopMs = 10_000
const lookMs = 20

/** Ends the cluster's roles that are left; they start each other, so it looks until there is none. */
export async function endRoles(paths: ClusterPaths, name: string, clock: Clock): Promise<void> {
  const deadline = clock.now() + stopMs
  for (;;) {
    const left = await rolesOf(paths, name)
    if (!left.length) return
    const late = clock.now() > deadline
    for (const { pid } of left) kill(pid, late ? 'SIGKILL' : 'SIGTERM')
    await clock.sleep(lookMs)
    if (clock.now() > deadline + stopMs)
      throw new Error(`process ${left[0]!.pid} (${left[0]!.line.slice(0, 60)}) does not end`)
  }
}

/** The value of `--name VALUE` or `--name=VALUE`. */
function optionOf(args: readonly string[], name: string, otherwise: string): string | undefined {
  const at = args.findIndex(arg => arg === `--${name}` || arg.startsWith(`--${name}=`))
  if (at < 0) return otherwise
  const flag = args[at]!
  return flag.includes('=') ? flag.slice(flag.indexOf('=') + 1) : args[at + 1]
}

async function commandLines(): Promise<{ pid: number; words: string[] }[]> {
  const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name) && Number(name) !== process.pid)
  return Promise.all(
    pids.map(async pid => {
      // Gone the next moment, or a thread of the kernel: no words.
      const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
      return { pid: Number(pid), words: text.split('\0').filter(Boolean) }
    }),
  )
}
