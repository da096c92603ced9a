// Controllers that read every kind, while the objects of a kind are not listed yet.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../base/clock.ts'
import { isReason } from '../base/errors.ts'
import { silentLog } from '../base/log.ts'
import { seededRandom } from '../base/random.ts'
import type { AnyKind, Draft, Kind, KubeObject } from '../api/kind.ts'
import { type AnyMirror, Item, Mirror } from '../api/mirror.ts'
import { Client, EventRecorder } from '../client/index.ts'
import { ConfigMap } from '../kinds/core/configmap.ts'
import { Namespace } from '../kinds/core/namespace.ts'
import { Pod } from '../kinds/core/pod.ts'
import { Secret } from '../kinds/core/secret.ts'
import { objectOf } from '../kinds/testing.ts'
import { Context } from './context.ts'
import { garbageCollector } from './gc/collector.ts'
import type { Controller } from './harness.ts'
import { namespaceController } from './namespace.ts'

const kinds: readonly AnyKind[] = [Namespace, Pod, ConfigMap, Secret]
const source = { all: kinds, subscribe: () => () => {} }

/** Runs a controller for a key, with mirrors that have `objects`. Returns the writes. */
function open(controller: Controller, objects: readonly [AnyKind, KubeObject][]) {
  const mirrors = new Map(kinds.map(kind => [kind, new Mirror()]))
  const writes: string[] = []
  const clock = new VirtualClock()
  const client = new Client({
    async serve({ verb, kind, subresource, name, namespace = '' }) {
      writes.push([verb, kind.plural, name, subresource].filter(Boolean).join(' '))
      const object = mirrors.get(kind)!.get(kind.namespaced ? namespace : undefined, name)!
      return { type: 'object', kind, item: new Item(object, 2) }
    },
    user: { name: 'test', groups: [] },
    userAgent: 'test',
    clock,
    log: silentLog,
  })
  const caches = <T extends KubeObject>(kind: Kind<T>) => mirrors.get(kind) as AnyMirror
  const fill = (kind: AnyKind) => {
    const items = objects.flatMap(([of, object]) => (of === kind ? [new Item(object, 1)] : []))
    mirrors.get(kind)!.reset(items, 1)
  }
  const run = async (key: string) => {
    const recorder = new EventRecorder(client, { component: 'test' })
    const { signal } = new AbortController()
    const random = seededRandom(1)
    await controller.reconcile(key, new Context({ client, caches, recorder, clock, random, log: silentLog, signal }))
  }
  return { fill, run, writes }
}

const deletionTimestamp = '2026-01-01T00:00:00Z'

test('an object is orphaned only when all kinds are listed, and its dependents with it', async () => {
  const owner = objectOf(ConfigMap, { metadata: { name: 'owner', deletionTimestamp, finalizers: ['orphan'] } })
  const reference = { apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: 'uid-owner' }
  const dependent = objectOf(Secret, { metadata: { name: 'dependent', ownerReferences: [reference] } })
  const { fill, run, writes } = open(garbageCollector(source), [
    [ConfigMap, owner],
    [Secret, dependent],
  ])
  for (const kind of [Namespace, Pod, ConfigMap]) fill(kind)
  const key = '/configmaps|default/owner'
  await assert.rejects(run(key), error => isReason(error, 'ServiceUnavailable') && /\/secrets may/.test(String(error)))
  assert.deepEqual(writes, [])
  fill(Secret)
  await run(key)
  assert.deepEqual(writes, ['patch secrets dependent', 'patch configmaps owner'])
})

test('a namespace stays until all kinds are listed', async () => {
  const draft: Draft<Namespace> = { metadata: { name: 'n', deletionTimestamp }, spec: { finalizers: ['kubernetes'] } }
  const { fill, run, writes } = open(namespaceController(source), [[Namespace, objectOf(Namespace, draft)]])
  for (const kind of [Namespace, Pod, ConfigMap]) fill(kind)
  await assert.rejects(run('n'), /secrets\.: not listed yet/)
  assert.deepEqual(writes, ['update namespaces n status'])
  fill(Secret)
  await run('n')
  assert.deepEqual(writes.at(-1), 'update namespaces n finalize')
})
