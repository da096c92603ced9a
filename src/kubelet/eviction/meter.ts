// Measures a node and its pods. `observe` is called every few seconds and costs a handful of system calls. `usage` asks
// the runtime and walks directories, and is called only when something is short or a pod has limits of its own.
import { readFile, stat, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Clock } from '../../base/clock.ts'
import type { Cgroups } from '../../linux/index.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { type NodeSettings, podLogDir } from '../config/configs.ts'
import { podCgroup } from '../config/resources.ts'
import { readMemInfo } from '../node/machine.ts'
import { uidOf } from '../pod/spec.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { emptyDir } from '../volumes/empty-dir.ts'
import { diskVolumes } from './limits.ts'
import type { Observation, Observations, Resource, Signal } from './signals.ts'
import { nothing, type PodUse, type Size } from './usage.ts'
import { treeSize } from './walk.ts'

/** What to measure of pods. */
interface Wanted {
  /** Memory and the layers of containers. */
  containers: boolean
  processes: boolean
  volumes: boolean
  logs: boolean
}

/** The border between eviction and the machine. Simulated nodes have another one. */
export interface Meter {
  /** Whether nothing but this node uses its file system. */
  hasOwnDisk(): Promise<boolean>
  /** Whether images and containers are on another file system than the rest of the node. */
  hasImageFs(): Promise<boolean>
  observe(): Promise<Observations>
  /**
   * Whether no other node of the machine uses more of what they share. The pods of the node that uses most are evicted
   * first.
   */
  isLargest(resource: Resource): Promise<boolean>
  /** What the pods use, by uid. What is not wanted is 0. Pods that cannot be measured are absent. */
  usage(pods: readonly Pod[], wanted: Wanted, signal: AbortSignal): Promise<ReadonlyMap<string, PodUse>>
}

interface RealMeterOptions {
  rootDir: string
  runtime: Runtime
  cgroups: Cgroups
  settings: NodeSettings
  clock: Clock
}

/** The bounds of the walk through one directory. */
const walkLimits = { entries: 100_000, ms: 5_000 }

export class RealMeter implements Meter {
  readonly #options: RealMeterOptions
  #imageDir: string | undefined

  constructor(options: RealMeterOptions) {
    this.#options = options
  }

  async hasOwnDisk(): Promise<boolean> {
    const { rootDir } = this.#options
    return (await stat(rootDir)).dev !== (await stat(dirname(rootDir))).dev
  }

  async hasImageFs(): Promise<boolean> {
    return (await stat(await this.#images())).dev !== (await stat(this.#options.rootDir)).dev
  }

  async observe(): Promise<Observations> {
    const { rootDir } = this.#options
    const [node, images, memory, pids] = await Promise.all([
      diskOf(rootDir),
      this.#images().then(diskOf),
      memoryNow(),
      pidsNow(),
    ])
    return new Map<Signal, Observation>([
      ['memory.available', memory],
      ['nodefs.available', node.bytes],
      ['imagefs.available', images.bytes],
      // A file system such as btrfs has no number of inodes, and so no want of them.
      ...(node.inodes.capacity ? [['nodefs.inodesFree', node.inodes] as const] : []),
      ...(images.inodes.capacity ? [['imagefs.inodesFree', images.inodes] as const] : []),
      ['pid.available', pids],
    ])
  }

  async isLargest(resource: Resource): Promise<boolean> {
    const { cgroups, settings } = this.#options
    // The disk that each node uses would have to be walked.
    if (resource !== 'memory' && resource !== 'pids') return true
    const used = async (node: string) => {
      const usage = await cgroups.usage(`${node}/kubepods`)
      return (resource === 'memory' ? usage?.workingSetBytes : usage?.pids) ?? 0
    }
    const parent = dirname(settings.cgroupRoot)
    const siblings = parent === '/' ? [] : await cgroups.children(parent)
    const [own, ...others] = await Promise.all([
      used(settings.cgroupRoot),
      ...siblings
        .map(name => join(parent, name))
        .filter(path => path !== settings.cgroupRoot)
        .map(used),
    ])
    return others.every(other => other <= (own ?? 0))
  }

  async usage(pods: readonly Pod[], wanted: Wanted, signal: AbortSignal): Promise<ReadonlyMap<string, PodUse>> {
    const { runtime } = this.#options
    const running = wanted.containers ? await runtime.usage() : []
    const result = new Map<string, PodUse>()
    for (const pod of pods) {
      const own = running.filter(container => container.podUid === uidOf(pod))
      const names = new Set([
        ...own.map(({ name }) => name),
        ...(wanted.logs ? pod.spec.containers.map(c => c.name) : []),
      ])
      const containers = []
      for (const name of names) {
        const used = own.find(container => container.name === name)
        containers.push({
          name,
          memoryBytes: used?.workingSetBytes ?? 0,
          rootfs: { bytes: used?.writableBytes ?? 0, inodes: used?.writableInodes ?? 0 },
          logs: wanted.logs ? await this.#logs(pod, name, signal) : nothing,
        })
      }
      result.set(uidOf(pod), {
        memoryBytes: containers.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0),
        processes: wanted.processes ? await this.#processes(pod) : 0,
        containers,
        volumes: wanted.volumes ? await this.#volumes(pod, signal) : new Map(),
      })
    }
    return result
  }

  async #volumes(pod: Pod, signal: AbortSignal): Promise<ReadonlyMap<string, Size>> {
    const { rootDir, clock } = this.#options
    const sizes = new Map<string, Size>()
    for (const { name } of diskVolumes(pod)) {
      const dir = join(rootDir, 'pods', uidOf(pod), 'volumes', `kubernetes.io~${emptyDir.name}`, name)
      sizes.set(name, await treeSize(dir, walkLimits, clock, signal))
    }
    return sizes
  }

  #logs(pod: Pod, container: string, signal: AbortSignal): Promise<Size> {
    const { settings, clock } = this.#options
    return treeSize(join(podLogDir(settings.logRoot, pod), container), walkLimits, clock, signal)
  }

  async #processes(pod: Pod): Promise<number> {
    const { cgroups, settings } = this.#options
    return (await cgroups.usage(podCgroup(settings.cgroupRoot, pod)))?.pids ?? 0
  }

  /** The directory of images and containers, which stays the same while the runtime runs. */
  async #images(): Promise<string> {
    const { runtime, rootDir } = this.#options
    if (this.#imageDir === undefined) {
      const place = (await runtime.imageFs())?.mountpoint
      // A runtime may name a directory that it makes only later.
      if (place && (await stat(place).catch(() => undefined))) this.#imageDir = place
    }
    return this.#imageDir ?? rootDir
  }
}

async function diskOf(dir: string): Promise<{ bytes: Observation; inodes: Observation }> {
  const { bavail, blocks, bsize, ffree, files } = await statfs(dir)
  return {
    bytes: { available: bavail * bsize, capacity: blocks * bsize },
    inodes: { available: ffree, capacity: files },
  }
}

async function memoryNow(): Promise<Observation> {
  const bytes = await readMemInfo()
  return { available: bytes('MemAvailable'), capacity: bytes('MemTotal') }
}

/** The fourth field of loadavg has the tasks that run and all tasks. Source: proc_loadavg(5). */
async function pidsNow(): Promise<Observation> {
  const [most, load] = await Promise.all([
    readFile('/proc/sys/kernel/pid_max', 'utf8'),
    readFile('/proc/loadavg', 'utf8'),
  ])
  const tasks = Number(/\/(\d+) /.exec(load)?.[1] ?? 0)
  return { available: Number(most) - tasks, capacity: Number(most) }
}
