// Which defaults limit ranges set, and what they refuse with which error texts.
import { deepStrictEqual, rejects, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { LimitRange } from '../../kinds/core/limitrange.ts'
import { PersistentVolumeClaim } from '../../kinds/core/persistentvolumeclaim.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { RuntimeClass } from '../../kinds/node/runtimeclass.ts'
import { openTestServer } from '../testing.ts'

type Resources = { requests?: Record<string, string>; limits?: Record<string, string> }
const container = (name: string, resources: Resources = {}) => ({ name, image: 'app', resources })
const cpu = (request: string | undefined, limit: string | undefined): Resources => ({
  ...(request !== undefined && { requests: { cpu: request } }),
  ...(limit !== undefined && { limits: { cpu: limit } }),
})

test('a container gets the defaults that it lacks, and an annotation of the pod lists them', async t => {
  const { admin } = await openTestServer(t)
  await admin.create(LimitRange, {
    metadata: { name: 'limits' },
    spec: {
      limits: [
        { type: 'Container', default: { cpu: '500m', memory: '1Gi' }, defaultRequest: { cpu: '100m' } },
        { type: 'Pod', max: { cpu: '8' } },
      ],
    },
  })
  const pod = await admin.create(Pod, {
    metadata: { name: 'p' },
    spec: {
      initContainers: [container('i', cpu('200m', '300m'))],
      containers: [container('a'), container('b', cpu(undefined, '2'))],
    },
  })
  deepStrictEqual(
    [...pod.spec.initContainers!, ...pod.spec.containers].map(c => c.resources),
    [
      { limits: { cpu: '300m', memory: '1Gi' }, requests: { cpu: '200m', memory: '1Gi' } },
      { limits: { cpu: '500m', memory: '1Gi' }, requests: { cpu: '100m', memory: '1Gi' } },
      // A limit that the container has is also its request if it has none.
      { limits: { cpu: '2', memory: '1Gi' }, requests: { cpu: '2', memory: '1Gi' } },
    ],
  )
  strictEqual(
    pod.metadata.annotations!['kubernetes.io/limit-ranger'],
    'LimitRanger plugin set: cpu, memory request for container a; cpu, memory limit for container a; memory request for container b; memory limit for container b; memory request for init container i; memory limit for init container i',
  )
})

test('containers and pods outside their bounds are refused with the bound and the value', async t => {
  const { admin } = await openTestServer(t)
  const table: [limits: object, resources: Resources, why: string | undefined][] = [
    [{ min: { cpu: '1' } }, {}, 'minimum cpu usage per TYPE is 1.  No request is specified'],
    [{ min: { cpu: '1' } }, cpu('500m', undefined), 'minimum cpu usage per TYPE is 1, but request is 500m'],
    [{ min: { cpu: '1' } }, cpu('1', '2'), undefined],
    [{ max: { cpu: '1' } }, cpu('1', undefined), 'maximum cpu usage per TYPE is 1.  No limit is specified'],
    [{ max: { cpu: '1' } }, cpu(undefined, '1001m'), 'maximum cpu usage per TYPE is 1, but limit is 1001m'],
    [{ max: { cpu: '1' } }, cpu('200m', '1'), undefined],
    [
      { maxLimitRequestRatio: { cpu: '2' } },
      {},
      'cpu max limit to request ratio per TYPE is 2, but no request is specified or request is 0',
    ],
    [
      { maxLimitRequestRatio: { cpu: '2' } },
      cpu('1', undefined),
      'cpu max limit to request ratio per TYPE is 2, but no limit is specified or limit is 0',
    ],
    [
      { maxLimitRequestRatio: { cpu: '1500m' } },
      cpu('3', '5'),
      'cpu max limit to request ratio per TYPE is 1500m, but provided ratio is 1.666667',
    ],
    [{ maxLimitRequestRatio: { cpu: '1500m' } }, cpu('2', '3'), undefined],
    [
      { min: { cpu: '1' }, max: { memory: '1Gi' } },
      {},
      '[minimum cpu usage per TYPE is 1.  No request is specified, maximum memory usage per TYPE is 1Gi.  No limit is specified]',
    ],
  ]
  for (const [limits, resources, why] of table)
    for (const type of ['Pod', 'Container']) {
      // The bounds of containers are also defaults, so no value is missing.
      if (type === 'Container' && /is specified/.test(why ?? '')) continue
      const spec = { limits: [{ type, ...limits }] }
      await admin.create(LimitRange, { metadata: { name: 'limits' }, spec })
      const pod = { metadata: { name: 'p' }, spec: { containers: [container('a', resources)] } }
      const made = admin.create(Pod, pod, { options: { dryRun: true } })
      if (why === undefined) await made
      else {
        const message = `pods "p" is forbidden: ${why.replaceAll('TYPE', type)}`
        await rejects(made, { reason: 'Forbidden', message }, message)
      }
      await admin.remove(LimitRange, 'limits')
    }
})

test('only the first limit range that refuses is reported', async t => {
  const { admin } = await openTestServer(t)
  for (const [name, cpuMax] of [
    ['b', '1'],
    ['a', '2'],
  ] as const)
    await admin.create(LimitRange, { metadata: { name }, spec: { limits: [{ type: 'Pod', max: { cpu: cpuMax } }] } })
  await rejects(admin.create(Pod, { metadata: { name: 'p' }, spec: { containers: [container('a', cpu('3', '3'))] } }), {
    message: 'pods "p" is forbidden: maximum cpu usage per Pod is 2, but limit is 3',
  })
})

test('a pod is compared by the sum of its containers, without its overhead', async t => {
  const { admin } = await openTestServer(t)
  await admin.create(RuntimeClass, { metadata: { name: 'costly' }, handler: 'h', overhead: { podFixed: { cpu: '5' } } })
  await admin.create(LimitRange, {
    metadata: { name: 'limits' },
    spec: { limits: [{ type: 'Pod', min: { cpu: '1' }, max: { cpu: '3' } }] },
  })
  const create = (spec: object) => admin.create(Pod, { metadata: { name: 'p' }, spec }, { options: { dryRun: true } })
  await create({ containers: [container('a', cpu('1', '1')), container('b', cpu('1', '2'))] })
  await create({ runtimeClassName: 'costly', containers: [container('a', cpu('1', '3'))] })
  const refused = (why: string) => ({ message: `pods "p" is forbidden: ${why}` })
  await rejects(
    create({ containers: [container('a', cpu('2', '2')), container('b', cpu('2', '2'))] }),
    refused('maximum cpu usage per Pod is 3, but limit is 4'),
  )
  await rejects(
    create({ initContainers: [container('i', cpu('4', '4'))], containers: [container('a', cpu('1', '1'))] }),
    refused('maximum cpu usage per Pod is 3, but limit is 4'),
  )
  await rejects(
    create({ containers: [container('a', cpu('4', undefined)), container('b', cpu('0', '1'))] }),
    refused('maximum cpu usage per Pod is 3, but request is 4'),
  )
})

test('a claim is compared with both bounds by its request', async t => {
  const { admin } = await openTestServer(t)
  await admin.create(LimitRange, {
    metadata: { name: 'limits' },
    spec: { limits: [{ type: 'PersistentVolumeClaim', min: { storage: '1Gi' }, max: { storage: '2Gi' } }] },
  })
  const claim = (storage: string) =>
    admin.create(PersistentVolumeClaim, {
      metadata: { name: 'c' },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } } },
    })
  const refused = (why: string) => ({
    message: `persistentvolumeclaims "c" is forbidden: ${why}`,
  })
  await rejects(claim('1'), refused('minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 1'))
  await rejects(claim('3Gi'), refused('maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi'))
  await claim('2Gi')
})

test('a resize of a pod is checked against its bounds, and other changes are not', async t => {
  const { admin } = await openTestServer(t)
  await admin.create(Pod, { metadata: { name: 'p' }, spec: { containers: [container('a', cpu('1', '1'))] } })
  await admin.create(LimitRange, {
    metadata: { name: 'limits' },
    spec: { limits: [{ type: 'Container', max: { cpu: '500m' } }] },
  })
  const resize = (amount: string) =>
    admin.patch(
      Pod,
      'p',
      'strategic',
      { spec: { containers: [{ name: 'a', resources: cpu(amount, amount) }] } },
      { subresource: 'resize' },
    )
  await rejects(resize('2'), {
    message: 'pods "p" is forbidden: maximum cpu usage per Container is 500m, but limit is 2',
  })
  const resized = await resize('400m')
  deepStrictEqual(resized.spec.containers[0]!.resources, cpu('400m', '400m'))
  await admin.patch(Pod, 'p', 'merge', { metadata: { labels: { a: 'b' } } })
})
