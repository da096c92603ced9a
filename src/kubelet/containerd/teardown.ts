// Stops a node's containerd with everything that it runs, and leaves nothing behind. Pods are first stopped through
// CRI, so that CNI plugins release their addresses. What is left after that is killed and removed, which also works
// when containerd does not answer or has ended before.
import { rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, realClock } from '../../base/clock.ts'
import { messageOf, StatusError } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { findCgroups, isRunning, realMounts, sendSignal } from '../../linux/index.ts'
import { connectCri } from '../cri/index.ts'
import { containerdPaths } from './config.ts'
import { namesIn, textOf } from '../../base/files.ts'
import { runningPid } from './daemon.ts'

interface TeardownOptions {
  /** The directory given to `ensureContainerd`. */
  dir: string
  log: Log
  clock?: Clock
  /** The control groups of the pods, such as `/kutter/node-1`, which are removed with everything in them. */
  cgroups?: readonly string[]
  /** Also removes images, logs and configuration. */
  purge?: boolean
}

const politeMs = 20_000
const atOnce = 16

/** Stops all pods, their shims and containerd, and removes mounts and files. It can be called again after a failure. */
export async function stopEverything(o: TeardownOptions): Promise<void> {
  const paths = containerdPaths(o.dir)
  const pid = await runningPid(o.dir)
  if (pid !== undefined) await stopPods(paths.socket, o)
  if (pid !== undefined) await end(pid, o)
  await endShims(o)
  const cgroups = await findCgroups()
  for (const path of o.cgroups ?? []) await cgroups.remove(path, { kill: true, ...(o.clock ? { clock: o.clock } : {}) })
  await realMounts.unmountAll(o.dir)
  for (const path of [paths.state, paths.socket, paths.ttrpcSocket, paths.pid])
    await rm(path, { recursive: true, force: true })
  if (o.purge) await rm(o.dir, { recursive: true, force: true })
  // Shims and libcni create these whatever the configuration is. They stay as long as they are not empty.
  for (const shared of ['/run/containerd/s', '/run/containerd', cniResults, '/var/lib/cni']) {
    await removeIfEmpty(shared)
  }
}

async function stopPods(socket: string, o: TeardownOptions): Promise<void> {
  const { cri, close } = connectCri(socket)
  const limit = { timeoutMs: politeMs }
  try {
    const { items } = await cri.listPodSandbox({}, limit)
    for (let i = 0; i < items.length; i += atOnce) {
      await Promise.all(
        items.slice(i, i + atOnce).map(async ({ id }) => {
          await cri.stopPodSandbox({ podSandboxId: id }, limit)
          await cri.removePodSandbox({ podSandboxId: id }, limit)
        }),
      )
    }
  } catch (error) {
    o.log.warn('containerd did not stop its pods; killing them', { error: messageOf(error) })
  } finally {
    close()
  }
}

// Shims outlive containerd by design. Each bundle has the container's first process and the socket of the shim.
async function endShims(o: TeardownOptions): Promise<void> {
  const paths = containerdPaths(o.dir)
  for (const id of await namesIn(paths.bundles)) {
    const bundle = join(paths.bundles, id)
    const init = Number(await textOf(join(bundle, 'init.pid')))
    if (init && (await belongs(init, id))) sendSignal(init, 'SIGKILL')
    const address = await textOf(join(bundle, 'address'))
    if (address.startsWith('unix://')) await rm(address.slice('unix://'.length).trim(), { force: true })
  }
  await removeCniResults(await namesIn(paths.bundles))
  for (const pid of await shims(paths.socket)) await end(pid, o, 'SIGKILL')
}

const cniResults = '/var/lib/cni/results'

// libcni keeps a file `NETWORK-SANDBOX-INTERFACE` for each sandbox until plugins remove it. The interfaces themselves
// vanish with the network namespace.
async function removeCniResults(sandboxes: readonly string[]): Promise<void> {
  for (const name of await namesIn(cniResults)) {
    if (sandboxes.some(id => name.includes(`-${id}-`))) await rm(join(cniResults, name), { force: true })
  }
}

// Process ids are used again, so the process must be in a control group with the container's id.
async function belongs(pid: number, containerId: string): Promise<boolean> {
  const cgroup = await textOf(`/proc/${pid}/cgroup`)
  return cgroup.includes(containerId)
}

async function shims(socket: string): Promise<number[]> {
  const found: number[] = []
  for (const name of await namesIn('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const words = (await textOf(`/proc/${name}/cmdline`)).split('\0')
    if (words[0]?.includes('containerd-shim') && words[words.indexOf('-address') + 1] === socket)
      found.push(Number(name))
  }
  return found
}

const endMs = 5000
const endPauseMs = 10

async function end(pid: number, o: TeardownOptions, first: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  const clock = o.clock ?? realClock
  for (const signal of [first, 'SIGKILL'] as const) {
    sendSignal(pid, signal)
    for (let waitedMs = 0; waitedMs < endMs; waitedMs += endPauseMs) {
      if (!isRunning(pid)) return
      await clock.sleep(endPauseMs)
    }
  }
  throw new StatusError('Timeout', `process ${pid} is still there after SIGKILL`)
}

async function removeIfEmpty(path: string): Promise<void> {
  try {
    await rmdir(path)
  } catch (error) {
    if (!['ENOENT', 'ENOTEMPTY', 'EBUSY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}
