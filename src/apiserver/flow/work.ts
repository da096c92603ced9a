// How many seats a request is worth: a list by the bytes that it reads, a write by the watches that it concerns.
// Source: apiserver pkg/util/flowcontrol/request (list_work_estimator.go, mutating_work_estimator.go, config.go).
import type { AnyKind } from '../../api/kind.ts'
import type { Storage } from '../storage.ts'
import type { Digest } from './match.ts'
import { once } from './once.ts'

/** The seats of a request while it executes, and those that it keeps for a while after its end. */
export interface Work {
  readonly seats: number
  readonly finalSeats: number
  readonly extraMs: number
}

export const oneSeat: Work = { seats: 1, finalSeats: 0, extraMs: 0 }

const bytesPerSeat = 100_000
/** Lists are sent from memory, so that more than this is not needed at once. */
const maxBytesAtOnce = 1_000_000
/** The part of its level's seats that one request may occupy, and the most for a write. */
const maxShare = 0.15
const maxWriteSeats = 10
const watchesPerSeat = 10
const eventMs = 5
/** Of how many objects the mean size is taken. */
const sampled = 16

/** The most seats of one request in a level with this nominal limit. */
export const widest = (nominal: number): number => Math.max(1, Math.ceil(nominal * maxShare))

/** The seats of a list, or of a watch that begins with the present state. */
export function listWork(stats: { objects: number; meanBytes: number }, limit: number, maxSeats: number): Work {
  const objects = limit > 0 ? Math.min(limit, stats.objects) : stats.objects
  const bytes = Math.min(objects * stats.meanBytes, maxBytesAtOnce)
  return { ...oneSeat, seats: Math.min(maxSeats, Math.max(1, Math.ceil(bytes / bytesPerSeat))) }
}

/** The seats of a write: its events keep the server busy after its answer. */
export function writeWork(watches: number, maxSeats: number): Work {
  if (watches < watchesPerSeat) return oneSeat
  const wanted = Math.ceil(watches / watchesPerSeat)
  const finalSeats = Math.min(wanted, maxSeats, maxWriteSeats)
  // The same work takes longer with fewer seats.
  return { seats: 1, finalSeats, extraMs: (eventMs * wanted) / finalSeats }
}

/** How many objects of a kind there are, and how large those of a sample are. */
export function statsOf(storage: Storage, kind: AnyKind | undefined): { objects: number; meanBytes: number } {
  if (!kind || !storage.has(kind)) return { objects: 0, meanBytes: 0 }
  const { mirror } = storage.of(kind)
  let [bytes, seen] = [0, 0]
  for (const item of mirror.items()) {
    bytes += item.storedBytes
    if (++seen === sampled) break
  }
  return { objects: mirror.size, meanBytes: seen ? bytes / seen : 0 }
}

/** Counts the open watches of clients, by what they watch. */
export class WatchCounts {
  readonly #counts = new Map<string, number>()

  /** Counts a watch until the returned function is called. */
  add(resource: NonNullable<Digest['resource']>): () => void {
    const key = keyOf(resource, resource.namespace, resource.name)
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
    return once(() => {
      const left = this.#counts.get(key)! - 1
      if (left) this.#counts.set(key, left)
      else this.#counts.delete(key)
    })
  }

  /** The watches that see a write of an object: of all namespaces, of its own, and of the object alone. */
  concernedBy(resource: NonNullable<Digest['resource']>): number {
    const { namespace, name } = resource
    const keys = new Set([keyOf(resource, '', ''), keyOf(resource, namespace, ''), keyOf(resource, namespace, name)])
    let count = 0
    for (const key of keys) count += this.#counts.get(key) ?? 0
    return count
  }
}

const keyOf = ({ group, plural }: { group: string; plural: string }, namespace: string, name: string) =>
  `${group}/${plural}/${namespace}/${name}`
