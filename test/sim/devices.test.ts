// Pods with ResourceClaims, from the claim's creation to the end of its use.
import { deepStrictEqual, match, ok, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { Event } from '../../src/kinds/core/event.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { ServiceAccount } from '../../src/kinds/core/serviceaccount.ts'
import { claimFinalizer } from '../../src/kinds/resource/claim-use.ts'
import { DeviceClass } from '../../src/kinds/resource/deviceclass.ts'
import { DeviceTaintRule } from '../../src/kinds/resource/devicetaintrule.ts'
import { ResourceClaim } from '../../src/kinds/resource/resourceclaim.ts'
import { ResourceSlice } from '../../src/kinds/resource/resourceslice.ts'
import { type Sim, type SimOptions, simulate } from './cluster.ts'
import {
  claimCalled,
  claims,
  devicesOf,
  gpus,
  isFree,
  makeClaim,
  makeClass,
  makeTemplate,
  named,
  namespace,
  nodeOf,
  podCalled,
  podWith,
  publish,
  whyOf,
} from './devices.ts'

/** A cluster in which pods can be created, with the class `gpu`. */
const withDevices = (options: SimOptions, run: (sim: Sim) => Promise<void>) =>
  simulate(options, async sim => {
    await sim.until('the account', () => sim.client.mirror(ServiceAccount).get(namespace, 'default') !== undefined)
    await makeClass(sim)
    await run(sim)
  })

test('two pods share a claim; a third waits for its devices, and gets them when both have gone', () =>
  withDevices({ nodes: 2 }, async sim => {
    const { client, until } = sim
    await publish(sim, 'node-1', named(1))
    await makeClaim(sim, 'shared', gpus(1))
    await makeClaim(sim, 'other', gpus(1))
    for (const name of ['a', 'b']) await client.create(Pod, podWith(name, { resourceClaimName: 'shared' }))
    await until('both run', () => ['a', 'b'].every(name => podCalled(sim, name)?.status.phase === 'Running'))
    deepStrictEqual(
      ['a', 'b'].map(name => nodeOf(sim, name)),
      ['node-1', 'node-1'],
    )
    const shared = claimCalled(sim, 'shared')
    deepStrictEqual(devicesOf(shared), ['node-1/gpu-0'])
    deepStrictEqual(shared?.metadata.finalizers, [claimFinalizer])
    deepStrictEqual(shared?.status.reservedFor?.map(({ resource, name }) => `${resource}/${name}`).sort(), [
      'pods/a',
      'pods/b',
    ])
    deepStrictEqual(shared?.status.allocation?.nodeSelector?.nodeSelectorTerms, [
      { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['node-1'] }] },
    ])
    ok(shared?.status.allocation?.allocationTimestamp)

    await client.create(Pod, podWith('c', { resourceClaimName: 'other' }))
    const why =
      '0/2 nodes are available: 2 cannot allocate all claims. still not schedulable, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.'
    await until('the third waits', () => whyOf(sim, 'c') === why)
    await client.delete(Pod, { namespace, name: 'a' })
    await until('one has gone', () => claimCalled(sim, 'shared')?.status.reservedFor?.length === 1)
    strictEqual(nodeOf(sim, 'c'), undefined)
    await client.delete(Pod, { namespace, name: 'b' })
    await until('the third has the device', () => nodeOf(sim, 'c') === 'node-1', 60_000)
    deepStrictEqual(devicesOf(claimCalled(sim, 'other')), ['node-1/gpu-0'])
    ok(isFree(claimCalled(sim, 'shared')!))
  }))

