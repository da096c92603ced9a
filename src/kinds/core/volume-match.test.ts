// Which volume a claim gets.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Draft } from '../../api/kind.ts'
import { nodeOf, objectOf } from '../testing.ts'
import { PersistentVolume } from './persistentvolume.ts'
import { PersistentVolumeClaim } from './persistentvolumeclaim.ts'
import { bestVolume, isBoundTo, mismatch } from './volume-match.ts'

type VolumeMore = Partial<Draft<PersistentVolume>['spec']> & {
  labels?: Record<string, string>
  phase?: 'Available' | 'Pending' | 'Released'
  gone?: boolean
}

const volume = (name: string, size = '1Gi', { labels, phase = 'Available', gone, ...spec }: VolumeMore = {}) =>
  objectOf(PersistentVolume, {
    metadata: { name, ...(labels && { labels }), ...(gone && { deletionTimestamp: '2026-01-01T00:00:00Z' }) },
    spec: { capacity: { storage: size }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/x' }, ...spec },
    status: { phase },
  })

const claim = (size = '1Gi', spec: Partial<Draft<PersistentVolumeClaim>['spec']> = {}, annotations = {}) =>
  objectOf(PersistentVolumeClaim, {
    metadata: { name: 'c', uid: 'c-uid', annotations },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: size } }, ...spec },
  })

const claimRef = (uid?: string, name = 'c') => ({ namespace: 'default', name, ...(uid && { uid }) })
const zone = (name: string) => ({
  nodeAffinity: {
    required: { nodeSelectorTerms: [{ matchExpressions: [{ key: 'zone', operator: 'In' as const, values: [name] }] }] },
  },
})

const table: [what: string, asked: PersistentVolumeClaim, volumes: PersistentVolume[], best: string | undefined][] = [
  [
    'the smallest that is large enough',
    claim('5Gi'),
    [volume('a', '10Gi'), volume('b', '6Gi'), volume('c', '1Gi')],
    'b',
  ],
  ['of equal ones the first', claim(), [volume('a'), volume('b')], 'a'],
  [
    'of those that fit, one with fewer access modes, though it is larger',
    claim(),
    [volume('a', '1Gi', { accessModes: ['ReadWriteOnce', 'ReadOnlyMany'] }), volume('b', '9Gi')],
    'b',
  ],
  [
    'none that lacks an access mode',
    claim('1Gi', { accessModes: ['ReadWriteOnce', 'ReadWriteMany'] }),
    [volume('a')],
    undefined,
  ],
  [
    'a mode for one pod is a mode of its own',
    claim('1Gi', { accessModes: ['ReadWriteOncePod'] }),
    [volume('a'), volume('b', '1Gi', { accessModes: ['ReadWriteOncePod'] })],
    'b',
  ],
  [
    'only of its class',
    claim('1Gi', { storageClassName: 'x' }),
    [volume('a'), volume('b', '1Gi', { storageClassName: 'x' })],
    'b',
  ],
  ['an empty class is no class', claim('1Gi', { storageClassName: '' }), [volume('a')], 'a'],
  [
    'a class may stand in an old annotation',
    claim('1Gi', {}, { 'volume.beta.kubernetes.io/storage-class': 'x' }),
    [volume('a'), volume('b', '1Gi', { storageClassName: 'x' })],
    'b',
  ],
  [
    'only what its selector selects',
    claim('1Gi', { selector: { matchLabels: { disk: 'ssd' } } }),
    [volume('a'), volume('b', '1Gi', { labels: { disk: 'ssd' } })],
    'b',
  ],
  [
    'only of its volume mode',
    claim('1Gi', { volumeMode: 'Block' }),
    [volume('a'), volume('b', '1Gi', { volumeMode: 'Block' })],
    'b',
  ],
  [
    'only with its attributes',
    claim('1Gi', { volumeAttributesClassName: 'gold' }),
    [volume('a'), volume('b', '1Gi', { volumeAttributesClassName: 'gold' })],
    'b',
  ],
  [
    'none that is not ready, or was released',
    claim(),
    [volume('a', '1Gi', { phase: 'Pending' }), volume('b', '1Gi', { phase: 'Released' })],
    undefined,
  ],
  ['none that is being deleted', claim(), [volume('a', '1Gi', { gone: true })], undefined],
  ['none of another claim', claim(), [volume('a', '1Gi', { claimRef: claimRef('other', 'other') })], undefined],
  [
    'none that was of an earlier claim of its name',
    claim(),
    [volume('a', '1Gi', { claimRef: claimRef('before') })],
    undefined,
  ],
  [
    'one that names it, although others are smaller and it has another class',
    claim(),
    [volume('a'), volume('b', '9Gi', { claimRef: claimRef(), storageClassName: 'x', phase: 'Pending' })],
    'b',
  ],
  ['not one that names it and is too small', claim('5Gi'), [volume('a', '1Gi', { claimRef: claimRef() })], undefined],
]

for (const [what, asked, volumes, best] of table)
  test(`a claim gets ${what}`, () => assert.equal(bestVolume(asked, volumes)?.metadata.name, best))

test('a claim that waits for a consumer gets only a volume that names it, until its node is chosen', () => {
  const volumes = [volume('a', '1Gi', zone('a')), volume('b', '2Gi', zone('b'))]
  const named = volume('named', '1Gi', { claimRef: claimRef() })
  const node = nodeOf({ metadata: { name: 'n', labels: { zone: 'b' } } })
  assert.equal(bestVolume(claim(), volumes, { delayed: true }), undefined)
  assert.equal(bestVolume(claim(), [...volumes, named], { delayed: true }), named)
  assert.equal(bestVolume(claim(), volumes, { delayed: true, node }), volumes[1])
  assert.equal(bestVolume(claim(), volumes, { delayed: true, node, taken: new Set(['b']) }), undefined)
  assert.equal(
    bestVolume(claim(), [volume('far', '1Gi', { claimRef: claimRef(), ...zone('a') }), volumes[1]!], { node }),
    undefined,
  )
})

test('a volume that a claim names is refused with the first reason', () => {
  const reasons: [PersistentVolume, PersistentVolumeClaim, string | undefined][] = [
    [volume('a'), claim('2Gi', { storageClassName: 'x' }), 'requested PV is too small'],
    [volume('a'), claim('1Gi', { storageClassName: 'x' }), 'storageClassName does not match'],
    [volume('a'), claim('1Gi', { volumeAttributesClassName: 'x' }), 'VolumeAttributesClassName does not match'],
    [volume('a'), claim('1Gi', { volumeMode: 'Block' }), 'incompatible volumeMode'],
    [volume('a'), claim('1Gi', { accessModes: ['ReadWriteMany'] }), 'incompatible accessMode'],
    [volume('a', '9Gi'), claim(), undefined],
  ]
  for (const [of, asked, reason] of reasons) assert.equal(mismatch(of, asked), reason)
})

test('a volume names a claim by its name alone, or also by its uid', () => {
  const of = (ref: object) => volume('a', '1Gi', { claimRef: ref })
  assert.ok(isBoundTo(of(claimRef()), claim()))
  assert.ok(isBoundTo(of(claimRef('c-uid')), claim()))
  assert.ok(!isBoundTo(of(claimRef('other')), claim()))
  assert.ok(!isBoundTo(of({ ...claimRef(), namespace: 'other' }), claim()))
  assert.ok(!isBoundTo(volume('a'), claim()))
})
