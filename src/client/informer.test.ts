// An informer opens its watch again after a failure, with a pause that depends on how long the watch lasted.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../base/clock.ts'
import { StatusError } from '../base/errors.ts'
import { silentLog } from '../base/log.ts'
import { Item } from '../api/mirror.ts'
import { ConfigMap } from '../kinds/core/configmap.ts'
import { Informers } from './informer.ts'

test('a watch that breaks after it lasted is opened again soon, whatever had failed before', async () => {
  const clock = new VirtualClock()
  let failing = 7
  const opened: number[] = []
  let breakWatch = () => {}
  const informers = new Informers({
    clock,
    log: silentLog,
    async run(kind, verb) {
      if (failing-- > 0) throw new StatusError('ServiceUnavailable', 'not yet')
      if (verb === 'list') return { type: 'list', kind, items: [], revision: 1 }
      opened.push(clock.now())
      const events = (async function* () {
        await new Promise((_, reject) => (breakWatch = () => reject(new Error('the connection was lost'))))
        yield []
      })()
      return { type: 'watch', kind, events }
    },
  })
  const mirror = informers.mirror(ConfigMap, {})
  await clock.forward(60_000)
  assert.ok(mirror.synced)
  assert.equal(opened.length, 1)
  const brokenAt = clock.now()
  breakWatch()
  await clock.forward(60_000)
  assert.equal(opened.length, 2)
  assert.ok(opened[1]! - brokenAt <= 200, `${opened[1]! - brokenAt} ms`)
  informers.close()
})

test('a watch that breaks goes on after the last event that was applied', async () => {
  const clock = new VirtualClock()
  const opened: (string | undefined)[] = []
  let breakWatch = () => {}
  const informers = new Informers({
    clock,
    log: silentLog,
    async run(kind, verb, { options }) {
      if (verb === 'list') return { type: 'list', kind, items: [], revision: 7 }
      opened.push(options?.resourceVersion)
      const first = opened.length === 1
      const events = (async function* () {
        if (first) {
          yield [{ type: 'ADDED' as const, item: configMap('a', 8) }]
          yield [{ type: 'MODIFIED' as const, item: configMap('a', 9) }]
        }
        await new Promise((_, reject) => (breakWatch = () => reject(new Error('the connection was lost'))))
      })()
      return { type: 'watch', kind, events }
    },
  })
  const mirror = informers.mirror(ConfigMap, {})
  await clock.forward(1_000)
  assert.equal(mirror.revision, 9)
  breakWatch()
  await clock.forward(1_000)
  assert.deepEqual(opened, ['7', '9'])
  informers.close()
})

const configMap = (name: string, revision: number) =>
  new Item({ kind: 'ConfigMap', apiVersion: 'v1', metadata: { name, namespace: 'default' } }, revision)
