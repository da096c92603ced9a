// What admission adds to objects: defaults from limit ranges, priorities, service accounts, addresses of services.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LimitRange } from '../../src/kinds/core/limitrange.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { Service } from '../../src/kinds/core/service.ts'
import { ServiceAccount } from '../../src/kinds/core/serviceaccount.ts'
import { RuntimeClass } from '../../src/kinds/node/runtimeclass.ts'
import { PriorityClass } from '../../src/kinds/scheduling/priorityclass.ts'
import { simulate } from './cluster.ts'

const pod = (name: string, spec: object = {}) => ({
  metadata: { name, namespace: 'default' },
  spec: { containers: [{ name: 'a', image: 'x', ...(spec as { resources?: object }) }] },
})

test('a limit range sets defaults, and refuses what is outside of its bounds', () =>
  simulate({ scheduler: false }, async ({ client, until }) => {
    await until(
      'the default account is there',
      async () => (await client.find(ServiceAccount, { namespace: 'default', name: 'default' })) !== undefined,
    )
    await client.create(LimitRange, {
      metadata: { name: 'limits', namespace: 'default' },
      spec: {
        limits: [{ type: 'Container', default: { cpu: '500m' }, defaultRequest: { cpu: '100m' }, max: { cpu: '1' } }],
      },
    })
    const made = await client.create(Pod, pod('a'))
    assert.deepEqual(made.spec.containers[0]!.resources, { limits: { cpu: '500m' }, requests: { cpu: '100m' } })
    assert.match(
      made.metadata.annotations!['kubernetes.io/limit-ranger']!,
      /cpu request for container a; cpu limit for container a/,
    )
    await assert.rejects(client.create(Pod, pod('b', { resources: { limits: { cpu: '2' } } })), {
      reason: 'Forbidden',
      message: 'pods "b" is forbidden: maximum cpu usage per Container is 1, but limit is 2',
    })
  }))

test('a pod gets the priority of its class, and a user cannot set another', () =>
  simulate({ scheduler: false }, async ({ client, until }) => {
    await until(
      'the default account is there',
      async () => (await client.find(ServiceAccount, { namespace: 'default', name: 'default' })) !== undefined,
    )
    await client.create(PriorityClass, { metadata: { name: 'high' }, value: 1000 })
    const high = await client.create(Pod, { ...pod('a'), spec: { ...pod('a').spec, priorityClassName: 'high' } })
    assert.deepEqual([high.spec.priority, high.spec.preemptionPolicy], [1000, 'PreemptLowerPriority'])
    assert.equal((await client.create(Pod, pod('b'))).spec.priority, 0)
    await assert.rejects(client.create(Pod, { ...pod('c'), spec: { ...pod('c').spec, priorityClassName: 'none' } }), {
      message: 'pods "c" is forbidden: no PriorityClass with name none was found',
    })
    await assert.rejects(client.create(Pod, { ...pod('d'), spec: { ...pod('d').spec, priority: 5 } }), {
      reason: 'Forbidden',
    })
  }))

test('a pod runs as the default account, with its token mounted, and tolerates a short outage of its node', () =>
  simulate({ scheduler: false }, async ({ client, until }) => {
    await until(
      'the default account is there',
      async () => (await client.find(ServiceAccount, { namespace: 'default', name: 'default' })) !== undefined,
    )
    const { spec } = await client.create(Pod, pod('a'))
    assert.equal(spec.serviceAccountName, 'default')
    assert.equal(spec.containers[0]!.volumeMounts![0]!.mountPath, '/var/run/secrets/kubernetes.io/serviceaccount')
    assert.deepEqual(
      spec.tolerations!.map(t => [t.key, t.tolerationSeconds]),
      [
        ['node.kubernetes.io/not-ready', 300],
        ['node.kubernetes.io/unreachable', 300],
      ],
    )
    await assert.rejects(
      client.create(Pod, { ...pod('b'), spec: { ...pod('b').spec, serviceAccountName: 'nobody' } }),
      {
        message:
          'pods "b" is forbidden: error looking up service account default/nobody: serviceaccount "nobody" not found',
      },
    )
  }))

