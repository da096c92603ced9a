// Which changes of the cluster wake a pod that a plugin refused, as tables. One that is forgotten leaves the pod waiting
// for five minutes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AnyMirror, Item, Mirror } from '../../api/mirror.ts'
import type { AnyKind, Draft, Kind, KubeObject } from '../../api/kind.ts'
import { Node } from '../../kinds/core/node.ts'
import { PersistentVolume } from '../../kinds/core/persistentvolume.ts'
import { PersistentVolumeClaim } from '../../kinds/core/persistentvolumeclaim.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { DeviceClass } from '../../kinds/resource/deviceclass.ts'
import { DeviceTaintRule } from '../../kinds/resource/devicetaintrule.ts'
import { ResourceClaim } from '../../kinds/resource/resourceclaim.ts'
import { ResourceSlice } from '../../kinds/resource/resourceslice.ts'
import { StorageClass } from '../../kinds/storage/storageclass.ts'
import { nodeOf, objectOf, podOf } from '../../kinds/testing.ts'
import { PodInfo } from '../info.ts'
import { openOffline } from '../offline.ts'

const deviceClaims = new Mirror<ResourceClaim>()
const { profile } = openOffline({
  mirror: ({ kind }) => (kind === 'ResourceClaim' ? (deviceClaims as AnyMirror) : undefined),
})

/** Whether a change wakes the pod that the plugin refused. Without `before` the object is new, without `after` gone. */
function wakes<T extends KubeObject>(
  plugin: string,
  pod: Pod,
  kind: Kind<T>,
  before: T | undefined,
  after: T | undefined,
): boolean {
  const found = profile.plugins.find(({ name }) => name === plugin)!
  const item = new Item<KubeObject>((after ?? before)!, 2)
  const type = !after ? 'DELETED' : before ? 'MODIFIED' : 'ADDED'
  const change = { type, item, before: before && new Item<KubeObject>(before, 1) } as const
  return found.wakeOn.some(wake => (wake.kind as AnyKind) === (kind as AnyKind) && wake.when(new PodInfo(pod), change))
}

const podWith = (
  spec: Partial<Draft<Pod>['spec']> = {},
  metadata: object = {},
  status: Draft<Pod>['status'] = {},
): Pod => podOf({ metadata: { name: 'p', namespace: 'ns', ...metadata }, spec, status: status! })
const on = (pod: Pod, nodeName = 'n'): Pod => ({ ...pod, spec: { ...pod.spec, nodeName } })
const ended = (pod: Pod): Pod => ({ ...pod, status: { ...pod.status, phase: 'Succeeded' } })
const labelled = (pod: Pod, labels: Record<string, string>): Pod => ({ ...pod, metadata: { ...pod.metadata, labels } })
const nodeWith = (draft: Draft<Node> = {}): Node => nodeOf({ metadata: { name: 'n' }, ...draft })

type Row<T> = [what: string, before: T | undefined, after: T | undefined, wakes: boolean]

function check<T extends KubeObject>(plugin: string, pod: Pod, kind: Kind<T>, rows: readonly Row<T>[]): void {
  for (const [what, before, after, expected] of rows)
    assert.equal(wakes(plugin, pod, kind, before, after), expected, `${plugin}: ${what}`)
}

const plain = podWith()

test('a pod that did not fit is woken by room: a pod that leaves, a node that is new or larger', () => {
  const size = (cpu: string, pods = '9') => nodeWith({ status: { allocatable: { cpu, memory: '4Gi', pods } } })
  const big = podWith({ containers: [{ name: 'c', image: 'x', resources: { requests: { cpu: '2' } } }] })
  check('NodeResourcesFit', big, Pod, [
    ['a pod was deleted', on(plain), undefined, true],
    ['a pod has ended', on(plain), ended(on(plain)), true],
    ['a pod that was on no node was deleted', plain, undefined, false],
    ['a pod that had ended was deleted', ended(on(plain)), undefined, false],
    ['a pod was bound', plain, on(plain), false],
    ['a pod is new', undefined, plain, false],
    ['a pod was relabelled', on(plain), labelled(on(plain), { a: 'b' }), false],
  ])
  const sized = (cpu: string) =>
    on(podWith({ containers: [{ name: 'c', image: 'x', resources: { requests: { cpu } } }] }))
  check('NodeResourcesFit', big, Pod, [['a running pod was made smaller', sized('2'), sized('1'), true]])
  check('NodeResourcesFit', big, Node, [
    ['a node is new and large enough', undefined, size('2'), true],
    ['a node is new and too small', undefined, size('1'), false],
    ['a node has become large enough', size('1'), size('2'), true],
    ['a node takes more pods', size('4', '1'), size('4', '2'), true],
    ['a node has become smaller', size('8'), size('4'), false],
    ['a node has grown, and is still too small', size('1'), size('1500m'), false],
    ['a node has gone', size('4'), undefined, false],
    ['a node was relabelled', size('4'), { ...size('4'), metadata: { name: 'n', labels: { a: 'b' } } }, false],
  ])
})

