// Control groups: limits and usage of groups of processes, on cgroup v2 and on the v1 hierarchies, also in the mixed
// layout with a v2 tree that has no controllers. Paths begin at the root of the hierarchy, such as
// `/kutter/node/kubepods/burstable/podX`. Source: cgroups(7), the kernel's cgroup-v2 and cgroup-v1 docs.
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, realClock } from '../base/clock.ts'
import { messageOf, StatusError } from '../base/errors.ts'
import { type CgroupDetail, detailOfV1, detailOfV2, tableOf } from './cgroup-detail.ts'
import { realMounts } from './mount.ts'
import { sendSignal } from './process.ts'

export interface CgroupLimits {
  /** Relative weight from 2 to 262144, in the unit of v1, where 1024 is one core. On v2 it is converted. */
  cpuShares?: number
  /** Microseconds of CPU for each period; -1 removes the limit. */
  cpuQuotaUs?: number
  /** Default 100000. */
  cpuPeriodUs?: number
  /** -1 removes the limit. */
  memoryBytes?: number
  /** What is kept for the group: nothing takes it, or nothing as long as there is other memory. Version 2 only. */
  memoryMinBytes?: number
  memoryLowBytes?: number
  /** -1 removes the limit. */
  pids?: number
}

interface CgroupUsage {
  /** CPU time used since the group was created. */
  cpuNs: number
  /** All memory that is charged to the group, page cache included. */
  memoryBytes: number
  /** Memory without the inactive page cache, as used by eviction and `kubectl top`. */
  workingSetBytes: number
  rssBytes: number
  pageFaults: number
  majorPageFaults: number
  pids: number
}

export interface Cgroups {
  readonly version: 1 | 2
  /** Whether the kernel limits the swap of a group. */
  limitsSwap(): Promise<boolean>
  /** Creates the group and its parents if needed, and sets its limits. */
  ensure(path: string, limits?: CgroupLimits): Promise<void>
  exists(path: string): Promise<boolean>
  /** The present usage; undefined when the group does not exist. */
  usage(path: string): Promise<CgroupUsage | undefined>
  /** What the kernel counts beyond that, and the group's limits; undefined when the group does not exist. */
  detail(path: string): Promise<CgroupDetail | undefined>
  /** The names of the groups directly below it; none when it does not exist. */
  children(path: string): Promise<readonly string[]>
  /** The ids of the processes in the group and in the groups below it. */
  processes(path: string): Promise<readonly number[]>
  /**
   * Removes the group and those below it. With `kill`, their processes are killed first; otherwise they are an error.
   */
  remove(path: string, o?: { kill?: boolean; signal?: AbortSignal; clock?: Clock }): Promise<void>
}

/** The machine's cgroups: v2 when the tree at `base` is one, otherwise v1. */
export async function findCgroups(base = '/sys/fs/cgroup'): Promise<Cgroups> {
  const controllers = await readText(join(base, 'cgroup.controllers'))
  if (controllers !== undefined) return new CgroupsV2(base)
  const mounts = (await realMounts.list()).filter(m => m.point.startsWith(`${base}/`))
  const trees = new Map<string, string>()
  const all: string[] = []
  for (const mount of mounts) {
    if (mount.type !== 'cgroup' && mount.type !== 'cgroup2') continue
    if (!all.includes(mount.point)) all.push(mount.point)
    if (mount.type === 'cgroup') for (const name of mount.superOptions) trees.set(name, mount.point)
  }
  for (const needed of ['cpu', 'cpuacct', 'memory', 'pids']) {
    if (!trees.has(needed))
      throw new StatusError('InternalError', `the cgroup controller ${needed} is not mounted below ${base}`)
  }
  return new CgroupsV1(trees, all)
}

/** Converts v1 shares (2 to 262144) to cpu.weight of v2 (1 to 10000), in the way of the OCI runtimes. */
export function cpuWeightOf(shares: number): number {
  const clamped = Math.min(262144, Math.max(2, shares))
  return 1 + Math.floor(((clamped - 2) * 9999) / 262142)
}

class CgroupsV2 implements Cgroups {
  readonly version = 2
  readonly #base: string

  constructor(base: string) {
    this.#base = base
  }

  async ensure(path: string, limits: CgroupLimits = {}): Promise<void> {
    const parts = partsOf(path)
    let at = this.#base
    for (const part of parts) {
      await this.#delegate(at)
      at = join(at, part)
      await mkdir(at, { recursive: true })
    }
    const period = limits.cpuPeriodUs ?? 100_000
    if (limits.cpuShares !== undefined) await put(at, 'cpu.weight', cpuWeightOf(limits.cpuShares))
    if (limits.cpuQuotaUs !== undefined) await put(at, 'cpu.max', `${orMax(limits.cpuQuotaUs)} ${period}`)
    if (limits.memoryBytes !== undefined) await put(at, 'memory.max', orMax(limits.memoryBytes))
    if (limits.memoryMinBytes !== undefined) await put(at, 'memory.min', limits.memoryMinBytes)
    if (limits.memoryLowBytes !== undefined) await put(at, 'memory.low', limits.memoryLowBytes)
    if (limits.pids !== undefined) await put(at, 'pids.max', orMax(limits.pids))
  }

