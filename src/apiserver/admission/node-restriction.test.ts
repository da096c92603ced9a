// What the node restriction refuses, rule by rule, with Kubernetes' error texts.
import { rejects } from 'node:assert/strict'
import { test } from 'node:test'
import { Lease } from '../../kinds/coordination/lease.ts'
import { TokenRequest } from '../../kinds/authentication/tokenrequest.ts'
import { CertificateSigningRequest } from '../../kinds/certificates/certificatesigningrequest.ts'
import { Namespace } from '../../kinds/core/namespace.ts'
import { Node } from '../../kinds/core/node.ts'
import { PersistentVolume } from '../../kinds/core/persistentvolume.ts'
import { PersistentVolumeClaim } from '../../kinds/core/persistentvolumeclaim.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { ServiceAccount } from '../../kinds/core/serviceaccount.ts'
import { ClusterRole } from '../../kinds/rbac/clusterrole.ts'
import { ClusterRoleBinding } from '../../kinds/rbac/clusterrolebinding.ts'
import { CSIDriver } from '../../kinds/storage/csidriver.ts'
import { CSINode } from '../../kinds/storage/csinode.ts'
import { makeRequest } from '../../wire/x509.ts'
import { openTestServer } from '../testing.ts'

const containers = [{ name: 'c', image: 'app' }]
const refused = (resource: string, name: string, why: string) => ({
  reason: 'Forbidden',
  message: `${resource} ${name ? `"${name}" ` : ''}is forbidden: ${why}`,
})

/** A node that has all rights, so that only admission refuses something. */
async function openWithNode(t: Parameters<typeof openTestServer>[0]) {
  const server = await openTestServer(t)
  const { admin, as } = server
  await admin.create(Namespace, { metadata: { name: 'kube-node-lease' } })
  await admin.create(ClusterRole, {
    metadata: { name: 'all' },
    rules: [
      { verbs: ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete'], apiGroups: ['*'], resources: ['*'] },
    ],
  })
  await admin.create(ClusterRoleBinding, {
    metadata: { name: 'all' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'all' },
    subjects: [{ kind: 'Group', apiGroup: 'rbac.authorization.k8s.io', name: 'system:nodes' }],
  })
  for (const name of ['n', 'm']) await admin.create(Node, { metadata: { name } })
  const { metadata } = await admin.get(Node, 'n')
  return { ...server, node: as('system:node:n', 'system:nodes'), uid: metadata.uid! }
}

test('a node without a name may do nothing', async t => {
  const { as } = await openWithNode(t)
  const nameless = as('system:node:', 'system:nodes')
  await rejects(
    nameless.create(Node, { metadata: { name: 'x' } }),
    refused('nodes', 'x', 'could not determine node from user "system:node:"'),
  )
})

test('a node may create only mirror pods of its own that refer to nothing', async t => {
  const { node, uid } = await openWithNode(t)
  const owner = { apiVersion: 'v1', kind: 'Node', name: 'n', uid, controller: true }
  const mirror = (spec: object, metadata: object = {}) =>
    node.create(
      Pod,
      {
        metadata: {
          name: 'p',
          annotations: { 'kubernetes.io/config.mirror': 'hash' },
          ownerReferences: [owner],
          ...metadata,
        },
        spec: { containers, nodeName: 'n', ...spec },
      },
      { options: { dryRun: true } },
    )
  await mirror({})
  await mirror({ volumes: [{ name: 'v', hostPath: { path: '/' } }] })
  const only = 'node "n" can only create pods with'
  const refers = (what: string) => `node "n" can not create pods that reference ${what}`
  const table: [spec: object, metadata: object, why: string][] = [
    [
      {},
      { annotations: {} },
      'pod does not have "kubernetes.io/config.mirror" annotation, node "n" can only create mirror pods',
    ],
    [{ nodeName: 'm' }, {}, `${only} spec.nodeName set to itself`],
    [{}, { ownerReferences: [] }, `${only} an owner reference set to itself`],
    [{}, { ownerReferences: [{ ...owner, name: 'm' }] }, `${only} an owner reference set to itself`],
    [
      {},
      { ownerReferences: [owner, { ...owner, name: 'm', controller: false }] },
      `${only} a single owner reference set to itself`,
    ],
    [{}, { ownerReferences: [{ ...owner, controller: false }] }, `${only} a controller owner reference set to itself`],
    [
      {},
      { ownerReferences: [{ ...owner, blockOwnerDeletion: true }] },
      'node "n" must not set blockOwnerDeletion on an owner reference',
    ],
    [{}, { ownerReferences: [{ ...owner, uid: 'other' }] }, `node n UID mismatch: expected ${uid} got other`],
    [{ volumes: [{ name: 'v', configMap: { name: 'c' } }] }, {}, refers('configmaps')],
    [{ volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'c' } }] }, {}, refers('persistentvolumeclaims')],
    [{ resourceClaims: [{ name: 'r', resourceClaimName: 'r' }] }, {}, refers('resourceclaims')],
  ]
  for (const [spec, metadata, why] of table) await rejects(mirror(spec, metadata), refused('pods', 'p', why), why)
})