test('a pod whose port was taken is woken by a pod that leaves, and by a new node', () => {
  check('NodePorts', plain, Pod, [
    ['a pod was deleted', on(plain), undefined, true],
    ['a pod was bound', plain, on(plain), false],
  ])
  check('NodePorts', plain, Node, [
    ['a node is new', undefined, nodeWith(), true],
    ['a node has changed', nodeWith(), nodeWith({ metadata: { name: 'n', labels: { a: 'b' } } }), false],
    ['a node has gone', nodeWith(), undefined, false],
  ])
})

test('a pod that waited for a label is woken by a node that has it now', () => {
  const labels = (size?: string) => nodeWith({ metadata: { name: 'n', ...(size && { labels: { size } }) } })
  check('NodeAffinity', podWith({ nodeSelector: { size: 'l' } }), Node, [
    ['a new node has it', undefined, labels('l'), true],
    ['a new node has another', undefined, labels('s'), false],
    ['a node gets it', labels('s'), labels('l'), true],
    ['a node gets another', labels(), labels('s'), false],
    ['a node had it before', labels('l'), { ...labels('l') }, false],
    ['a node loses it', labels('l'), labels(), false],
    ['a node has gone', labels('l'), undefined, false],
  ])
})

test('a pod that a taint kept away is woken by a node without it', () => {
  const tainted = (...keys: string[]) =>
    nodeWith({ spec: { taints: keys.map(key => ({ key, effect: 'NoSchedule' as const })) } })
  const pod = podWith({ tolerations: [{ key: 'fine', operator: 'Exists' }] })
  check('TaintToleration', pod, Node, [
    ['a new node has none', undefined, nodeWith(), true],
    ['a new node has one that is tolerated', undefined, tainted('fine'), true],
    ['a new node has another', undefined, tainted('bad'), false],
    ['the taint was removed', tainted('bad'), nodeWith(), true],
    ['one of two was removed', tainted('bad', 'worse'), tainted('worse'), false],
    ['only what is tolerated is left', tainted('bad', 'fine'), tainted('fine'), true],
    ['there was none before', nodeWith(), tainted('fine'), false],
  ])
})

test('a pod that waited for a cordoned node is woken when it is not cordoned any more', () => {
  const cordoned = (unschedulable: boolean) => nodeWith({ spec: { unschedulable } })
  check('NodeUnschedulable', plain, Node, [
    ['a new node is open', undefined, cordoned(false), true],
    ['a new node is cordoned', undefined, cordoned(true), false],
    ['a node is opened', cordoned(true), cordoned(false), true],
    ['a node is cordoned', cordoned(false), cordoned(true), false],
  ])
})

const term = (app: string) => [{ topologyKey: 'zone', labelSelector: { matchLabels: { app } } }]
const near = podWith({ affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: term('db') } } })
const apart = podWith({ affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: term('db') } } })
const db = labelled(podWith(), { app: 'db' })
const other = labelled(podWith(), { app: 'other' })

test('a pod that must be near others is woken when one of them is bound, and when the last may have left', () => {
  check('InterPodAffinity', near, Pod, [
    ['one of them was bound', db, on(db), true],
    ['another was bound', other, on(other), false],
    ['one of them was created', undefined, db, false],
    ['one was created on its node', undefined, on(db), true],
    ['a running pod was relabelled', on(other), labelled(on(other), { app: 'db' }), true],
    ['a pod without a node was relabelled', other, labelled(other, { app: 'db' }), false],
    // A pod that fits its own affinity may be the first of its group again.
    ['one of them has left', on(db), undefined, true],
  ])
})

test('a pod that must be apart from others is woken when one leaves or is relabelled', () => {
  check('InterPodAffinity', apart, Pod, [
    ['one of them has left', on(db), undefined, true],
    ['one of them has ended', on(db), ended(on(db)), true],
    ['one of them was relabelled', on(db), labelled(on(db), { app: 'x' }), true],
    ['one of them was bound', db, on(db), false],
  ])
  // The anti-affinity of another pod keeps away pods that have none themselves.
  const hermit = on(apart)
  check('InterPodAffinity', plain, Pod, [
    ['a pod that keeps others away has left', hermit, undefined, true],
    ['a pod that keeps nobody away has left', on(plain), undefined, false],
  ])
})