test('a pod gets a claim from a template, which goes with it or when it has ended', () => {
  const ending = new Set<string>()
  return withDevices(
    { nodes: 1, fate: pod => (ending.has(pod.metadata.name ?? '') ? 'succeeded' : 'ready') },
    async sim => {
      const { client, until } = sim
      await publish(sim, 'node-0', named(2))
      await makeTemplate(sim, 'one', gpus(1))
      ending.add('short')
      await client.create(Pod, podWith('long', { resourceClaimTemplateName: 'one' }))
      await until('it runs', () => podCalled(sim, 'long')?.status.phase === 'Running')
      const [made] = claims(sim)
      match(made!.metadata.name ?? '', /^long-devices-[a-z0-9]{5}$/)
      deepStrictEqual(made!.metadata.annotations, { 'resource.kubernetes.io/pod-claim-name': 'devices' })
      deepStrictEqual(podCalled(sim, 'long')?.status.resourceClaimStatuses, [
        { name: 'devices', resourceClaimName: made!.metadata.name },
      ])
      deepStrictEqual(
        made!.metadata.ownerReferences?.map(({ kind, name, controller, blockOwnerDeletion }) => ({
          kind,
          name,
          controller,
          blockOwnerDeletion,
        })),
        [{ kind: 'Pod', name: 'long', controller: true, blockOwnerDeletion: true }],
      )
      await client.create(Pod, podWith('short', { resourceClaimTemplateName: 'one' }))
      await until('it has ended', () => podCalled(sim, 'short')?.status.phase === 'Succeeded')
      await until('its claim is gone while the pod is there', () => claims(sim).length === 1)
      ok(podCalled(sim, 'short'))
      await client.delete(Pod, { namespace, name: 'long' })
      await until('no claim is left', () => claims(sim).length === 0)
    },
  )
})

test('a pod waits for its claim, its template and its class, and says so', () =>
  withDevices({ nodes: 1 }, async sim => {
    const { client, until } = sim
    await publish(sim, 'node-0', named(4))
    await client.create(Pod, podWith('a', { resourceClaimTemplateName: 'later' }))
    const events = () =>
      client
        .mirror(Event)
        .list(namespace)
        .filter(event => event.involvedObject.name === 'a')
    await until('the event', () => events().some(event => event.reason === 'FailedResourceClaimCreation'))
    strictEqual(
      events().find(event => event.reason === 'FailedResourceClaimCreation')?.message,
      'PodResourceClaim devices: resource claim template "later": resourceclaimtemplate.resource.k8s.io "later" not found',
    )
    strictEqual(
      sim.scheduler?.explain(namespace, 'a').summary,
      'Pod default/a is not in the queue: pod "default/a": ResourceClaim not created yet.',
    )
    await makeTemplate(sim, 'later', { name: 'r', exactly: { deviceClassName: 'unknown' } })
    await until('it waits for the class', () =>
      (whyOf(sim, 'a') ?? '').startsWith('0/1 nodes are available: request r: device class unknown does not exist.'),
    )
    await client.delete(Pod, { namespace, name: 'a' })
    await client.create(Pod, podWith('b', { resourceClaimName: 'later' }))
    await sim.clock.forward(5_000)
    strictEqual(nodeOf(sim, 'b'), undefined)
    await makeClaim(sim, 'later', gpus(4))
    await until(
      'it has all devices',
      () => devicesOf(claimCalled(sim, 'later')).length === 4 && nodeOf(sim, 'b') !== undefined,
    )
  }))

test('a claim that is deleted while a pod uses it stays until the pod has gone', () =>
  withDevices({ nodes: 1 }, async sim => {
    const { client, until } = sim
    await publish(sim, 'node-0', named(1))
    await makeClaim(sim, 'used', gpus(1))
    await client.create(Pod, podWith('a', { resourceClaimName: 'used' }))
    await until('it runs', () => podCalled(sim, 'a')?.status.phase === 'Running')
    await client.delete(ResourceClaim, { namespace, name: 'used' })
    await sim.clock.forward(5_000)
    ok(claimCalled(sim, 'used')?.metadata.deletionTimestamp)
    strictEqual(devicesOf(claimCalled(sim, 'used')).length, 1)
    await client.delete(Pod, { namespace, name: 'a' })
    await until('both are gone', () => claims(sim).length === 0)
  }))