test('a node may delete its own pods and report their status, and may change nothing else', async t => {
  const { admin, node } = await openWithNode(t)
  for (const [name, nodeName] of [
    ['mine', 'n'],
    ['theirs', 'm'],
  ] as const)
    await admin.create(Pod, { metadata: { name, labels: { a: 'b' } }, spec: { containers, nodeName } })
  const report = (name: string, body: object) => node.patch(Pod, name, 'merge', body, { subresource: 'status' })
  await report('mine', { status: { phase: 'Running' } })
  const itself = 'spec.nodeName set to itself'
  await rejects(
    report('theirs', { status: { phase: 'Running' } }),
    refused('pods', 'theirs', `node "n" can only update pod status for pods with ${itself}`),
  )
  await rejects(
    report('mine', { metadata: { labels: { a: 'c' } }, status: { phase: 'Failed' } }),
    refused('pods', 'mine', 'node "n" cannot update labels through pod status'),
  )
  await rejects(
    node.patch(Pod, 'mine', 'merge', { metadata: { labels: { a: 'c' } } }),
    refused('pods', 'mine', 'unexpected operation "UPDATE", node "n" can only create and delete mirror pods'),
  )
  await rejects(
    node.patch(Pod, 'mine', 'merge', { spec: {} }, { subresource: 'ephemeralcontainers' }),
    refused(
      'pods',
      'mine',
      `unexpected pod subresource "ephemeralcontainers", only 'status' and 'eviction' are allowed`,
    ),
  )
  await rejects(node.remove(Pod, 'theirs'), refused('pods', 'theirs', `node "n" can only delete pods with ${itself}`))
  await node.remove(Pod, 'mine')
})

test('a node may change its own Node, except labels and taints that could attract pods', async t => {
  const { node } = await openWithNode(t)
  const change = (name: string, body: object) => node.patch(Node, name, 'merge', body)
  const ownerReferences = [{ apiVersion: 'v1', kind: 'Node', name: 'm', uid: 'u' }]
  const table: [name: string, body: object, why: string | undefined][] = [
    ['n', { metadata: { labels: { 'example.com/rack': '1', 'kubernetes.io/os': 'linux' } } }, undefined],
    ['n', { metadata: { annotations: { a: 'b' } } }, undefined],
    ['m', { metadata: { annotations: { a: 'b' } } }, 'node "n" is not allowed to modify node "m"'],
    ['n', { spec: { taints: null } }, 'node "n" is not allowed to modify taints'],
    [
      'n',
      { metadata: { labels: { 'x.kubernetes.io/y': '1', 'node-restriction.kubernetes.io/z': '1' } } },
      'is not allowed to modify labels: node-restriction.kubernetes.io/z, x.kubernetes.io/y',
    ],
    ['n', { metadata: { ownerReferences } }, 'node "n" is not allowed to modify ownerReferences'],
  ]
  for (const [name, body, why] of table)
    if (why === undefined) await change(name, body)
    else await rejects(change(name, body), refused('nodes', name, why), why)
  await rejects(node.remove(Node, 'm'), refused('nodes', 'm', 'node "n" is not allowed to modify node "m"'))
})