test('a pod that depends on domains is woken by new nodes and new labels', () => {
  const zone = (name?: string) => nodeWith({ metadata: { name: 'n', ...(name && { labels: { zone: name } }) } })
  for (const pod of [near, apart])
    check('InterPodAffinity', pod, Node, [
      ['a node is new', undefined, zone('a'), true],
      ['a node has another zone', zone('a'), zone('b'), true],
      ['nothing of it has changed', zone('a'), zone('a'), false],
      ['a node has gone', zone('a'), undefined, false],
    ])
})

test('a pod that was to be spread is woken by the pods that count for it, and by nodes', () => {
  const constraint = (app: string) => ({
    maxSkew: 1,
    topologyKey: 'zone',
    whenUnsatisfiable: 'DoNotSchedule' as const,
    labelSelector: { matchLabels: { app } },
  })
  const pod = podWith({ topologySpreadConstraints: [constraint('db')] })
  const leaving = (p: Pod): Pod => ({ ...p, metadata: { ...p.metadata, deletionTimestamp: '2026-01-01T00:00:00Z' } })
  const elsewhere = (p: Pod): Pod => ({ ...p, metadata: { ...p.metadata, namespace: 'other' } })
  check('PodTopologySpread', pod, Pod, [
    ['one of them has left', on(db), undefined, true],
    // It fills the domain that had the least.
    ['one of them was bound', db, on(db), true],
    ['one of them is terminating', on(db), leaving(on(db)), true],
    ['one of them became another', on(db), labelled(on(db), { app: 'x' }), true],
    ['another became one of them', on(other), labelled(on(other), { app: 'db' }), true],
    ['another has left', on(other), undefined, false],
    ['one of another namespace has left', elsewhere(on(db)), undefined, false],
    ['one of them was created', undefined, db, false],
  ])
  // Without constraints of its own, those of its services apply, which are not at hand here.
  check('PodTopologySpread', plain, Pod, [['any pod has left', on(other), undefined, true]])
  const zone = (name: string, taints: string[] = []) =>
    nodeWith({
      metadata: { name: 'n', labels: { zone: name } },
      spec: { taints: taints.map(key => ({ key, effect: 'NoSchedule' as const })) },
    })
  check('PodTopologySpread', pod, Node, [
    ['a node is new', undefined, zone('a'), true],
    ['a node has gone, and with it a domain', zone('a'), undefined, true],
    ['a node has another zone', zone('a'), zone('b'), true],
    ['a node has another taint', zone('a'), zone('a', ['x']), true],
    ['nothing of it has changed', zone('a'), zone('a'), false],
  ])
})

test('a pod that waits for a claim is woken by that claim, by volumes, nodes and classes', () => {
  const claim = (name: string, namespace = 'ns') =>
    objectOf(PersistentVolumeClaim, { metadata: { name, namespace }, spec: { accessModes: ['ReadWriteOnce'] } })
  const volumes = [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }]
  const pod = podWith({ volumes })
  check('VolumeBinding', pod, PersistentVolumeClaim, [
    ['it is new', undefined, claim('data'), true],
    ['it has changed', claim('data'), claim('data'), true],
    ['it has gone', claim('data'), undefined, false],
    ['it is another one', undefined, claim('other'), false],
    ['it is one of another namespace', undefined, claim('data', 'other'), false],
  ])
  const volumeClaimTemplate = { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } }
  const ephemeral = podWith({ volumes: [{ name: 'v', ephemeral: { volumeClaimTemplate } }] }, { name: 'web' })
  check('VolumeBinding', ephemeral, PersistentVolumeClaim, [
    ['the claim of its ephemeral volume is new', undefined, claim('web-v'), true],
    ['the claim of another pod', undefined, claim('db-v'), false],
  ])
  const volume = objectOf(PersistentVolume, { metadata: { name: 'pv' }, spec: { accessModes: ['ReadWriteOnce'] } })
  check('VolumeBinding', pod, PersistentVolume, [['a volume is new', undefined, volume, true]])
  const node = (labels: Record<string, string>) => nodeWith({ metadata: { name: 'n', labels } })
  check('VolumeBinding', pod, Node, [
    ['a node is new, or has come back', undefined, node({ zone: 'a' }), true],
    ['a node has another label', node({ zone: 'a' }), node({ zone: 'b' }), true],
    ['its labels are the same', node({ zone: 'a' }), node({ zone: 'a' }), false],
    ['a node has gone', node({ zone: 'a' }), undefined, false],
  ])
  const fast = objectOf(StorageClass, { metadata: { name: 'fast' }, provisioner: 'x' })
  check('VolumeBinding', pod, StorageClass, [
    ['a class is new', undefined, fast, true],
    ['a class has gone', fast, undefined, false],
  ])
})