test('extended resources of a class become devices where no plugin offers them', () =>
  withDevices({ nodes: 1 }, async sim => {
    const { client, until } = sim
    await publish(sim, 'node-0', named(3))
    const resource = 'example.com/gpu'
    const spec = (count: string) => ({
      containers: [
        { name: 'c', image: 'app:1', resources: { requests: { [resource]: count }, limits: { [resource]: count } } },
      ],
      terminationGracePeriodSeconds: 0,
    })
    await client.create(Pod, { metadata: { name: 'a', namespace }, spec: spec('2') })
    await until('nobody has it', () =>
      (whyOf(sim, 'a') ?? '').startsWith('0/1 nodes are available: 1 Insufficient example.com/gpu.'),
    )
    await client.patch(DeviceClass, { name: 'gpu' }, 'merge', {
      spec: { extendedResourceName: resource },
    })
    await until('it runs', () => podCalled(sim, 'a')?.status.phase === 'Running', 60_000)
    const [claim] = claims(sim)
    match(claim!.metadata.name ?? '', /^a-extended-resources-/)
    deepStrictEqual(claim!.metadata.annotations, { 'resource.kubernetes.io/extended-resource-claim': 'true' })
    deepStrictEqual(devicesOf(claim), ['node-0/gpu-0', 'node-0/gpu-1'])
    deepStrictEqual(podCalled(sim, 'a')?.status.extendedResourceClaimStatus, {
      requestMappings: [{ containerName: 'c', resourceName: resource, requestName: 'container-0-request-0' }],
      resourceClaimName: claim!.metadata.name,
    })
    await client.create(Pod, { metadata: { name: 'b', namespace }, spec: spec('2') })
    await until('there are not enough left', () => (whyOf(sim, 'b') ?? '').includes('1 cannot allocate all claims'))
    await client.delete(Pod, { namespace, name: 'a' })
    await until('the next one runs', () => podCalled(sim, 'b')?.status.phase === 'Running', 60_000)
    await client.delete(Pod, { namespace, name: 'b' })
    await until('no claim is left', () => claims(sim).length === 0)
  }))

test('the earlier alternative decides on the node', () =>
  withDevices({ nodes: 3 }, async sim => {
    const { client, until } = sim
    const sized = (name: string, size: string) => ({ name, attributes: { size: { string: size } } })
    await publish(sim, 'node-0', [sized('a', 'small')])
    await publish(sim, 'node-1', [sized('b', 'large')])
    await publish(sim, 'node-2', [sized('c', 'small')])
    const alternative = (size: string) => ({
      name: size,
      deviceClassName: 'gpu',
      selectors: [{ cel: { expression: `device.attributes["gpu.example.com"].size == "${size}"` } }],
    })
    await makeClaim(sim, 'either', { name: 'r', firstAvailable: [alternative('large'), alternative('small')] })
    await client.create(Pod, podWith('a', { resourceClaimName: 'either' }))
    await until('it has a node', () => nodeOf(sim, 'a') !== undefined)
    strictEqual(nodeOf(sim, 'a'), 'node-1')
    strictEqual(claimCalled(sim, 'either')?.status.allocation?.devices.results?.[0]?.request, 'r/large')
  }))

test('a claim that nobody uses gives back devices that its next pod cannot reach', () =>
  withDevices({ nodes: 2 }, async sim => {
    const { client, until } = sim
    for (const node of ['node-0', 'node-1']) await publish(sim, node, named(1))
    await makeClaim(sim, 'moves', gpus(1))
    const only = (name: string) => ({ nodeSelector: { 'kubernetes.io/hostname': name } })
    await client.create(Pod, podWith('a', { resourceClaimName: 'moves' }, only('node-0')))
    await until('it has the first', () => devicesOf(claimCalled(sim, 'moves'))[0] === 'node-0/gpu-0')
    // As after a pod that was not bound in the end: allocated, and reserved for nobody.
    const { allocation } = claimCalled(sim, 'moves')!.status
    await client.delete(Pod, { namespace, name: 'a' })
    await until('it is free', () => isFree(claimCalled(sim, 'moves')!))
    await client.patch(
      ResourceClaim,
      { namespace, name: 'moves' },
      'merge',
      { status: { allocation } },
      { subresource: 'status' },
    )
    await client.create(Pod, podWith('b', { resourceClaimName: 'moves' }, only('node-1')))
    await until('it has moved', () => nodeOf(sim, 'b') === 'node-1', 60_000)
    deepStrictEqual(devicesOf(claimCalled(sim, 'moves')), ['node-1/gpu-0'])
  }))

