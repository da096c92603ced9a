// Volumes of a pod: one write at a time, none lost, and none after they were stopped.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settle, VirtualClock } from '../../base/clock.ts'
import { orAborted } from '../../base/waiters.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { objectOf } from '../../kinds/testing.ts'
import { VolumeFailure } from '../host.ts'
import { PodVolumes } from './volumes.ts'

const pod = objectOf(Pod, {
  metadata: { name: 'p', namespace: 'd', uid: 'u' },
  spec: { containers: [{ name: 'a', image: 'i' }], volumes: [{ name: 'v', projected: { sources: [] } }] },
})

function volumesOf() {
  const clock = new VirtualClock(0)
  const record: string[] = []
  /** Ends the write under way: with a result, or with an error. */
  let end = (_result?: number | Error) => {}
  const write = (what: string, signal: AbortSignal): Promise<number | undefined> => {
    record.push(`${what} begins`)
    const ended = new Promise<number | undefined>((resolve, reject) => {
      end = result => (result instanceof Error ? reject(result) : resolve(result))
    })
    return orAborted(ended, signal).finally(() => record.push(`${what} ends`))
  }
  const context = {
    clock,
    runtime: { real: true },
    host: {
      setUp: async (_pod: Pod, signal: AbortSignal) => void (await write('set-up', signal)),
      refresh: (_pod: Pod, signal: AbortSignal) => write('refresh', signal),
    },
    events: { event: (_about: object, _type: string, reason: string) => record.push(reason) },
  }
  const volumes = new PodVolumes(context, () => pod)
  const take = async () => {
    await settle()
    return record.splice(0).join(', ')
  }
  return { clock, volumes, take, end: (result?: number | Error) => end(result), signal: new AbortController().signal }
}

test('a refresh that is requested during another one, or during the set-up, begins after it', async () => {
  const { volumes, take, end, signal } = volumesOf()
  const made = volumes.setUp(pod, signal)
  assert.equal(await take(), 'set-up begins')
  volumes.refresh()
  volumes.refresh()
  assert.equal(await take(), '')
  end()
  await made
  assert.equal(await take(), 'set-up ends, refresh begins')
  volumes.refresh()
  assert.equal(await take(), '')
  end()
  assert.equal(await take(), 'refresh ends, refresh begins')
})

test('a set-up interrupts a refresh, which may wait for the API server, and is no failure of it', async () => {
  const { volumes, take, end, signal } = volumesOf()
  volumes.refresh()
  assert.equal(await take(), 'refresh begins')
  volumes.refresh()
  const made = volumes.setUp(pod, signal)
  assert.equal(await take(), 'refresh ends, set-up begins')
  end()
  await made
  assert.equal(await take(), 'set-up ends', 'what was requested before it is done with it')
  volumes.refresh()
  assert.equal(await take(), 'refresh begins')
})

test('files are refreshed when the last refresh named the time, and a minute after a failure', async () => {
  const { clock, volumes, take, end, signal } = volumesOf()
  const made = volumes.setUp(pod, signal)
  await settle()
  end()
  await made
  await clock.forward(299_999)
  assert.equal(await take(), 'set-up begins, set-up ends')
  await clock.forward(1)
  assert.equal(await take(), 'refresh begins')
  end(310_000)
  await clock.forward(10_000)
  assert.equal(await take(), 'refresh ends, refresh begins')
  end(new VolumeFailure('v', 'the object is missing'))
  await clock.forward(60_000)
  assert.equal(await take(), 'refresh ends, FailedMount, refresh begins')
  end()
  await clock.forward(600_000)
  assert.equal(await take(), 'refresh ends', 'none is due without a time')
})

test('after a stop nothing is written any more', async () => {
  const { clock, volumes, take, signal, end } = volumesOf()
  const made = volumes.setUp(pod, signal)
  await settle()
  end()
  await made
  volumes.refresh()
  await settle()
  const stopped = volumes.stop()
  volumes.refresh()
  await stopped
  await clock.forward(600_000)
  assert.equal(await take(), 'set-up begins, set-up ends, refresh begins, refresh ends')
})