test('a pod that waits for devices is woken by its claims, by what others free, and by new devices', () => {
  const allocation = { devices: { results: [{ request: 'r', driver: 'd.example.com', pool: 'p', device: 'a' }] } }
  const claim = (name: string, status: object = {}, more: object = {}) =>
    objectOf(ResourceClaim, { metadata: { name, namespace: 'ns', ...more }, status })
  deviceClaims.reset([new Item(claim('mine'), 1)], 1)
  const resourceClaims = [{ name: 'c', resourceClaimName: 'mine' }]
  const pod = podWith({ resourceClaims })
  check('DynamicResources', pod, ResourceClaim, [
    ['it is new', undefined, claim('mine'), true],
    ['it was allocated for another pod', claim('mine'), claim('mine', { allocation }), true],
    ['only its finalizers have changed', claim('mine'), claim('mine', {}, { finalizers: ['a/b'] }), false],
    ['another one is new', undefined, claim('other'), false],
    ['another one was allocated', claim('other'), claim('other', { allocation }), false],
    ['another one has freed its devices', claim('other', { allocation }), claim('other'), true],
    ['another one is gone with its devices', claim('other', { allocation }), undefined, true],
    ['another one is gone', claim('other'), undefined, false],
  ])
  check('DynamicResources', podWith({ resourceClaims: [{ name: 'c', resourceClaimName: 'none' }] }), ResourceClaim, [
    ['one of its claims is still missing', claim('mine'), claim('mine', { allocation }), false],
  ])
  const templated = { resourceClaims: [{ name: 'c', resourceClaimTemplateName: 't' }] }
  const named = podWith(templated, {}, { resourceClaimStatuses: [{ name: 'c', resourceClaimName: 'mine' }] })
  check('DynamicResources', podWith(templated), Pod, [
    ['its own claim was made', podWith(templated), named, true],
    ['something else of it has changed', named, labelled(named, { a: 'b' }), false],
    ['another pod with devices has left', on(podWith(templated, { uid: 'x' })), undefined, true],
    ['another pod without devices has left', on(podWith({}, { uid: 'x' })), undefined, false],
  ])
  const slice = objectOf(ResourceSlice, {
    metadata: { name: 's' },
    spec: { driver: 'd.example.com', nodeName: 'n', pool: { name: 'p', generation: 1, resourceSliceCount: 1 } },
  })
  check('DynamicResources', pod, ResourceSlice, [
    ['a slice is new', undefined, slice, true],
    ['a slice that contradicts another is gone', slice, undefined, true],
  ])
  const deviceClass = objectOf(DeviceClass, { metadata: { name: 'gpu' } })
  check('DynamicResources', pod, DeviceClass, [
    ['a class is new', undefined, deviceClass, true],
    ['a class is gone', deviceClass, undefined, false],
  ])
  check('NodeResourcesFit', pod, DeviceClass, [['a class may stand for a resource', undefined, deviceClass, true]])
  const rule = objectOf(DeviceTaintRule, {
    metadata: { name: 'r' },
    spec: { taint: { key: 'k', effect: 'NoSchedule' } },
  })
  check('DynamicResources', pod, DeviceTaintRule, [['a taint is gone', rule, undefined, true]])
  const node = (labels: Record<string, string>, allocatable: Record<string, string> = {}) =>
    nodeWith({ metadata: { name: 'n', labels }, status: { allocatable } })
  check('DynamicResources', pod, Node, [
    ['a node is new', undefined, node({}), true],
    ['a node has other labels', node({}), node({ a: 'b' }), true],
    ['a node has other resources', node({}), node({}, { 'example.com/gpu': '1' }), true],
    ['nothing of it has changed', node({ a: 'b' }), node({ a: 'b' }), false],
    ['a node has gone', node({}), undefined, false],
  ])
})

test('every plugin that can refuse a pod has changes by which it is woken', () => {
  // What NodeName refuses no change of the cluster can help, and a gate is removed from the pod itself.
  const without = new Set(['NodeName'])
  for (const { plugin, filters } of profile.filters)
    if (filters && !without.has(plugin.name)) assert.ok(plugin.wakeOn.length > 0, plugin.name)
})
