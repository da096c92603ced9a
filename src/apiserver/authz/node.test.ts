// What a node may do with objects that its pods use, and with others of the same kinds.
import { deepStrictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { Namespace } from '../../kinds/core/namespace.ts'
import { PersistentVolume } from '../../kinds/core/persistentvolume.ts'
import { PersistentVolumeClaim } from '../../kinds/core/persistentvolumeclaim.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { Ingress } from '../../kinds/networking/ingress.ts'
import { IngressClass } from '../../kinds/networking/ingressclass.ts'
import { atOnce, openTestServer } from '../testing.ts'

const containers = [
  {
    name: 'c',
    image: 'app',
    env: [
      { name: 'A', valueFrom: { secretKeyRef: { name: 'env', key: 'k' } } },
      { name: 'B', valueFrom: { configMapKeyRef: { name: 'env', key: 'k' } } },
    ],
    envFrom: [{ secretRef: { name: 'all' } }, { configMapRef: { name: 'all' } }],
  },
]
const volumes = [
  { name: 'a', secret: { secretName: 'mounted' } },
  { name: 'b', configMap: { name: 'mounted' } },
  { name: 'c', projected: { sources: [{ secret: { name: 'projected' } }, { configMap: { name: 'projected' } }] } },
  { name: 'd', persistentVolumeClaim: { claimName: 'data' } },
  {
    name: 'scratch',
    ephemeral: {
      volumeClaimTemplate: {
        spec: { accessModes: ['ReadWriteOnce' as const], resources: { requests: { storage: '1' } } },
      },
    },
  },
  { name: 'e', csi: { driver: 'd.io', nodePublishSecretRef: { name: 'publish' } } },
]

test('a node may do what the pods bound to it need, and nothing else', async t => {
  const { admin, core } = await openTestServer(t)
  await admin.create(Namespace, { metadata: { name: 'other' } })
  await admin.create(Pod, {
    metadata: { name: 'mine' },
    spec: {
      nodeName: 'n',
      containers,
      volumes,
      imagePullSecrets: [{ name: 'pull' }],
      resourceClaims: [{ name: 'r', resourceClaimName: 'gpu' }],
    },
  })
  await admin.create(Pod, {
    metadata: { name: 'theirs' },
    spec: { nodeName: 'm', containers: [{ name: 'c', image: 'a' }] },
  })
  await admin.create(PersistentVolume, {
    metadata: { name: 'pv' },
    spec: {
      accessModes: ['ReadWriteOnce'],
      capacity: { storage: '1Gi' },
      csi: {
        driver: 'd.io',
        volumeHandle: 'v',
        nodeStageSecretRef: { namespace: 'other', name: 'stage' },
        controllerExpandSecretRef: { namespace: 'other', name: 'controller' },
      },
    },
  })
  await admin.create(PersistentVolumeClaim, {
    metadata: { name: 'data' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, volumeName: 'pv' },
  })
  const user = { name: 'system:node:n', groups: ['system:nodes', 'system:authenticated'] }
  /** `verb group/resource/subresource namespace/name`, with empty parts left empty. */
  const may = (line: string, who = user) => {
    const [verb = '', what = '', where = '/', fieldSelector] = line.split(' ')
    const [group = '', resource = '', subresource = ''] = what.split(':')
    const [namespace = '', name = ''] = where.split('/')
    const request = { user: who, verb, group, resource, subresource, namespace, name }
    return atOnce(core.authorizer.authorize({ ...request, ...(fieldSelector && { fieldSelector }) })).allowed
  }
  const yes = [
    ...['env', 'all', 'mounted', 'projected', 'publish', 'pull'].map(name => `get :secrets default/${name}`),
    ...['env', 'all', 'mounted', 'projected'].map(name => `watch :configmaps default/${name}`),
    'list :secrets default/env',
    'get :secrets other/stage',
    'patch :persistentvolumeclaims:status default/data',
    'get :persistentvolumeclaims default/data',
    'get :persistentvolumeclaims default/mine-scratch',
    'get :persistentvolumes /pv',
    'get resource.k8s.io:resourceclaims default/gpu',
    'create resource.k8s.io:resourceslices',
    'update resource.k8s.io:resourceslices /slice',
    'watch resource.k8s.io:resourceslices / spec.nodeName=n',
    'deletecollection resource.k8s.io:resourceslices / spec.driver=d,spec.nodeName=n',
    'get :pods default/mine',
    'list :pods',
    'create :pods default/',
    'delete :pods default/mine',
    'patch :pods:status default/mine',
    'create :pods:eviction default/mine',
    'create :serviceaccounts:token default/default',
    'get :serviceaccounts default/default',
    'get :nodes /m',
    'create :nodes',
    'patch :nodes:status /n',
    'update :nodes /n',
    'watch :services',
    'create :events default/',
    'create events.k8s.io:events default/',
    'create coordination.k8s.io:leases kube-node-lease/',
    'update coordination.k8s.io:leases kube-node-lease/n',
    'create coordination.k8s.io:leases kube-system/kutter-load-balancer-n',
    'patch coordination.k8s.io:leases kube-system/kutter-load-balancer-n',
    'create authentication.k8s.io:tokenreviews',
    'create certificates.k8s.io:certificatesigningrequests',
    'update storage.k8s.io:csinodes /n',
    'watch node.k8s.io:runtimeclasses',
    'list certificates.k8s.io:clustertrustbundles',
  ]
  const no = [
    'get :secrets default/other',
    'get :secrets other/env',
    'get :secrets other/controller',
    'get :secrets default/stage',
    'delete :persistentvolumeclaims:status default/data',
    'patch :persistentvolumeclaims:status default/other',
    'list :secrets default/',
    'list :secrets',
    'update :secrets default/env',
    'get :configmaps default/publish',
    'get :persistentvolumeclaims default/other',
    'update :persistentvolumeclaims default/data',
    'get :persistentvolumes /other',
    'get resource.k8s.io:resourceclaims default/other',
    'get resource.k8s.io:resourceclaims other/gpu',
    'list resource.k8s.io:resourceclaims default/',
    'patch resource.k8s.io:resourceclaims:status default/gpu',
    'list resource.k8s.io:resourceslices',
    'deletecollection resource.k8s.io:resourceslices / spec.nodeName=m',
    'get :pods default/theirs',
    'get :pods other/mine',
    'get :pods:log default/mine',
    'create :pods:exec default/mine',
    'update :pods default/mine',
    'create :serviceaccounts:token default/other',
    'create :serviceaccounts:token other/default',
    'update :serviceaccounts default/default',
    'update :nodes /m',
    'delete :nodes /n',
    'update :services default/s',
    'get :events default/e',
    'update coordination.k8s.io:leases kube-node-lease/m',
    'create coordination.k8s.io:leases default/',
    'create coordination.k8s.io:leases kube-system/',
    'create coordination.k8s.io:leases kube-system/kube-scheduler',
    'update coordination.k8s.io:leases kube-system/kutter-load-balancer-m',
    'update coordination.k8s.io:leases kube-node-lease/kutter-load-balancer-n',
    'update certificates.k8s.io:certificatesigningrequests /c',
    'create certificates.k8s.io:certificatesigningrequests:approval /c',
    'update storage.k8s.io:csinodes /m',
    'update certificates.k8s.io:clustertrustbundles /b',
    'get apps:deployments default/d',
    'get rbac.authorization.k8s.io:clusterroles /r',
  ]
  deepStrictEqual(
    yes.filter(line => !may(line)),
    [],
  )
  deepStrictEqual(
    no.filter(line => may(line)),
    [],
  )
  // Only a user with both the name and the group is a node.
  const half = [
    { ...user, groups: ['system:authenticated'] },
    { ...user, name: 'system:serviceaccount:default:n' },
  ]
  for (const who of half)
    deepStrictEqual(
      yes.filter(line => may(line, who)),
      [],
    )
  // When its pods are gone, the node may not read what they used.
  await admin.remove(Pod, 'mine', { gracePeriodSeconds: 0 })
  deepStrictEqual(
    ['get :secrets default/env', 'get :persistentvolumes /pv', 'get :pods default/mine'].filter(line => may(line)),
    [],
  )
})

test('a node may read the Secrets that Ingresses of the own class name, as long as they do', async t => {
  const { admin, core } = await openTestServer(t)
  const user = { name: 'system:node:n', groups: ['system:nodes', 'system:authenticated'] }
  const may = (verb: string, namespace: string, name: string) =>
    atOnce(core.authorizer.authorize({ user, verb, group: '', resource: 'secrets', subresource: '', namespace, name }))
      .allowed
  await admin.create(Namespace, { metadata: { name: 'other' } })
  await admin.create(IngressClass, { metadata: { name: 'own' }, spec: { controller: 'kutter.dev/ingress' } })
  await admin.create(IngressClass, { metadata: { name: 'strange' }, spec: { controller: 'example.com/ingress' } })
  const make = (name: string, ingressClassName: string, secret: string, users: string) =>
    admin.create(Ingress, {
      metadata: { name, annotations: { 'nginx.ingress.kubernetes.io/auth-secret': users } },
      spec: {
        ingressClassName,
        tls: [{ hosts: ['a.b'], secretName: secret }],
        defaultBackend: { service: { name: 's', port: { number: 80 } } },
      },
    })
  await make('ours', 'own', 'cert', 'default/users')
  await make('theirs', 'strange', 'strange-cert', 'strange-users')
  await make('far', 'own', 'cert', 'other/users')
  const seen = () =>
    ['cert', 'users', 'strange-cert', 'strange-users', 'any'].filter(name => may('watch', 'default', name))
  deepStrictEqual(seen(), ['cert', 'users'])
  deepStrictEqual(
    [
      may('list', 'default', ''),
      may('update', 'default', 'cert'),
      may('get', 'other', 'cert'),
      may('get', 'other', 'users'),
    ],
    [false, false, false, false],
  )
  await admin.remove(Ingress, 'default/far')
  await admin.remove(Ingress, 'default/ours')
  deepStrictEqual(seen(), [])
})
