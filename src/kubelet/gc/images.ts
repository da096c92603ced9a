// Removes images that no pod uses, when the disk that has them fills up or they have not been used for long. Those that
// were used longest ago go first. Images in use, images of pods that are about to start, pinned images and images that
// came only just now stay.
//
//   used  0 % ───────── low 80 % ─────── high 85 % ──── 100 %
//                          ◀── frees down to ─┘ from here on
//
// Source: kubernetes pkg/kubelet/images/image_gc_manager.go, pkg/kubelet/kubelet.go (StartGarbageCollection).
import { messageOf } from '../../base/errors.ts'
import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import type { Observation } from '../eviction/signals.ts'
import { every } from '../node/node.ts'
import type { ImageSeen, Runtime } from '../runtime/runtime.ts'

export interface ImagePolicy {
  /** Above this usage of the disk, in percent, images are removed. 100 turns it off. */
  highPercent: number
  /** Down to this usage. */
  lowPercent: number
  /** An image that was first seen later than this ago stays. */
  minAgeMs: number
  /** An image that was not used for longer is removed in any case; 0 turns it off. */
  maxAgeMs: number
}

/** What is kept about an image from one look to the next. Times are ms since the epoch; 0 is before the kubelet ran. */
interface ImageRecord {
  id: string
  sizeBytes: number
  firstSeenAt: number
  lastUsedAt: number
  /** In use now, or pinned. */
  isKept: boolean
}

/** The records after a look at the images: new ones are added, and those of images that are gone are dropped. */
export function updateRecords(
  before: ReadonlyMap<string, ImageRecord>,
  images: readonly ImageSeen[],
  isUsed: (image: ImageSeen) => boolean,
  seenAt: number,
  now: number,
): Map<string, ImageRecord> {
  return new Map(
    images.map(image => {
      const old = before.get(image.id)
      const used = isUsed(image)
      return [
        image.id,
        {
          id: image.id,
          sizeBytes: image.sizeBytes,
          firstSeenAt: old?.firstSeenAt ?? seenAt,
          lastUsedAt: used ? now : (old?.lastUsedAt ?? 0),
          isKept: used || image.pinned,
        },
      ]
    }),
  )
}

/** The images that may be removed, the first one first. */
export function removable(records: Iterable<ImageRecord>, { minAgeMs }: ImagePolicy, now: number): ImageRecord[] {
  return [...records]
    .filter(({ isKept, firstSeenAt }) => !isKept && now - firstSeenAt >= minAgeMs)
    .sort((a, b) => a.lastUsedAt - b.lastUsedAt || a.firstSeenAt - b.firstSeenAt)
}

/** The images that were not used for too long. */
export function tooOld(records: Iterable<ImageRecord>, policy: ImagePolicy, startedAt: number, now: number) {
  const { maxAgeMs } = policy
  // What was used before the kubelet started is not recorded, so that nothing counts as old before that time.
  if (!maxAgeMs || now - startedAt <= maxAgeMs) return []
  return removable(records, policy, now).filter(
    ({ lastUsedAt, firstSeenAt }) => now - Math.max(lastUsedAt, firstSeenAt) >= maxAgeMs,
  )
}

/**
 * How much must be freed.
 * @param ofAtMost the part of a shared disk of which the percentages are
 */
export function planSpace(
  disk: Observation,
  { highPercent, lowPercent }: ImagePolicy,
  ofAtMost: number | undefined,
): { usedPercent: number; bytes: number } {
  const capacity = Math.min(disk.capacity, ofAtMost ?? disk.capacity)
  const available = Math.min(disk.available, capacity)
  const usedPercent = 100 - Math.floor((available * 100) / capacity)
  const isHigh = highPercent < 100 && usedPercent >= highPercent
  return { usedPercent, bytes: isHigh ? Math.floor((capacity * (100 - lowPercent)) / 100) - available : 0 }
}

interface CollectorOptions {
  runtime: Pick<Runtime, 'images' | 'imagesInUse' | 'removeImage'>
  policy: ImagePolicy
  /** The disk that has the images; undefined when it could not be measured. */
  disk: () => Promise<Observation | undefined>
  ofAtMost: number | undefined
  /** The full names of the images of pods on the node that have not ended. */
  wanted: () => ReadonlySet<string>
  event: (reason: string, message: string) => void
  clock: Clock
  log: Log
  signal: AbortSignal
}