test('a node may write its own Lease and CSINode, and of claims only the progress of a resize', async t => {
  const { admin, node } = await openWithNode(t)
  const lease = (name: string, namespace = 'kube-node-lease') => ({ metadata: { name, namespace }, spec: {} })
  await node.create(Lease, lease('n'))
  await rejects(
    node.create(Lease, lease('m')),
    refused('leases.coordination.k8s.io', 'm', 'can only access node lease with the same name as the requesting node'),
  )
  await rejects(
    node.create(Lease, lease('n', 'default')),
    refused('leases.coordination.k8s.io', 'n', 'can only access leases in the "kube-node-lease" system namespace'),
  )
  await rejects(
    node.create(CSINode, { metadata: { name: 'm' }, spec: {} }),
    refused('csinodes.storage.k8s.io', 'm', 'can only access CSINode with the same name as the requesting node'),
  )
  await admin.create(PersistentVolumeClaim, {
    metadata: { name: 'c' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  })
  const claim = (body: object, subresource: string) =>
    node.patch(PersistentVolumeClaim, 'c', 'merge', body, { subresource })
  await claim(
    { status: { conditions: [{ type: 'Resizing', status: 'True' }], capacity: { storage: '1Gi' } } },
    'status',
  )
  await rejects(
    claim({ metadata: { labels: { a: 'b' } } }, ''),
    refused('persistentvolumeclaims', 'c', 'may only update PVC status'),
  )
  await rejects(
    claim({ status: { phase: 'Lost' } }, 'status'),
    refused(
      'persistentvolumeclaims',
      'c',
      'node "n" is not allowed to update fields other than status.quantity and status.conditions',
    ),
  )
})

test('a node may request tokens of its own pods, for the audiences that they or their drivers name', async t => {
  const { admin, node } = await openWithNode(t)
  await admin.create(CSIDriver, {
    metadata: { name: 'd.io' },
    spec: { tokenRequests: [{ audience: 'driver' }] },
  })
  await admin.create(PersistentVolume, {
    metadata: { name: 'pv' },
    spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], csi: { driver: 'd.io', volumeHandle: 'h' } },
  })
  await admin.create(PersistentVolumeClaim, {
    metadata: { name: 'data' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, volumeName: 'pv' },
  })
  const projected = { sources: [{ serviceAccountToken: { path: 't', audience: 'vault' } }] }
  const podOn = (name: string, nodeName: string, volumes: object[]) =>
    admin.create(Pod, { metadata: { name }, spec: { nodeName, containers, volumes } })
  const mine = await podOn('mine', 'n', [
    { name: 'v', projected },
    { name: 'd', persistentVolumeClaim: { claimName: 'data' } },
  ])
  const theirs = await podOn('theirs', 'm', [])
  const ask = (ref: object | undefined, ...audiences: string[]) =>
    node.ask('create', ServiceAccount, {
      namespace: 'default',
      name: 'default',
      subresource: 'token',
      body: {
        apiVersion: TokenRequest.apiVersion,
        kind: TokenRequest.kind,
        spec: { audiences, ...(ref && { boundObjectRef: ref as { name: string } }) },
      },
    })
  const to = ({ metadata }: Pod, more: object = {}) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    name: metadata.name,
    uid: metadata.uid,
    ...more,
  })
  for (const audience of ['vault', 'driver']) await ask(to(mine), audience)
  await ask(to(mine))
  const table: [ref: object | undefined, audiences: string[], why: string][] = [
    [undefined, [], 'node requested token not bound to a pod'],
    [to(mine, { kind: 'Secret' }), [], 'node requested token not bound to a pod'],
    [to(mine, { uid: '' }), [], 'node requested token with a pod binding without a uid'],
    [to(mine, { name: 'none' }), [], 'pod "none" not found'],
    [
      to(mine, { uid: 'other' }),
      [],
      'the UID in the bound object reference (other) does not match the UID in record. The object might have been deleted and then recreated',
    ],
    [to(theirs), [], 'node requested token bound to a pod scheduled on a different node'],
    [to(mine), ['vault', 'driver'], 'node may only request 0 or 1 audiences'],
    [to(mine), ['bank'], 'audience "bank" not found in pod spec volume'],
  ]
  for (const [ref, audiences, why] of table)
    await rejects(ask(ref, ...audiences), refused('serviceaccounts', 'default', why), why)
})

test('a node may request certificates only in its own name', async t => {
  const { node } = await openWithNode(t)
  const ask = async (name: string, commonName: string, signerName: string) => {
    const { requestPem } = await makeRequest({ commonName, organizations: ['system:nodes'] })
    return node.create(CertificateSigningRequest, {
      metadata: { name },
      spec: { request: Buffer.from(requestPem).toString('base64'), signerName, usages: ['client auth'] },
    })
  }
  const signer = 'kubernetes.io/kube-apiserver-client-kubelet'
  await ask('a', 'system:node:n', signer)
  await ask('b', 'anybody', 'example.com/other')
  await rejects(
    ask('c', 'system:node:m', signer),
    refused('certificatesigningrequests.certificates.k8s.io', 'c', 'can only create a node CSR with CN=system:node:n'),
  )
})