const slow = {
  name: 'slow',
  bindingConditions: ['example.com/ready'],
  bindingFailureConditions: ['example.com/broken'],
}
/** Reports a condition of the only device of a claim, as its driver does. */
const report = ({ client }: Sim, claim: string, type: string) =>
  client.patch(
    ResourceClaim,
    { namespace, name: claim },
    'merge',
    {
      status: {
        devices: [
          {
            driver: 'gpu.example.com',
            pool: 'node-0',
            device: 'slow',
            conditions: [
              { type, status: 'True', reason: 'Test', message: 'x', lastTransitionTime: '2026-01-01T00:00:00Z' },
            ],
          },
        ],
      },
    },
    { subresource: 'status' },
  )

test('a pod is bound when its device is ready', () =>
  withDevices({ nodes: 1 }, async sim => {
    const { client, clock, until } = sim
    await publish(sim, 'node-0', [slow])
    await makeClaim(sim, 'c', gpus(1))
    await client.create(Pod, podWith('a', { resourceClaimName: 'c' }))
    await until('it is reserved', () => claimCalled(sim, 'c')?.status.reservedFor?.length === 1)
    await clock.forward(30_000)
    strictEqual(nodeOf(sim, 'a'), undefined)
    const events = client.mirror(Event).list(namespace)
    ok(events.some(event => event.reason === 'BindingConditionsPending'))
    await report(sim, 'c', 'example.com/ready')
    await until('it is bound', () => nodeOf(sim, 'a') === 'node-0')
  }))

test('a device that does not become ready is given back', () =>
  withDevices({ nodes: 1 }, async sim => {
    const { client, until } = sim
    await publish(sim, 'node-0', [slow])
    await makeClaim(sim, 'c', gpus(1))
    await client.create(Pod, podWith('a', { resourceClaimName: 'c' }))
    await until('it is reserved', () => claimCalled(sim, 'c')?.status.reservedFor?.length === 1)
    await report(sim, 'c', 'example.com/broken')
    const messages = () =>
      client
        .mirror(Event)
        .list(namespace)
        .map(event => event.message ?? '')
    await until('the pod says why', () =>
      messages().some(text => text.includes('claim c binding failed: reason=Test, message="x"')),
    )
    await until('the claim was freed for another try', () => !claimCalled(sim, 'c')?.status.devices?.length, 60_000)
    await until('which is made', () => claimCalled(sim, 'c')?.status.reservedFor?.length === 1, 60_000)
    await report(sim, 'c', 'example.com/ready')
    await until('it is bound', () => nodeOf(sim, 'a') === 'node-0', 60_000)
  }))

test('a taint of a device evicts its users when they have tolerated it for as long as they said', () =>
  withDevices({ nodes: 1 }, async sim => {
    const { client, clock, until } = sim
    const slice = await publish(sim, 'node-0', named(3))
    const tolerating = (toleration?: object) => ({
      name: 'r',
      exactly: { deviceClassName: 'gpu', ...(toleration && { tolerations: [{ key: 'bad', ...toleration }] }) },
    })
    await makeClaim(sim, 'never', tolerating())
    await makeClaim(sim, 'minute', tolerating({ operator: 'Exists', tolerationSeconds: 60 }))
    await makeClaim(sim, 'ever', tolerating({ operator: 'Exists' }))
    for (const name of ['never', 'minute', 'ever']) await client.create(Pod, podWith(name, { resourceClaimName: name }))
    const names = () => sim.pods(namespace).map(pod => pod.metadata.name)
    await until('they run', () => sim.pods(namespace).every(pod => pod.status.phase === 'Running'))
    const devices = named(3).map(device => ({ ...device, taints: [{ key: 'bad', effect: 'NoExecute' as const }] }))
    await client.update(ResourceSlice, { ...slice, spec: { ...slice.spec, devices } })
    await until('one is evicted', () => !names().includes('never'))
    await clock.forward(50_000)
    deepStrictEqual(names().sort(), ['ever', 'minute'])
    await clock.forward(15_000)
    deepStrictEqual(names(), ['ever'])
    const event = client
      .mirror(Event)
      .list(namespace)
      .find(({ reason }) => reason === 'DeviceTaintManagerEviction')
    strictEqual(event?.message, 'Marking for deletion')
    await client.create(DeviceTaintRule, {
      metadata: { name: 'all' },
      spec: { deviceSelector: {}, taint: { key: 'worse', effect: 'NoExecute' } },
    })
    await until('a rule evicts the last', () => names().length === 0)
  }))
