// How full the volumes behind claims are: as the driver of a volume says, or as its file system does.
//
// - It is measured at most once a minute for a pod, in the background. A request waits two seconds for a measurement
//   and gets the last one then, so that a driver or file system that hangs delays nobody for long.
// - A volume that cannot be measured is left out.
//
// Source: pkg/kubelet/server/stats/volume_stat_calculator.go, pkg/volume/csi/csi_metrics.go.
import { readlink, statfs } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { claimNames } from '../../kinds/core/pod-claims.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { namespaceOf, uidOf } from '../pod/spec.ts'
import { claim as claimPlugin } from './claim.ts'
import { type Usage, type VolumeContext, volumePath, type VolumeUsage } from './volume.ts'

interface Measured {
  usages: readonly VolumeUsage[]
  /** When the measurement began, in ms since the epoch. */
  atMs: number
  /** The one under way. */
  next: Promise<void> | undefined
}

const everyMs = 60_000
const patienceMs = 2_000

export class VolumeUsages {
  readonly #context: VolumeContext
  /** By the uid of the pod. */
  readonly #measured = new Map<string, Measured>()

  constructor(context: VolumeContext) {
    this.#context = context
  }

  /** The usage of a pod's volumes behind claims, about a minute old at most. */
  async of(pod: Pod): Promise<readonly VolumeUsage[]> {
    if (!claimNames(pod).length) return []
    const { clock } = this.#context
    const uid = uidOf(pod)
    const measured = this.#measured.get(uid) ?? { usages: [], atMs: -Infinity, next: undefined }
    this.#measured.set(uid, measured)
    if (!measured.next && clock.steady() - measured.atMs >= everyMs) {
      measured.atMs = clock.steady()
      measured.next = this.#measure(pod).then(usages => {
        measured.usages = usages
        measured.next = undefined
      })
    }
    if (!measured.next) return measured.usages
    const stop = new AbortController()
    await Promise.race([measured.next, clock.sleep(patienceMs, stop.signal).catch(() => {})])
    stop.abort(new Error('it is measured'))
    return measured.usages
  }

  forget(uid: string): void {
    this.#measured.delete(uid)
  }

  /** Does not throw. */
  async #measure(pod: Pod): Promise<VolumeUsage[]> {
    const names = claimNames(pod)
    const volumes = (pod.spec.volumes ?? []).filter(volume => claimPlugin.matches(volume))
    const all = await Promise.allSettled(
      volumes.map(async (volume, i): Promise<VolumeUsage | undefined> => {
        const usage = await this.#usageAt(pod, volumePath(this.#context, pod, volume, claimPlugin))
        return usage && { ...usage, volume: volume.name, claim: { name: names[i]!.name, namespace: namespaceOf(pod) } }
      }),
    )
    return all.flatMap(result => (result.status === 'fulfilled' && result.value ? [result.value] : []))
  }

  async #usageAt(pod: Pod, dir: string): Promise<Usage | undefined> {
    const link = await readlink(dir).catch(() => undefined)
    // The link leads to NAME/mount, where NAME is that of the PersistentVolume. Block volumes are not measured.
    if (link !== undefined)
      return basename(link) === 'mount' ? this.#context.drivers.usage(uidOf(pod), basename(dirname(link))) : undefined
    const { bsize, blocks, bfree, bavail, files, ffree } = await statfs(dir)
    return {
      capacityBytes: blocks * bsize,
      availableBytes: bavail * bsize,
      usedBytes: (blocks - bfree) * bsize,
      inodes: files,
      inodesFree: ffree,
      inodesUsed: files - ffree,
    }
  }
}
