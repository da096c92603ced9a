// How events are counted, aggregated and held back, by the rules of client-go's correlator.
import { deepStrictEqual, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { EventRecorder } from '../../src/client/index.ts'
import { ConfigMap } from '../../src/kinds/core/configmap.ts'
import { Event } from '../../src/kinds/core/event.ts'
import { type Sim, simulate } from './cluster.ts'

const withRecorder = (run: (sim: Sim, tell: (message: string, fieldPath?: string) => Promise<void>) => Promise<void>) =>
  simulate({ controllers: false, scheduler: false }, async sim => {
    const recorder = new EventRecorder(sim.client, { component: 'test' })
    const { metadata } = await sim.client.create(ConfigMap, { metadata: { name: 'about', namespace: 'default' } })
    const about = { kind: 'ConfigMap', apiVersion: 'v1', namespace: 'default', name: 'about', uid: metadata.uid! }
    await run(sim, async (message, fieldPath) => {
      recorder.event({ ...about, ...(fieldPath && { fieldPath }) }, 'Normal', 'Test', message)
      await recorder.flushed()
    })
  })

const counts = async (sim: Sim) => {
  const { items } = await sim.client.list(Event, { namespace: 'default' })
  return items.map(e => [e.message, e.count])
}

test('a repeated message raises the count of its event', () =>
  withRecorder(async (sim, tell) => {
    for (let i = 0; i < 3; i++) await tell('same')
    await tell('other')
    await tell('other', 'spec.containers{c}')
    deepStrictEqual(await counts(sim), [
      ['same', 3],
      ['other', 1],
      ['other', 1],
    ])
  }))

test('from the tenth similar message on, one event has the newest text and counts them', () =>
  withRecorder(async (sim, tell) => {
    for (let i = 1; i <= 14; i++) await tell(`message ${i}`)
    const all = await counts(sim)
    strictEqual(all.length, 10)
    deepStrictEqual(all.at(-1), ['(combined from similar events): message 14', 5])
  }))

test('after ten minutes without similar messages, each is an event of its own again', () =>
  withRecorder(async (sim, tell) => {
    for (let i = 1; i <= 10; i++) await tell(`message ${i}`)
    await sim.clock.forward(601_000)
    await tell('message 11')
    deepStrictEqual((await counts(sim)).at(-1), ['message 11', 1])
  }))

test('one object gets at most 25 events at once, and then one every five minutes', () =>
  withRecorder(async (sim, tell) => {
    for (let i = 0; i < 30; i++) await tell('same')
    deepStrictEqual(await counts(sim), [['same', 25]])
    await sim.clock.forward(300_000)
    for (let i = 0; i < 3; i++) await tell('same')
    // Events that were held back are in the count, too.
    deepStrictEqual(await counts(sim), [['same', 31]])
  }))

test('an event that was deleted is created again, and goes on counting', () =>
  withRecorder(async (sim, tell) => {
    const events = async () => (await sim.client.list(Event, { namespace: 'default' })).items
    await tell('same')
    const [first] = await events()
    await sim.client.delete(Event, { namespace: 'default', name: first!.metadata.name! })
    await sim.clock.forward(60_000)
    await tell('same')
    const [again] = await events()
    deepStrictEqual(
      [again!.metadata.name, again!.count, again!.firstTimestamp, again!.lastTimestamp !== again!.firstTimestamp],
      [first!.metadata.name, 2, first!.firstTimestamp, true],
    )
  }))

test('two recorders give events of the same moment different names', () =>
  withRecorder(async (sim, tell) => {
    const other = new EventRecorder(sim.client, { component: 'other' })
    other.event((await sim.client.list(ConfigMap, { namespace: 'default' })).items[0]!, 'Normal', 'Test', 'x')
    await Promise.all([tell('y'), other.flushed()])
    strictEqual((await counts(sim)).length, 2)
  }))
