// Keeps a node's own containerd running. It is spawned detached, so that containers, shims and containerd outlive the
// agent, and the next agent attaches to the running one.
//
//   ensure ──running already?──yes──▶ attached ─┐
//     │ no                                      ├──▶ ready ──socket closes──▶ ensure again (with backoff)
//     └──write config, spawn, wait for CRI──────┘
import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { mkdir, readFile, rename, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { type Clock, realClock } from '../../base/clock.ts'
import { messageOf, StatusError } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { isRunning, sendSignal } from '../../linux/index.ts'
import { connectCri } from '../cri/index.ts'
import { textOf, whenThere } from '../../base/files.ts'
import { type ContainerdSettings, containerdConfig, containerdPaths } from './config.ts'

// What always holds: at most one containerd runs in a directory, since `ensure` starts none while the process in the
// pid file has the directory's configuration on its command line. A containerd that does not become ready after it was
// spawned is killed; one that was running before is left alone, as its containers depend on it.

interface ContainerdOptions extends ContainerdSettings {
  log: Log
  clock?: Clock
}

interface Running {
  pid: number
  /** False when it had been running before. */
  started: boolean
  /** From spawn to the first CRI answer. */
  readyMs: number
}

const startTimeoutMs = 30_000
const probePauseMs = 15
const maxLogBytes = 10 * 1024 * 1024
const maxSocketPathBytes = 107

/** Starts containerd unless it runs already. Resolves when it answers CRI calls; throws after 30 seconds. */
export async function ensureContainerd(o: ContainerdOptions, signal?: AbortSignal): Promise<Running> {
  const clock = o.clock ?? realClock
  const paths = containerdPaths(o.dir)
  if (Buffer.byteLength(paths.ttrpcSocket) > maxSocketPathBytes) {
    throw new StatusError(
      'InternalError',
      `${paths.ttrpcSocket} is longer than a socket's path may be; use a shorter data directory`,
    )
  }
  const startedAt = clock.steady()
  const pid = await runningPid(o.dir)
  if (pid !== undefined) {
    await waitReady(o, pid, clock, signal)
    return { pid, started: false, readyMs: clock.steady() - startedAt }
  }
  const spawned = await start(o)
  try {
    await waitReady(o, spawned, clock, signal)
  } catch (error) {
    sendSignal(spawned, 'SIGKILL')
    throw error
  }
  return { pid: spawned, started: true, readyMs: clock.steady() - startedAt }
}

const backoffMs = { first: 100, most: 10_000 }

/** Keeps containerd running until `signal` aborts. Calls `onRestart` each time after it was started. */
export async function keepContainerd(o: ContainerdOptions, signal: AbortSignal, onRestart: () => void): Promise<void> {
  const clock = o.clock ?? realClock
  let delayMs = backoffMs.first
  while (!signal.aborted) {
    try {
      const { started } = await ensureContainerd(o, signal)
      if (started) onRestart()
      const heldAt = clock.steady()
      await socketClosed(containerdPaths(o.dir).ttrpcSocket, signal)
      if (clock.steady() - heldAt > backoffMs.most) delayMs = backoffMs.first
      if (!signal.aborted) o.log.warn('containerd closed its socket')
    } catch (error) {
      if (signal.aborted) return
      o.log.error('containerd does not start', { error: messageOf(error), retryInMs: delayMs })
    }
    // It rejects only after an abort, for which the loop checks.
    await clock.sleep(delayMs, signal).catch(() => {})
    delayMs = Math.min(delayMs * 2, backoffMs.most)
  }
}

/** The process id of the containerd that runs in `dir`, if one does. */
export async function runningPid(dir: string): Promise<number | undefined> {
  const paths = containerdPaths(dir)
  const pid = Number(await textOf(paths.pid))
  if (!pid) return undefined
  // Another process may have the number by now, so the command line must contain the path of the configuration.
  const commandLine = await textOf(`/proc/${pid}/cmdline`)
  return commandLine.split('\0').includes(paths.config) ? pid : undefined
}

/** The snapshotter that works in `dir`. overlayfs cannot use another overlay, such as that of a container. */
async function snapshotterFor(dir: string): Promise<'overlayfs' | 'native'> {
  const overlayMagic = 0x794c7630
  return (await statfs(dir)).type === overlayMagic ? 'native' : 'overlayfs'
}

// CAP_SYS_RESOURCE is bit 24.
async function mayLowerOomScores(): Promise<boolean> {
  const bits = /^CapEff:\s*([0-9a-f]+)/m.exec(await readFile('/proc/self/status', 'utf8'))?.[1] ?? '0'
  return ((BigInt(`0x${bits}`) >> 24n) & 1n) === 1n
}

async function start(o: ContainerdOptions): Promise<number> {
  const paths = containerdPaths(o.dir)
  await mkdir(o.dir, { recursive: true, mode: 0o700 })
  await mkdir(o.cniConfDir, { recursive: true })
  const snapshotter = o.snapshotter ?? (await snapshotterFor(o.dir))
  const mayLowerOomScore = o.mayLowerOomScore ?? (await mayLowerOomScores())
  await writeFile(paths.config, containerdConfig({ ...o, snapshotter, mayLowerOomScore }), { mode: 0o600 })
  await rm(paths.socket, { force: true })
  await rm(paths.ttrpcSocket, { force: true })
  const log = await whenThere(() => stat(paths.log), undefined)
  if (log && log.size > maxLogBytes) await rename(paths.log, `${paths.log}.1`)

  const out = openSync(paths.log, 'a', 0o600)
  try {
    const child = spawn('containerd', ['--config', paths.config], {
      cwd: '/',
      detached: true,
      stdio: ['ignore', out, out],
      env: { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/sbin:/usr/bin:/sbin:/bin`, NOTIFY_SOCKET: '' },
    })
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve)
      child.once('error', cause => {
        const missing = 'containerd: program not found; install the package containerd'
        reject(new StatusError('InternalError', missing, { cause }))
      })
    })
    child.unref()
    await writeFile(paths.pid, String(child.pid))
    o.log.info('containerd started', { pid: child.pid, dir: o.dir })
    return child.pid!
  } finally {
    closeSync(out)
  }
}

async function waitReady(o: ContainerdOptions, pid: number, clock: Clock, signal?: AbortSignal): Promise<void> {
  const paths = containerdPaths(o.dir)
  const deadline = clock.steady() + startTimeoutMs
  let refusal = 'its socket does not accept'
  for (;;) {
    if (await accepts(paths.socket)) {
      // The socket accepts connections before the CRI plugin has recovered the existing containers.
      const answer = await askVersion(paths.socket, signal)
      if (answer === 'ready') return
      refusal = answer
    }
    signal?.throwIfAborted()
    if (!isRunning(pid)) throw new StatusError('InternalError', `containerd ended: ${await lastLogLine(paths.log)}`)
    if (clock.steady() > deadline) {
      throw new StatusError('Timeout', `containerd is not ready after ${startTimeoutMs} ms: ${refusal}`)
    }
    await clock.sleep(probePauseMs, signal)
  }
}

const askTimeoutMs = 5000

async function askVersion(socket: string, signal?: AbortSignal): Promise<string> {
  using client = connectCri(socket)
  try {
    await client.cri.version({ version: 'v1' }, { signal, timeoutMs: askTimeoutMs })
    return 'ready'
  } catch (error) {
    return messageOf(error)
  }
}

function accepts(socket: string): Promise<boolean> {
  return new Promise(resolve => {
    const probe = connect(socket)
    probe.once('connect', () => {
      probe.destroy()
      resolve(true)
    })
    probe.once('error', () => resolve(false))
  })
}

// Nothing is sent on this connection. The kernel closes it as soon as the other process ends.
function socketClosed(socket: string, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const held = connect(socket)
    const onAbort = () => held.destroy()
    signal.addEventListener('abort', onAbort, { once: true })
    held.on('error', () => {})
    held.once('close', () => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    })
  })
}

async function lastLogLine(path: string): Promise<string> {
  const text = await textOf(path)
  return text.trim().split('\n').at(-1) || `no message in ${path}`
}
