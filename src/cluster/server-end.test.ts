// The end of a server comes in time, whatever a part of it does.
import { deepStrictEqual, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../base/clock.ts'
import { type Log, silentLog } from '../base/log.ts'
import { endParts, leaveClients } from './server-end.ts'

const never = () => new Promise<never>(() => {})

/** A log that keeps the names of parts that did not end. */
function namesOf(): { log: Log; names: unknown[] } {
  const names: unknown[] = []
  return { log: { ...silentLog, warn: (_, fields) => void names.push(fields?.['part']) }, names }
}

/** How long work takes by a virtual clock. */
async function lasts(clock: VirtualClock, work: Promise<unknown>): Promise<number> {
  let isOver = false
  void work.then(() => (isOver = true))
  const from = clock.steady()
  for (let i = 0; i < 1000 && !isOver; i++) await clock.forward(10)
  ok(isOver, 'it does not end')
  return clock.steady() - from
}

test('a part that hangs or fails is named, and those after it end', async () => {
  const clock = new VirtualClock()
  const { log, names } = namesOf()
  const ended: string[] = []
  const part = (name: string) => [name, async () => void ended.push(name)] as const
  const fails = ['fails', () => Promise.reject(new Error('broken'))] as const
  const throws = [
    'throws',
    () => {
      throw new Error('broken')
    },
  ] as const
  const took = await lasts(clock, endParts([part('a'), fails, throws, ['hangs', never], part('b')], clock, log))
  deepStrictEqual(names, ['fails', 'throws', 'hangs'])
  deepStrictEqual(ended, ['a', 'b'])
  ok(took <= 6_600, `${took} ms`)
})

test('clients are left after three seconds at most, whatever hangs', async () => {
  const clock = new VirtualClock()
  const { log, names } = namesOf()
  let left = 0
  const options = {
    plane: { core: { storage: { store: { isShared: true } } }, leave: never, client: () => ({ find: never }) },
    http: { leave: () => void left++ },
    nodeName: 'a',
    config: { virtualAddress: '192.0.2.1' },
    controllersEnded: never,
    clock,
    log,
  }
  const took = await lasts(clock, leaveClients(options))
  deepStrictEqual([names.sort(), left], [['address', 'controllers', 'virtual address'], 1])
  ok(took >= 3_000 && took <= 3_100, `${took} ms`)
})
