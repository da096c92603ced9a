// Gets signals of shutdowns from systemd-logind, and delays them: a process of systemd-inhibit holds the delay, and one of
// busctl reports the signal PrepareForShutdown. Machines without them cannot be delayed, and their pods end as the
// processes of the machine do.
// Sources: systemd-inhibit(1), busctl(1), org.freedesktop.login1(5); kubernetes pkg/kubelet/nodeshutdown/systemd.
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'

/** The border between the shutdown of a node and that of its machine. */
export interface ShutdownSource {
  /**
   * Delays shutdowns until `release` is called, and calls `changed` with true when one begins, and with false when it is
   * called off. Calls `ended` when no signal can come any more. Undefined where shutdowns cannot be delayed.
   */
  follow(changed: (isShuttingDown: boolean) => void, ended: (why: string) => void): { release(): void } | undefined
}

const programs = ['systemd-inhibit', 'busctl'] as const
const match =
  "type='signal',interface='org.freedesktop.login1.Manager',member='PrepareForShutdown',path='/org/freedesktop/login1'"

/** @param systemDir a directory that exists where systemd runs */
export const logindSource = (systemDir = '/run/systemd/system', path = process.env.PATH ?? ''): ShutdownSource => ({
  follow(changed, ended) {
    const isThere = (name: string) => path.split(delimiter).some(dir => existsSync(join(dir, name)))
    if (!existsSync(systemDir) || !programs.every(isThere)) return undefined
    const env = { ...process.env, PATH: path }
    let isReleased = false
    const failed = (why: string) => {
      if (!isReleased) ended(why)
    }
    // The delay lasts as long as cat reads, so that it ends with this process, however that ends.
    const lock = start(
      'systemd-inhibit',
      ['--what=shutdown', '--mode=delay', '--who=kubelet', '--why=Kubelet needs time to handle node shutdown', 'cat'],
      env,
      failed,
    )
    const monitor = start('busctl', ['--system', 'monitor', `--match=${match}`, '--json=short'], env, failed)
    if (monitor.stdout)
      createInterface({ input: monitor.stdout }).on('line', line => {
        const isShuttingDown = shutdownIn(line)
        if (isShuttingDown !== undefined) changed(isShuttingDown)
      })
    return {
      release() {
        isReleased = true
        lock.stdin?.end()
        monitor.kill()
      },
    }
  },
})

function start(
  name: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  failed: (why: string) => void,
): ChildProcess {
  const child = spawn(name, args, { env, stdio: ['pipe', 'pipe', 'ignore'] })
  child.on('error', error => failed(`${name}: ${error.message}`))
  child.on('exit', code => failed(`${name} has ended with ${code}`))
  child.stdin.on('error', () => {})
  // It must not keep this process from ending.
  child.unref()
  return child
}

/** The argument of the signal in a line of busctl; undefined for any other line. */
export function shutdownIn(line: string): boolean | undefined {
  try {
    const { member, payload } = JSON.parse(line) as { member?: unknown; payload?: { data?: unknown[] } }
    const value = payload?.data?.[0]
    return member === 'PrepareForShutdown' && typeof value === 'boolean' ? value : undefined
  } catch {
    return undefined
  }
}
