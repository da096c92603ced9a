// Requests that are refused to a node, above all mirror pods that would give the node more rights.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Draft } from '../../src/api/kind.ts'
import { TokenRequest } from '../../src/kinds/authentication/tokenrequest.ts'
import { Lease } from '../../src/kinds/coordination/lease.ts'
import { Node } from '../../src/kinds/core/node.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { Secret } from '../../src/kinds/core/secret.ts'
import { ServiceAccount } from '../../src/kinds/core/serviceaccount.ts'
import { CSINode } from '../../src/kinds/storage/csinode.ts'
import { type Sim, simulate } from './cluster.ts'

const asNode = (sim: Sim, name: string) => sim.plane.client(`system:node:${name}`, ['system:nodes'])

test('a node creates only mirror pods that are its own and refer to nothing', () =>
  simulate({ nodes: 1, scheduler: false }, async sim => {
    const node = asNode(sim, 'node-0')
    const { uid = '' } = (await sim.client.get(Node, { name: 'node-0' })).metadata
    await sim.client.create(Secret, { metadata: { name: 'top', namespace: 'default' } })
    const owner = { apiVersion: 'v1', kind: 'Node', name: 'node-0', uid, controller: true }
    const mirror = (spec: Draft<Pod['spec']> = {}, owners: object[] = [owner]): Draft<Pod> => ({
      metadata: {
        name: 'mirror',
        namespace: 'default',
        annotations: { 'kubernetes.io/config.mirror': 'x' },
        ownerReferences: owners as never[],
      },
      spec: { nodeName: 'node-0', containers: [{ name: 'c', image: 'i' }], ...spec },
    })
    const volume = (source: object) => ({ volumes: [{ name: 'v', ...source }] }) as Draft<Pod['spec']>
    const table: [pod: Draft<Pod>, why: RegExp][] = [
      [{ ...mirror(), metadata: { name: 'plain', namespace: 'default' } }, /can only create mirror pods/],
      [mirror({ nodeName: 'node-1' }), /spec\.nodeName set to itself/],
      [mirror({}, []), /with an owner reference set to itself/],
      [mirror({}, [owner, { ...owner, controller: false }]), /a single owner reference/],
      [mirror({}, [{ ...owner, name: 'node-1' }]), /an owner reference set to itself/],
      [mirror({}, [{ ...owner, controller: false }]), /a controller owner reference/],
      [mirror({}, [{ ...owner, blockOwnerDeletion: true }]), /must not set blockOwnerDeletion/],
      [mirror({}, [{ ...owner, uid: 'other' }]), /UID mismatch/],
      [mirror({ serviceAccountName: 'boss' }), /service account/],
      [mirror(volume({ secret: { secretName: 'top' } })), /secrets/],
      [mirror(volume({ configMap: { name: 'c' } })), /configmaps/],
      [mirror(volume({ persistentVolumeClaim: { claimName: 'c' } })), /persistentvolumeclaims/],
      [
        mirror(volume({ iscsi: { targetPortal: 't', iqn: 'iqn.2000-01.a:b', lun: 0, secretRef: { name: 's' } } })),
        /secrets/,
      ],
      [mirror({ resourceClaims: [{ name: 'r', resourceClaimName: 'c' }] }), /resourceclaims/],
    ]
    for (const [pod, message] of table) await assert.rejects(node.create(Pod, pod), { reason: 'Forbidden', message })
    await assert.rejects(node.get(Secret, { namespace: 'default', name: 'top' }), { reason: 'Forbidden' })
    await node.create(Pod, mirror())
    // This holds for all users: a mirror pod has no rights of its own.
    const account = mirror({ serviceAccountName: 'default' })
    const other = { ...account, metadata: { ...account.metadata, name: 'other' } }
    await assert.rejects(sim.client.create(Pod, other), { message: /a mirror pod may not reference service accounts/ })
  }))

test('a node keeps its own Lease, CSINode and labels, and no others', () =>
  simulate({ nodes: 2, scheduler: false, controllers: false }, async sim => {
    const node = asNode(sim, 'node-0')
    const lease = (name: string, namespace = 'kube-node-lease') => ({ metadata: { name, namespace }, spec: {} })
    await assert.rejects(node.create(Lease, lease('node-9')), { reason: 'Forbidden' })
    await assert.rejects(node.create(Lease, lease('node-0', 'default')), { reason: 'Forbidden' })
    await assert.rejects(node.create(CSINode, { metadata: { name: 'node-1' }, spec: {} }), { reason: 'Forbidden' })
    const label = (key: string) =>
      node.patch(Node, { name: 'node-0' }, 'merge', { metadata: { labels: { [key]: 'x' } } })
    await label('kubernetes.io/hostname')
    await label('example.com/rack')
    await label('node.kubernetes.io/instance-type')
    for (const key of [
      'node-role.kubernetes.io/control-plane',
      'x.node-restriction.kubernetes.io/y',
      'pod-security.kubernetes.io/enforce',
    ])
      await assert.rejects(label(key), { reason: 'Forbidden', message: /is not allowed to modify labels/ })
    const taints = [{ key: 'k', effect: 'NoSchedule' }]
    await assert.rejects(node.patch(Node, { name: 'node-0' }, 'merge', { spec: { taints } }), { message: /taints/ })
    await assert.rejects(node.create(Node, { metadata: { name: 'node-7' } }), { message: /not allowed to modify node/ })
  }))

test('a node asks for tokens of its own pods, for the audiences they name', () =>
  simulate({ nodes: 2, scheduler: false, fate: () => 'pending' }, async sim => {
    const node = asNode(sim, 'node-0')
    const projected = { sources: [{ serviceAccountToken: { path: 't', audience: 'vault' } }] }
    const pod = (name: string, nodeName: string): Draft<Pod> => ({
      metadata: { name, namespace: 'default' },
      spec: { nodeName, containers: [{ name: 'c', image: 'i' }], volumes: [{ name: 'v', projected }] },
    })
    await sim.until('the default account', async () =>
      Boolean(await sim.client.find(ServiceAccount, { namespace: 'default', name: 'default' })),
    )
    const mine = await sim.client.create(Pod, pod('mine', 'node-0'))
    const other = await sim.client.create(Pod, pod('other', 'node-1'))
    const token = (bound: Pod | undefined, audiences: string[]) => {
      const { name = '', uid = '' } = bound?.metadata ?? {}
      const boundObjectRef = { kind: 'Pod', apiVersion: 'v1', name, uid }
      const spec = { audiences, ...(bound && { boundObjectRef }) }
      const account = { namespace: 'default', name: 'default' }
      return node.createUnder(ServiceAccount, account, 'token', TokenRequest, { spec })
    }
    await token(mine as Pod, ['vault'])
    await token(mine as Pod, [])
    await assert.rejects(token(mine as Pod, ['bank']), { message: /audience "bank" not found in pod spec volume/ })
    await assert.rejects(token(mine as Pod, ['vault', 'bank']), { message: /may only request 0 or 1 audiences/ })
    await assert.rejects(token(other as Pod, ['vault']), { message: /scheduled on a different node/ })
    await assert.rejects(token(undefined, []), { message: /not bound to a pod/ })
  }))