test('a service gets addresses and ports, keeps them when it changes, and releases them when it is deleted', () =>
  simulate({ scheduler: false }, async ({ client, until }) => {
    await until(
      'the default account is there',
      async () => (await client.find(ServiceAccount, { namespace: 'default', name: 'default' })) !== undefined,
    )
    const ref = { name: 'web', namespace: 'default' }
    const made = await client.create(Service, {
      metadata: ref,
      spec: { type: 'NodePort', selector: { a: 'b' }, ports: [{ port: 80 }] },
    })
    assert.match(made.spec.clusterIP!, /^10\.96\.\d+\.\d+$/)
    const { nodePort } = made.spec.ports![0]!
    assert.ok(nodePort! >= 30000 && nodePort! <= 32767)
    const kept = await client.update(Service, {
      metadata: ref,
      spec: { type: 'NodePort', selector: { a: 'c' }, ports: [{ port: 80 }] },
    })
    assert.deepEqual([kept.spec.clusterIP, kept.spec.ports![0]!.nodePort], [made.spec.clusterIP, nodePort])
    const plain = await client.update(Service, {
      metadata: ref,
      spec: { type: 'ClusterIP', selector: { a: 'c' }, ports: [{ port: 80 }] },
    })
    assert.equal(plain.spec.ports![0]!.nodePort, undefined)
    await client.delete(Service, ref)
    const again = await client.create(Service, {
      metadata: { ...ref, name: 'again' },
      spec: { clusterIP: made.spec.clusterIP!, ports: [{ port: 80 }] },
    })
    assert.equal(again.spec.clusterIP, made.spec.clusterIP)
    await assert.rejects(
      client.create(Service, {
        metadata: { ...ref, name: 'third' },
        spec: { clusterIP: made.spec.clusterIP!, ports: [{ port: 80 }] },
      }),
      /provided IP is already allocated/,
    )
  }))

test('a pod gets the overhead and the node selector of its runtime class, and is refused if the class does not exist', () =>
  simulate({ scheduler: false }, async ({ client, until }) => {
    await until(
      'the default account is there',
      async () => (await client.find(ServiceAccount, { namespace: 'default', name: 'default' })) !== undefined,
    )
    const podFixed = { cpu: '100m', memory: '64Mi' }
    await client.create(RuntimeClass, {
      metadata: { name: 'sandboxed' },
      handler: 'sandboxed',
      overhead: { podFixed },
      scheduling: {
        nodeSelector: { runtime: 'sandboxed' },
        tolerations: [{ key: 'sandboxed', operator: 'Exists', effect: 'NoSchedule' }],
      },
    })
    const of = (name: string, spec: object) => {
      const made = pod(name)
      return { ...made, spec: { ...made.spec, ...spec } }
    }
    const made = await client.create(Pod, of('a', { runtimeClassName: 'sandboxed', nodeSelector: { zone: 'z' } }))
    assert.deepEqual(made.spec.overhead, podFixed)
    assert.deepEqual(made.spec.nodeSelector, { runtime: 'sandboxed', zone: 'z' })
    assert.ok(made.spec.tolerations?.some(t => t.key === 'sandboxed'))
    const refused: [object, string][] = [
      [{ runtimeClassName: 'none' }, 'pod rejected: RuntimeClass "none" not found'],
      [
        { runtimeClassName: 'sandboxed', overhead: { cpu: '1' } },
        "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
      ],
      [
        { overhead: { cpu: '1' } },
        'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead',
      ],
      [
        { runtimeClassName: 'sandboxed', nodeSelector: { runtime: 'plain' } },
        'conflict: runtimeClass.scheduling.nodeSelector[runtime] = sandboxed; pod.spec.nodeSelector[runtime] = plain',
      ],
    ]
    for (const [spec, why] of refused)
      await assert.rejects(client.create(Pod, of('b', spec)), {
        reason: 'Forbidden',
        message: `pods "b" is forbidden: ${why}`,
      })
  }))
