// The priority of pods, and the default class.
import { deepStrictEqual, rejects } from 'node:assert/strict'
import { test } from 'node:test'
import { Pod } from '../../kinds/core/pod.ts'
import { PriorityClass } from '../../kinds/scheduling/priorityclass.ts'
import { openTestServer } from '../testing.ts'

const containers = [{ name: 'c', image: 'app' }]

test('a pod gets priority and policy of its class or of the default class, or priority zero', async t => {
  const { admin } = await openTestServer(t)
  const priorityOf = async (name: string, spec: object = {}) => {
    const { priority, preemptionPolicy, priorityClassName } = (
      await admin.create(Pod, { metadata: { name }, spec: { containers, ...spec } })
    ).spec
    return [priorityClassName, priority, preemptionPolicy]
  }
  deepStrictEqual(await priorityOf('none'), [undefined, 0, 'PreemptLowerPriority'])
  await admin.create(PriorityClass, { metadata: { name: 'high' }, value: 1000, preemptionPolicy: 'Never' })
  deepStrictEqual(await priorityOf('named', { priorityClassName: 'high' }), ['high', 1000, 'Never'])
  await admin.create(PriorityClass, { metadata: { name: 'usual' }, value: 7, globalDefault: true })
  deepStrictEqual(await priorityOf('default'), ['usual', 7, 'PreemptLowerPriority'])
  // A value that has been set stays.
  const before = await admin.patch(Pod, 'none', 'merge', { metadata: { labels: { a: 'b' } } })
  deepStrictEqual([before.spec.priority, before.spec.preemptionPolicy], [0, 'PreemptLowerPriority'])
  // It also stays if an update leaves it out.
  const { priority: _p, preemptionPolicy: _q, ...spec } = before.spec
  const updated = await admin.update(Pod, { ...before, spec })
  deepStrictEqual([updated.spec.priority, updated.spec.preemptionPolicy], [0, 'PreemptLowerPriority'])
})

test('a pod may contain the values of its class and no others', async t => {
  const { admin } = await openTestServer(t)
  await admin.create(PriorityClass, { metadata: { name: 'high' }, value: 1000 })
  const create = (spec: object) =>
    admin.create(Pod, { metadata: { name: 'p' }, spec: { containers, ...spec } }, { options: { dryRun: true } })
  await create({ priorityClassName: 'high', priority: 1000, preemptionPolicy: 'PreemptLowerPriority' })
  const table: [spec: object, why: string][] = [
    [{ priorityClassName: 'low' }, 'no PriorityClass with name low was found'],
    [
      { priorityClassName: 'high', priority: 5 },
      'the integer value of priority (5) must not be provided in pod spec; priority admission controller computed 1000 from the given PriorityClass name',
    ],
    [
      { priorityClassName: 'high', preemptionPolicy: 'Never' },
      'the string value of PreemptionPolicy (Never) must not be provided in pod spec; priority admission controller computed PreemptLowerPriority from the given PriorityClass name',
    ],
  ]
  for (const [spec, why] of table)
    await rejects(create(spec), { reason: 'Forbidden', message: `pods "p" is forbidden: ${why}` })
})

test('only one class can be the default, and system classes cannot be deleted', async t => {
  const { admin } = await openTestServer(t)
  const mark = (name: string, globalDefault: boolean) => admin.patch(PriorityClass, name, 'merge', { globalDefault })
  const refused = (name: string) => ({
    reason: 'Forbidden',
    message: `priorityclasses.scheduling.k8s.io "${name}" is forbidden: PriorityClass first is already marked as default. Only one default can exist`,
  })
  await admin.create(PriorityClass, { metadata: { name: 'first' }, value: 1, globalDefault: true })
  await rejects(
    admin.create(PriorityClass, { metadata: { name: 'second' }, value: 2, globalDefault: true }),
    refused('second'),
  )
  await admin.create(PriorityClass, { metadata: { name: 'second' }, value: 2 })
  await rejects(mark('second', true), refused('second'))
  await mark('first', true)
  await mark('first', false)
  await mark('second', true)
  await admin.create(PriorityClass, { metadata: { name: 'system-node-critical' }, value: 2000001000 })
  await rejects(admin.remove(PriorityClass, 'system-node-critical'), {
    message:
      'priorityclasses.scheduling.k8s.io "system-node-critical" is forbidden: this is a system priority class and cannot be deleted',
  })
  await admin.remove(PriorityClass, 'second')
})
