// By what a pod without constraints is spread: the selectors of its services and of the workload that owns it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../base/clock.ts'
import { silentLog } from '../base/log.ts'
import type { KubeObject } from '../api/kind.ts'
import { type AnyMirror, Item, Mirror } from '../api/mirror.ts'
import { Client } from '../client/index.ts'
import { ReplicaSet } from '../kinds/apps/replicaset.ts'
import { StatefulSet } from '../kinds/apps/statefulset.ts'
import { ReplicationController } from '../kinds/core/replicationcontroller.ts'
import { Service } from '../kinds/core/service.ts'
import { objectOf, podOf } from '../kinds/testing.ts'
import { PodInfo } from './info.ts'
import { ownSelectors } from './own-selector.ts'

const template = { metadata: { labels: { app: 'web', tier: 'x' } }, spec: { containers: [{ name: 'c', image: 'x' }] } }
const workloads: KubeObject[] = [
  objectOf(ReplicaSet, { metadata: { name: 'rs' }, spec: { selector: { matchLabels: { app: 'web' } }, template } }),
  objectOf(StatefulSet, {
    metadata: { name: 'ss' },
    spec: {
      serviceName: 's',
      selector: { matchExpressions: [{ key: 'tier', operator: 'In', values: ['x'] }] },
      template,
    },
  }),
  objectOf(ReplicationController, { metadata: { name: 'rc' }, spec: { selector: { app: 'web' }, template } }),
]
const service = (name: string, selector?: Record<string, string>, namespace = 'default') =>
  objectOf(Service, { metadata: { name, namespace }, spec: { ports: [{ port: 80 }], ...(selector && { selector }) } })

function selectorsWith(services: KubeObject[]) {
  const mirrors = new Map<string, Mirror>()
  const mirrorOf = (kind: { kind: string }): AnyMirror | undefined => mirrors.get(kind.kind)
  let revision = 1
  const fill = (kind: string, objects: readonly KubeObject[]) => {
    const mirror = mirrors.get(kind) ?? new Mirror()
    mirrors.set(kind, mirror)
    revision++
    mirror.reset(
      objects.map(o => new Item(o, revision)),
      revision,
    )
  }
  fill('Service', services)
  for (const workload of workloads) fill(workload.kind ?? '', [workload])
  const client = new Client({
    serve: () => Promise.reject(new Error('there is no API server')),
    user: { name: 'test', groups: [] },
    userAgent: 'test',
    clock: new VirtualClock(),
    log: silentLog,
    shared: mirrorOf,
  })
  return { find: ownSelectors(client, new AbortController().signal), fill }
}

const podBy = (labels: Record<string, string>, kind?: string, name = '') =>
  new PodInfo(
    podOf({
      metadata: {
        name: 'p',
        labels,
        ...(kind && { ownerReferences: [{ apiVersion: 'v1', kind, name, uid: `uid-${name}`, controller: true }] }),
      },
      spec: {},
    }),
  )

/** Which of these labels the pod's selector matches: `web`, `web x`, `x`, `db`. */
const candidates: Record<string, Record<string, string>> = {
  web: { app: 'web' },
  'web x': { app: 'web', tier: 'x' },
  x: { tier: 'x' },
  db: { app: 'db' },
}
const matched = (selector: ReturnType<ReturnType<typeof ownSelectors>>) =>
  selector && Object.keys(candidates).filter(name => selector.matches(candidates[name]!))

const web = { app: 'web', tier: 'x' }

test('a pod is like those that its services and its workload select', () => {
  const table: [what: string, services: KubeObject[], pod: PodInfo, like: string[] | undefined][] = [
    ['nothing', [], podBy(web), undefined],
    ['a service', [service('s', { app: 'web' })], podBy(web), ['web', 'web x']],
    ['a service of others', [service('s', { app: 'db' })], podBy(web), undefined],
    ['a service of another namespace', [service('s', { app: 'web' }, 'other')], podBy(web), undefined],
    ['a service without a selector', [service('s')], podBy(web), undefined],
    ['two services', [service('s', { app: 'web' }), service('t', { tier: 'x' })], podBy(web), ['web x']],
    ['a ReplicaSet', [], podBy(web, 'ReplicaSet', 'rs'), ['web', 'web x']],
    ['a StatefulSet', [], podBy(web, 'StatefulSet', 'ss'), ['web x', 'x']],
    ['a ReplicationController', [], podBy(web, 'ReplicationController', 'rc'), ['web', 'web x']],
    ['a service and a workload', [service('s', { app: 'web' })], podBy(web, 'StatefulSet', 'ss'), ['web x']],
    ['a workload that is not there', [], podBy(web, 'ReplicaSet', 'none'), undefined],
    ['an owner of another kind', [], podBy(web, 'Job', 'rs'), undefined],
  ]
  for (const [what, services, pod, like] of table)
    assert.deepEqual(matched(selectorsWith(services).find(pod)), like, what)
})

test('an owner that is no controller does not count', () => {
  const pod = podOf({
    metadata: {
      name: 'p',
      labels: web,
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'rs', uid: 'u' }],
    },
    spec: {},
  })
  assert.equal(selectorsWith([]).find(new PodInfo(pod)), undefined)
})

test('pods of one workload share a key, and a change of the services is seen', () => {
  const { find, fill } = selectorsWith([service('s', { app: 'web' })])
  const first = find(podBy(web, 'ReplicaSet', 'rs'))!
  assert.equal(find(podBy(web, 'ReplicaSet', 'rs'))!.key, first.key)
  assert.notEqual(find(podBy(web, 'StatefulSet', 'ss'))!.key, first.key)
  fill('Service', [service('s', { tier: 'x' })])
  assert.deepEqual(matched(find(podBy(web))), ['web x', 'x'])
})