const everyMs = 300_000

/** One removal runs at a time: `collect` and `removeUnused` wait for each other. */
export class ImageCollector {
  readonly #options: CollectorOptions
  readonly #startedAt: number
  #records: ReadonlyMap<string, ImageRecord> = new Map()
  #hasLooked = false
  #hasFailed = false
  #line: Promise<unknown> = Promise.resolve()

  constructor(options: CollectorOptions) {
    this.#options = options
    this.#startedAt = options.clock.now()
  }

  /** Looks at the images now and every five minutes, and removes what is too much or too old. */
  start(): void {
    const { clock, signal, log } = this.#options
    void every(clock, everyMs, signal, async () => {
      try {
        await this.#inTurn(() => this.#collect())
        this.#hasFailed = false
      } catch (error) {
        if (signal.aborted) return
        log.warn('images could not be collected', { why: messageOf(error) })
        // One failure may be that of a runtime which has only started.
        if (this.#hasFailed) this.#options.event('ImageGCFailed', messageOf(error))
        this.#hasFailed = true
      }
    })
  }

  /** Removes all images that may be removed. Throws if some could not be. */
  async removeUnused(): Promise<void> {
    await this.#inTurn(async () => {
      await this.#look()
      await this.#remove(removable(this.#records.values(), this.#options.policy, this.#options.clock.now()))
    })
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#line.then(work)
    this.#line = turn.catch(() => {})
    return turn
  }

  async #collect(): Promise<void> {
    const { clock, policy, disk, ofAtMost, event } = this.#options
    await this.#look()
    await this.#remove(tooOld(this.#records.values(), policy, this.#startedAt, clock.now()))
    const seen = await disk()
    if (!seen) return
    if (seen.capacity === 0) {
      event('InvalidDiskCapacity', 'invalid capacity 0 on image filesystem')
      throw new Error('invalid capacity 0 on image filesystem')
    }
    const { bytes, usedPercent } = planSpace(seen, policy, ofAtMost)
    if (bytes <= 0) return
    const freed = await this.#remove(removable(this.#records.values(), policy, clock.now()), bytes)
    if (freed >= bytes) return
    const message = `Insufficient free disk space on the node's image filesystem (${usedPercent}% of ${sizeText(Math.min(seen.capacity, ofAtMost ?? seen.capacity))} used). Failed to free sufficient space by deleting unused images (freed ${freed} bytes). Investigate disk usage, as it could be used by active images, logs, volumes, or other data.`
    event('FreeDiskSpaceFailed', message)
    throw new Error(message)
  }

  async #look(): Promise<void> {
    const { runtime, clock, wanted } = this.#options
    const [images, used] = await Promise.all([runtime.images(), runtime.imagesInUse()])
    const needed = wanted()
    const isUsed = ({ id, tags, digests }: ImageSeen) =>
      [id, ...tags, ...digests].some(name => used.has(name) || needed.has(name))
    const now = clock.now()
    this.#records = updateRecords(this.#records, images, isUsed, this.#hasLooked ? now : 0, now)
    this.#hasLooked = true
  }

  /** Removes images until so much is freed. Goes on after failures, and reports them at the end. */
  async #remove(records: readonly ImageRecord[], bytes = Number.POSITIVE_INFINITY): Promise<number> {
    const { runtime, log } = this.#options
    const failures: string[] = []
    const left = new Map(this.#records)
    let freed = 0
    for (const { id, sizeBytes } of records) {
      if (freed >= bytes) break
      try {
        await runtime.removeImage(id)
        log.info('an unused image was removed', { image: id, sizeBytes })
        left.delete(id)
        freed += sizeBytes
      } catch (error) {
        failures.push(messageOf(error))
      }
    }
    this.#records = left
    if (failures.length)
      throw new Error(
        `wanted to free ${bytes} bytes, but freed ${freed} bytes space with errors in image deletion: [${failures.join(', ')}]`,
      )
    return freed
  }
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']

function sizeText(bytes: number): string {
  const unit = Math.min(units.length - 1, bytes > 0 ? Math.floor(Math.log2(bytes) / 10) : 0)
  return `${(bytes / 1024 ** unit).toFixed(1)} ${units[unit]}`
}
