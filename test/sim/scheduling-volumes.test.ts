// Pods wait in the scheduler for the claims that they mount, and their condition names what they wait for.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Draft } from '../../src/api/kind.ts'
import { PersistentVolume } from '../../src/kinds/core/persistentvolume.ts'
import { PersistentVolumeClaim } from '../../src/kinds/core/persistentvolumeclaim.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { ServiceAccount } from '../../src/kinds/core/serviceaccount.ts'
import { type Sim, simulate } from './cluster.ts'

const namespace = 'default'
const ref = { namespace, name: 'p' }
const storage = { storage: '1Gi' }
const accessModes: Draft<PersistentVolumeClaim['spec']>['accessModes'] = ['ReadWriteOnce']
const preemption =
  'no new claims to deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.'
const waiting = (why: string) => `0/2 nodes are available: ${why}. ${preemption}`

const messageOf = ({ client }: Sim) =>
  client
    .mirror(Pod)
    .get(namespace, 'p')
    ?.status.conditions?.find(c => c.type === 'PodScheduled')?.message
const nodeOf = ({ client }: Sim) => client.mirror(Pod).get(namespace, 'p')?.spec.nodeName

const pod = (volume: object) =>
  ({
    metadata: ref,
    spec: { containers: [{ name: 'c', image: 'app:1' }], volumes: [{ name: 'v', ...volume }] },
  }) as Draft<Pod>

test('a pod waits until its claim exists and is bound, and then runs where its volume is', () =>
  simulate({ nodes: 2, controllers: false }, async sim => {
    const { client, until } = sim
    await client.create(ServiceAccount, { metadata: { name: 'default', namespace } })
    await client.create(Pod, pod({ persistentVolumeClaim: { claimName: 'nope' } }))
    await until('it waits', () => messageOf(sim) === waiting('persistentvolumeclaim "nope" not found'))
    await client.create(PersistentVolumeClaim, {
      metadata: { namespace, name: 'nope' },
      spec: { accessModes, resources: { requests: storage } },
    })
    await until('it waits on', () => messageOf(sim) === waiting('pod has unbound immediate PersistentVolumeClaims'))
    const matchExpressions = [{ key: 'kubernetes.io/hostname', operator: 'In' as const, values: ['node-1'] }]
    await client.create(PersistentVolume, {
      metadata: { name: 'pv' },
      spec: {
        accessModes,
        capacity: storage,
        local: { path: '/data' },
        nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions }] } },
      },
    })
    const bound = {
      metadata: { annotations: { 'pv.kubernetes.io/bind-completed': 'yes' } },
      spec: { volumeName: 'pv' },
    }
    await client.patch(PersistentVolumeClaim, { namespace, name: 'nope' }, 'merge', bound)
    await until('it runs', () => nodeOf(sim) !== undefined)
    assert.equal(nodeOf(sim), 'node-1')
  }))

test('a pod waits for the claim of an ephemeral volume', () =>
  simulate({ nodes: 2, controllers: false }, async sim => {
    await sim.client.create(ServiceAccount, { metadata: { name: 'default', namespace } })
    const volumeClaimTemplate = { spec: { accessModes, resources: { requests: storage } } }
    await sim.client.create(Pod, pod({ ephemeral: { volumeClaimTemplate } }))
    const why = 'waiting for ephemeral volume controller to create the persistentvolumeclaim "p-v"'
    await sim.until('it waits', () => messageOf(sim) === waiting(why))
  }))
