// Clients of a store, which read and write a few keys one after the other and note what they have seen.
import { realClock } from '../../src/base/clock.ts'
import type { Random } from '../../src/base/random.ts'
import { type Store, StoreConflict } from '../../src/store/store.ts'
import type { Operation } from './history.ts'

const operationsOfClient = 8
const keys = ['/a', '/b', '/c', '/d', '/e']

export const rounds = Number(process.env.KUTTER_CHAOS_ROUNDS ?? 20)
export const seed = Number(process.env.KUTTER_SEED ?? 1)

export const below = (random: Random, limit: number): number => Math.floor(random.float() * limit)

/**
 * Reads and writes, and adds to `operations` what came of it.
 *
 * @param store the store as it is at the moment; it may be another one each time
 * @param name is in all values, so that each is written once
 */
export async function runClient(
  store: () => Store,
  name: string,
  random: Random,
  operations: Operation[],
): Promise<void> {
  for (let i = 0; i < operationsOfClient; i++) {
    const key = keys[below(random, keys.length)]!
    const kind = random.float()
    const start = performance.now()
    try {
      if (kind < 0.15) {
        const { entries, revision: at } = await store().list('')
        const seen = new Map(entries.map(entry => [entry.key, entry.revision]))
        operations.push({ type: 'list', start, end: performance.now(), at, seen })
        continue
      }
      const now = await store().get(key)
      operations.push({ type: 'get', start, end: performance.now(), key, seen: now?.revision ?? 0 })
      if (kind < 0.3) continue
      const writes = writer(store(), key, operations)
      if (kind < 0.45 && now) await writes.delete(now.revision)
      else await writes.put(`${name}-${i}`, now?.revision ?? 'absent')
    } catch {
      // A read that failed has seen nothing. The server may be starting again.
      await realClock.sleep(20)
    }
  }
}

const writer = (store: Store, key: string, operations: Operation[]) => ({
  async put(value: string, expect: number | 'absent'): Promise<void> {
    const start = performance.now()
    const outcome = await outcomeOf(store.put(key, new TextEncoder().encode(value), { expect }))
    operations.push({ type: 'put', start, end: performance.now(), key, value, outcome })
  },
  async delete(expect: number): Promise<void> {
    const start = performance.now()
    const outcome = await outcomeOf(store.delete(key, { expect }))
    operations.push({ type: 'delete', start, end: performance.now(), key, expect, outcome })
  },
})

async function outcomeOf(write: Promise<number>): Promise<number | 'refused' | 'unknown'> {
  try {
    return await write
  } catch (error) {
    return error instanceof StoreConflict ? 'refused' : 'unknown'
  }
}
