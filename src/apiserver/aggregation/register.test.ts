// Which APIServices of this server's own groups are created, corrected and deleted.
import { deepStrictEqual, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { asJson } from '../../api/schema/node.ts'
import { APIService } from '../../kinds/apiregistration/apiservice.ts'
import { CustomResourceDefinition } from '../../kinds/apiextensions/customresourcedefinition.ts'
import { cronTabs, group, until, version } from '../extend/testing.ts'
import { openTestServer } from '../testing.ts'
import { managedLabel, planRegistration, Registration, type Wanted } from './register.ts'

const wanted = (mode: Wanted['mode'], versionPriority = 1): Wanted => ({
  mode,
  spec: { group: 'g', version: 'v1', groupPriorityMinimum: 1, versionPriority },
})
const current = (mode: string | undefined) => ({
  metadata: { name: 'v1.g', ...(mode && { labels: { [managedLabel]: mode } }) },
  spec: { group: 'g', version: 'v1', groupPriorityMinimum: 1, versionPriority: 1 },
})

test('each combination of wanted and stored leads to the step of kube-aggregator', () => {
  const first = { synced: false, atStart: true }
  const later = { synced: true, atStart: true }
  const added = { synced: false, atStart: false }
  const changed = { onstart: wanted('onstart', 2), true: wanted('true', 2) }
  const rows = [
    [undefined, undefined, first, undefined],
    [wanted('onstart'), undefined, first, 'create'],
    [wanted('onstart'), undefined, later, undefined],
    [wanted('true'), undefined, later, 'create'],
    [changed.true, current(undefined), first, undefined],
    [undefined, current(undefined), first, undefined],
    [undefined, current('onstart'), first, 'delete'],
    [undefined, current('onstart'), later, undefined],
    [undefined, current('onstart'), added, undefined],
    [changed.onstart, current('onstart'), first, 'update'],
    [changed.onstart, current('onstart'), later, undefined],
    [changed.onstart, current('onstart'), added, undefined],
    [undefined, current('true'), later, 'delete'],
    [changed.true, current('true'), later, 'update'],
    [changed.onstart, current('true'), later, undefined],
    [wanted('true'), current('true'), first, undefined],
  ] as const
  for (const [i, [want, have, when, step]] of rows.entries())
    strictEqual(planRegistration(want, have, when), step, `row ${i}`)
})

test('every built-in group and version has an APIService, with the priorities of Kubernetes', async t => {
  const server = await openTestServer(t)
  const registration = new Registration(server.core, server.serve)
  t.after(() => registration.close())
  await registration.start()
  const mirror = server.core.storage.mirror(APIService)
  const served = server.core.catalog.all.filter(kind => kind.plural && kind.group !== 'apiregistration.k8s.io')
  deepStrictEqual(
    mirror
      .list()
      .map(({ metadata }) => metadata.name)
      .sort(),
    [...new Set(served.map(kind => `${kind.version}.${kind.group}`))].sort(),
  )
  const apps = mirror.get(undefined, 'v1.apps')!
  deepStrictEqual(apps.metadata.labels, { [managedLabel]: 'onstart' })
  deepStrictEqual(apps.spec, { group: 'apps', version: 'v1', groupPriorityMinimum: 17_800, versionPriority: 15 })
  const { lastTransitionTime, ...condition } = apps.status.conditions![0]!
  strictEqual(typeof lastTransitionTime, 'string')
  const message = 'Local APIServices are always available'
  deepStrictEqual(condition, { type: 'Available', status: 'True', reason: 'Local', message })
  strictEqual(mirror.get(undefined, 'v2.autoscaling')!.spec.versionPriority, 30)
})

test('those of custom resources come back, and go with the last definition of their version', async t => {
  const server = await openTestServer(t)
  const registration = new Registration(server.core, server.serve)
  t.after(() => registration.close())
  await registration.start()
  const mirror = server.core.storage.mirror(APIService)
  const find = (name: string) => mirror.get(undefined, `${name}.${group}`)
  const two = [version('v1', {}, { storage: true }), version('v2', {}, { served: false })]
  await server.admin.create(CustomResourceDefinition, cronTabs({}, { spec: { versions: asJson(two) } }))
  await until('it is there', () => find('v1') !== undefined)
  strictEqual(find('v2'), undefined)
  deepStrictEqual(find('v1')!.spec, { group, version: 'v1', groupPriorityMinimum: 1000, versionPriority: 100 })
  const { uid } = find('v1')!.metadata
  await server.admin.remove(APIService, `v1.${group}`)
  await until('it is made again', () => (find('v1')?.metadata.uid ?? uid) !== uid)
  await server.admin.patch(APIService, `v1.${group}`, 'merge', { spec: { versionPriority: 7 } })
  await until('it is corrected', () => find('v1')?.spec.versionPriority === 100)
  await server.admin.remove(CustomResourceDefinition, `crontabs.${group}`)
  await until('it is gone', () => find('v1') === undefined)
})

test('an APIService of a user is left alone', async t => {
  const server = await openTestServer(t)
  const spec = { group, version: 'v1', groupPriorityMinimum: 10, versionPriority: 10 }
  const service = { namespace: 'default', name: 'other', port: 443 }
  const two = [version('v1', {}, { storage: true }), version('v2', {})]
  await server.admin.create(APIService, { metadata: { name: `v1.${group}` }, spec: { ...spec, service } })
  const registration = new Registration(server.core, server.serve)
  t.after(() => registration.close())
  await registration.start()
  await server.admin.create(CustomResourceDefinition, cronTabs({}, { spec: { versions: asJson(two) } }))
  const mirror = server.core.storage.mirror(APIService)
  await until('that of the other version is there', () => mirror.get(undefined, `v2.${group}`) !== undefined)
  deepStrictEqual(mirror.get(undefined, `v1.${group}`)!.spec.service, service)
})
