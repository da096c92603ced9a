// The smaller plugins, and which of all run.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Deployment } from '../../kinds/apps/deployment.ts'
import { ConfigMap } from '../../kinds/core/configmap.ts'
import { Namespace } from '../../kinds/core/namespace.ts'
import { Node } from '../../kinds/core/node.ts'
import { PersistentVolume } from '../../kinds/core/persistentvolume.ts'
import { PersistentVolumeClaim } from '../../kinds/core/persistentvolumeclaim.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { Service } from '../../kinds/core/service.ts'
import { Ingress } from '../../kinds/networking/ingress.ts'
import { IngressClass } from '../../kinds/networking/ingressclass.ts'
import { Role } from '../../kinds/rbac/role.ts'
import { RoleBinding } from '../../kinds/rbac/rolebinding.ts'
import { StorageClass } from '../../kinds/storage/storageclass.ts'
import { openMemoryStore } from '../../store/index.ts'
import { openTestServer } from '../testing.ts'
import { pluginNames, runningPlugins, unknownPlugin } from './plugins.ts'
import { refusal } from './testing.ts'

const enable = (...plugins: string[]) => ({ plugins: { enable: plugins } })
const claim = (name: string, spec: object = {}) => ({
  metadata: { name },
  spec: { accessModes: ['ReadWriteOnce' as const], resources: { requests: { storage: '1Gi' } }, ...spec },
})
const pod = (name: string, more: object = {}) => ({
  metadata: { name },
  spec: { containers: [{ name: 'c', image: 'i:1', imagePullPolicy: 'IfNotPresent' as const }], ...more },
})
const isDefault = (kind: string) => ({ [`${kind}.kubernetes.io/is-default-class`]: 'true' })

test('plugins that are off run when they are enabled, and a disabled one never does', () => {
  const all = pluginNames.map(name => ({ name }))
  const names = (switches: Parameters<typeof runningPlugins>[1]) =>
    runningPlugins(all, switches).map(({ name }) => name)
  assert.ok(names({}).includes('PodSecurity') && !names({}).includes('AlwaysPullImages'))
  assert.ok(names({ enable: ['AlwaysPullImages'] }).includes('AlwaysPullImages'))
  assert.ok(!names({ enable: ['PodSecurity'], disable: ['PodSecurity'] }).includes('PodSecurity'))
  assert.equal(unknownPlugin(['PodSecurity', 'PodSecurityPolicy']), 'PodSecurityPolicy')
})

test('claims and ingresses that name no class get the newest default one', async t => {
  const { admin, clock } = await openTestServer(t)
  assert.equal((await admin.create(PersistentVolumeClaim, claim('none'))).spec.storageClassName, undefined)
  for (const name of ['old', 'new']) {
    const provisioner = 'example.com/p'
    await admin.create(StorageClass, { metadata: { name, annotations: isDefault('storageclass') }, provisioner })
    const spec = { controller: 'example.com/c' }
    await admin.create(IngressClass, { metadata: { name, annotations: isDefault('ingressclass') }, spec })
    await clock.forward(60_000)
  }
  assert.equal((await admin.create(PersistentVolumeClaim, claim('a'))).spec.storageClassName, 'new')
  assert.equal(
    (await admin.create(PersistentVolumeClaim, claim('b', { storageClassName: '' }))).spec.storageClassName,
    '',
  )
  const ingress = (name: string, more: object = {}) => ({
    metadata: { name },
    spec: { defaultBackend: { service: { name: 's', port: { number: 80 } } }, ...more },
  })
  assert.equal((await admin.create(Ingress, ingress('a'))).spec.ingressClassName, 'new')
  assert.equal((await admin.create(Ingress, ingress('b', { ingressClassName: 'old' }))).spec.ingressClassName, 'old')
})

test('a claim grows only when it is bound and its class lets it', async t => {
  const { admin } = await openTestServer(t)
  const provisioner = 'example.com/p'
  await admin.create(StorageClass, { metadata: { name: 'yes' }, provisioner, allowVolumeExpansion: true })
  await admin.create(StorageClass, { metadata: { name: 'no' }, provisioner })
  const grow = { spec: { resources: { requests: { storage: '2Gi' } } } }
  for (const name of ['yes', 'no']) await admin.create(PersistentVolumeClaim, claim(name, { storageClassName: name }))
  const bind = (name: string) =>
    admin.patch(PersistentVolumeClaim, name, 'merge', { status: { phase: 'Bound' } }, { subresource: 'status' })
  const early = await refusal(admin.patch(PersistentVolumeClaim, 'yes', 'merge', grow))
  assert.match(early.message, /bound/i)
  await bind('yes')
  await bind('no')
  await admin.patch(PersistentVolumeClaim, 'yes', 'merge', grow)
  assert.match(
    (await refusal(admin.patch(PersistentVolumeClaim, 'no', 'merge', grow))).message,
    /only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize$/,
  )
})