  /** The root has no limits, but any group below it. */
  async limitsSwap(): Promise<boolean> {
    for (const name of await childrenOf(this.#base))
      if ((await readText(join(this.#base, name, 'memory.swap.max'))) !== undefined) return true
    return false
  }

  exists(path: string): Promise<boolean> {
    return isDirectory(this.#dir(path))
  }

  async usage(path: string): Promise<CgroupUsage | undefined> {
    const dir = this.#dir(path)
    const [cpu, memory, stat, pids] = await Promise.all(
      ['cpu.stat', 'memory.current', 'memory.stat', 'pids.current'].map(name => readText(join(dir, name))),
    )
    if (cpu === undefined || memory === undefined) return undefined
    const memoryBytes = Number(memory)
    const counts = tableOf(stat)
    return {
      cpuNs: (tableOf(cpu).get('usage_usec') ?? 0) * 1000,
      memoryBytes,
      workingSetBytes: Math.max(0, memoryBytes - (counts.get('inactive_file') ?? 0)),
      rssBytes: counts.get('anon') ?? 0,
      pageFaults: counts.get('pgfault') ?? 0,
      majorPageFaults: counts.get('pgmajfault') ?? 0,
      pids: Number(pids ?? 0),
    }
  }

  async detail(path: string): Promise<CgroupDetail | undefined> {
    const dir = this.#dir(path)
    return (await isDirectory(dir)) ? detailOfV2((_controller, file) => readText(join(dir, file))) : undefined
  }

  children(path: string): Promise<readonly string[]> {
    return childrenOf(this.#dir(path))
  }

  processes(path: string): Promise<number[]> {
    return processesBelow(this.#dir(path))
  }

  async remove(path: string, o: RemoveOptions = {}): Promise<void> {
    await removeTree(this.#dir(path), o)
  }

  #dir(path: string): string {
    return join(this.#base, ...partsOf(path))
  }

  // A group can use only the controllers that its parent has enabled for its children.
  async #delegate(dir: string): Promise<void> {
    const has = ((await readText(join(dir, 'cgroup.controllers'))) ?? '').split(/\s+/)
    const passed = ((await readText(join(dir, 'cgroup.subtree_control'))) ?? '').split(/\s+/)
    const missing = ['cpu', 'memory', 'pids', 'cpuset', 'io'].filter(
      name => has.includes(name) && !passed.includes(name),
    )
    if (missing.length > 0) await put(dir, 'cgroup.subtree_control', missing.map(name => `+${name}`).join(' '))
  }
}

class CgroupsV1 implements Cgroups {
  readonly version = 1
  readonly #trees: ReadonlyMap<string, string>
  readonly #all: readonly string[]

  constructor(trees: ReadonlyMap<string, string>, all: readonly string[]) {
    this.#trees = trees
    this.#all = all
  }

  async ensure(path: string, limits: CgroupLimits = {}): Promise<void> {
    const parts = partsOf(path)
    await Promise.all(this.#all.map(base => mkdir(join(base, ...parts), { recursive: true })))
    await this.#inheritCpuset(parts)
    const cpu = this.#dir('cpu', path)
    if (limits.cpuShares !== undefined) await put(cpu, 'cpu.shares', Math.max(2, limits.cpuShares))
    if (limits.cpuQuotaUs !== undefined) {
      await put(cpu, 'cpu.cfs_period_us', limits.cpuPeriodUs ?? 100_000)
      await put(cpu, 'cpu.cfs_quota_us', limits.cpuQuotaUs)
    }
    if (limits.memoryBytes !== undefined)
      await put(this.#dir('memory', path), 'memory.limit_in_bytes', limits.memoryBytes)
    if (limits.pids !== undefined) await put(this.#dir('pids', path), 'pids.max', orMax(limits.pids))
  }

  async limitsSwap(): Promise<boolean> {
    return (await readText(join(this.#trees.get('memory') ?? '', 'memory.memsw.limit_in_bytes'))) !== undefined
  }

  exists(path: string): Promise<boolean> {
    return isDirectory(this.#dir('memory', path))
  }

  async usage(path: string): Promise<CgroupUsage | undefined> {
    const memoryDir = this.#dir('memory', path)
    const [cpu, memory, stat, pids] = await Promise.all([
      readText(join(this.#dir('cpuacct', path), 'cpuacct.usage')),
      readText(join(memoryDir, 'memory.usage_in_bytes')),
      readText(join(memoryDir, 'memory.stat')),
      readText(join(this.#dir('pids', path), 'pids.current')),
    ])
    if (cpu === undefined || memory === undefined) return undefined
    const memoryBytes = Number(memory)
    const counts = tableOf(stat)
    return {
      cpuNs: Number(cpu),
      memoryBytes,
      workingSetBytes: Math.max(0, memoryBytes - (counts.get('total_inactive_file') ?? 0)),
      rssBytes: counts.get('total_rss') ?? 0,
      pageFaults: counts.get('total_pgfault') ?? 0,
      majorPageFaults: counts.get('total_pgmajfault') ?? 0,
      pids: Number(pids ?? 0),
    }
  }

  async detail(path: string): Promise<CgroupDetail | undefined> {
    if (!(await this.exists(path))) return undefined
    return detailOfV1(async (controller, file) =>
      this.#trees.has(controller) ? readText(join(this.#dir(controller, path), file)) : undefined,
    )
  }

  children(path: string): Promise<readonly string[]> {
    return childrenOf(this.#dir('memory', path))
  }

  async processes(path: string): Promise<number[]> {
    const found = new Set<number>()
    for (const base of this.#all) for (const pid of await processesBelow(join(base, ...partsOf(path)))) found.add(pid)
    return [...found]
  }

  async remove(path: string, o: RemoveOptions = {}): Promise<void> {
    for (const base of this.#all) await removeTree(join(base, ...partsOf(path)), o)
  }

  #dir(controller: string, path: string): string {
    return join(this.#trees.get(controller)!, ...partsOf(path))
  }

  // A new cpuset is empty, and admits no process before it has CPUs and memory nodes.
  async #inheritCpuset(parts: string[]): Promise<void> {
    let at = this.#trees.get('cpuset')
    if (at === undefined) return
    for (const part of parts) {
      const parent = at
      at = join(at, part)
      for (const file of ['cpuset.cpus', 'cpuset.mems']) {
        if ((await readText(join(at, file)))?.trim() === '') {
          await put(at, file, ((await readText(join(parent, file))) ?? '').trim())
        }
      }
    }
  }
}

type RemoveOptions = { kill?: boolean; signal?: AbortSignal; clock?: Clock }

const maxRemoveTries = 50
const removePauseMs = 20

// Killed processes leave their group a moment after the signal, so removing it is tried for about a second.
async function removeTree(dir: string, o: RemoveOptions): Promise<void> {
  for (let tries = 0; ; tries++) {
    if (o.kill) for (const pid of await processesBelow(dir)) sendSignal(pid, 'SIGKILL')
    try {
      return await removeDirs(dir)
    } catch (error) {
      const busy = (error as NodeJS.ErrnoException).code === 'EBUSY'
      if (!busy || tries >= maxRemoveTries || (!o.kill && (await processesBelow(dir)).length > 0)) {
        throw new StatusError('InternalError', `cgroup ${dir} cannot be removed: ${messageOf(error)}`, { cause: error })
      }
    }
    await (o.clock ?? realClock).sleep(removePauseMs, o.signal)
  }
}

async function removeDirs(dir: string): Promise<void> {
  for (const child of await childrenOf(dir)) await removeDirs(join(dir, child))
  try {
    await rmdir(dir)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

async function processesBelow(dir: string): Promise<number[]> {
  const own = ((await readText(join(dir, 'cgroup.procs'))) ?? '').split('\n').filter(Boolean).map(Number)
  const below = await Promise.all((await childrenOf(dir)).map(child => processesBelow(join(dir, child))))
  return own.concat(...below)
}

async function childrenOf(dir: string): Promise<string[]> {
  try {
    return (await readdir(dir, { withFileTypes: true })).filter(entry => entry.isDirectory()).map(entry => entry.name)
  } catch (error) {
    if (isGone(error)) return []
    throw error
  }
}

async function put(dir: string, file: string, value: string | number): Promise<void> {
  try {
    await writeFile(join(dir, file), String(value))
  } catch (error) {
    throw new StatusError('InternalError', `writing ${value} to ${join(dir, file)}: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isGone(error)) return undefined
    throw error
  }
}

// ENODEV is the error when a group is removed between open and read.
const isGone = (error: unknown) => ['ENOENT', 'ENODEV', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')

async function isDirectory(path: string): Promise<boolean> {
  return (await readText(join(path, 'cgroup.procs'))) !== undefined
}

function partsOf(path: string): string[] {
  const parts = path.split('/').filter(part => part !== '')
  if (parts.length === 0 || parts.some(part => part === '.' || part === '..')) {
    throw new StatusError('InternalError', `${JSON.stringify(path)} is not the path of a cgroup below the root`)
  }
  return parts
}

const orMax = (value: number) => (value < 0 ? 'max' : String(value))