test('volumes and claims are protected from the start', async t => {
  const { admin } = await openTestServer(t)
  assert.deepEqual((await admin.create(PersistentVolumeClaim, claim('a'))).metadata.finalizers, [
    'kubernetes.io/pvc-protection',
  ])
  const volume = { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce' as const], hostPath: { path: '/x' } }
  const made = await admin.create(PersistentVolume, { metadata: { name: 'v' }, spec: volume })
  assert.deepEqual(made.metadata.finalizers, ['kubernetes.io/pv-protection'])
})

test('a pod gets the zone and region of its node when it is bound', async t => {
  const { admin } = await openTestServer(t)
  const labels = { 'topology.kubernetes.io/zone': 'z', 'topology.kubernetes.io/region': 'r', other: 'o' }
  await admin.create(Node, { metadata: { name: 'n', labels } })
  await admin.create(Pod, pod('a'))
  const body = { metadata: { name: 'a' }, target: { kind: 'Node', name: 'n' } }
  await admin.ask('create', Pod, { namespace: 'default', name: 'a', subresource: 'binding', body })
  assert.deepEqual((await admin.get(Pod, 'a')).metadata.labels, {
    'topology.kubernetes.io/zone': 'z',
    'topology.kubernetes.io/region': 'r',
  })
})

test('plugins for pods that can be enabled', async t => {
  const { admin } = await openTestServer(
    t,
    openMemoryStore(),
    enable('AlwaysPullImages', 'ExtendedResourceToleration', 'PodNodeSelector'),
  )
  const annotations = { 'scheduler.alpha.kubernetes.io/node-selector': 'disk=fast, zone=a' }
  await admin.patch(Namespace, 'default', 'merge', { metadata: { annotations } })
  const limits = { 'example.com/gpu': '1' }
  const containers = [{ name: 'c', image: 'i:1', imagePullPolicy: 'Never' as const, resources: { limits } }]
  const { spec } = await admin.create(Pod, pod('a', { containers, nodeSelector: { own: 'x' } }))
  assert.equal(spec.containers[0]!.imagePullPolicy, 'Always')
  assert.deepEqual(spec.nodeSelector, { disk: 'fast', own: 'x', zone: 'a' })
  assert.deepEqual(
    spec.tolerations?.find(({ key }) => key === 'example.com/gpu'),
    {
      key: 'example.com/gpu',
      operator: 'Exists',
    },
  )
  assert.match(
    (await refusal(admin.create(Pod, pod('b', { nodeSelector: { zone: 'b' } })))).message,
    /pod node label selector conflicts with its namespace node label selector$/,
  )
})

test('a namespace gives its pods tolerations, and says which they may have', async t => {
  const { admin } = await openTestServer(t, openMemoryStore(), enable('PodTolerationRestriction'))
  const own = { key: 'disk', operator: 'Exists' as const, effect: 'NoSchedule' as const }
  const annotations = {
    'scheduler.alpha.kubernetes.io/defaultTolerations': JSON.stringify([own]),
    'scheduler.alpha.kubernetes.io/tolerationsWhitelist': JSON.stringify([
      { key: 'disk', operator: 'Exists' },
      { operator: 'Exists', effect: 'NoExecute' },
    ]),
  }
  await admin.patch(Namespace, 'default', 'merge', { metadata: { annotations } })
  const narrow = { key: 'disk', operator: 'Equal' as const, value: 'slow', effect: 'NoSchedule' as const }
  const { spec } = await admin.create(Pod, pod('a', { tolerations: [narrow] }))
  assert.deepEqual(
    spec.tolerations?.filter(({ key }) => key === 'disk'),
    [own],
  )
  const other = admin.create(Pod, pod('b', { tolerations: [{ key: 'other', operator: 'Exists' as const }] }))
  assert.equal(
    (await refusal(other)).message,
    'pod tolerations (possibly merged with namespace default tolerations) conflict with its namespace whitelist',
  )
})

test('external IPs of Services can be denied', async t => {
  const { admin } = await openTestServer(t, openMemoryStore(), enable('DenyServiceExternalIPs'))
  const spec = { ports: [{ port: 80 }], externalIPs: ['192.0.2.1'] }
  const refused = await refusal(admin.create(Service, { metadata: { name: 's' }, spec }))
  assert.equal(refused.message, 'services "s" is forbidden: Use of external IPs is denied by admission control')
})

test('owners can be set only by those who may delete, and blocked only by those who may set finalizers', async t => {
  const { admin, as } = await openTestServer(t, openMemoryStore(), enable('OwnerReferencesPermissionEnforcement'))
  const rules = [{ apiGroups: [''], resources: ['configmaps'], verbs: ['create', 'update', 'get', 'patch'] }]
  await admin.create(Role, { metadata: { name: 'r' }, rules })
  const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'r' }
  const subjects = [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'u' }]
  await admin.create(RoleBinding, { metadata: { name: 'r' }, roleRef, subjects })
  const selector = { matchLabels: { app: 'a' } }
  const template = { metadata: { labels: { app: 'a' } }, spec: pod('x').spec }
  const owner = await admin.create(Deployment, { metadata: { name: 'd' }, spec: { selector, template } })
  const reference = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd', uid: owner.metadata.uid! }
  const user = as('u')
  await user.create(ConfigMap, { metadata: { name: 'a', ownerReferences: [reference] } })
  await user.create(ConfigMap, { metadata: { name: 'b' } })
  const setting = user.patch(ConfigMap, 'b', 'merge', { metadata: { ownerReferences: [reference] } })
  assert.match((await refusal(setting)).message, /cannot set an ownerRef on a resource you can't delete/)
  const blocking = { metadata: { name: 'c', ownerReferences: [{ ...reference, blockOwnerDeletion: true }] } }
  assert.match(
    (await refusal(user.create(ConfigMap, blocking))).message,
    /cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on/,
  )
  await admin.create(ConfigMap, blocking)
})
