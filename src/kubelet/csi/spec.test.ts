// What drivers are asked for volumes of each kind.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PersistentVolume } from '../../kinds/core/persistentvolume.ts'
import { CSIDriver } from '../../kinds/storage/csidriver.ts'
import { objectOf, podOf } from '../../kinds/testing.ts'
import {
  capabilityOf,
  inlineVolume,
  lifecycleProblem,
  needsAttachment,
  persistentVolume,
  podAttributes,
  setsGroup,
} from './spec.ts'

const driver = (spec: object = {}) => objectOf(CSIDriver, { metadata: { name: 'd.io' }, spec })
const claimed = (spec: object = {}, csi: object = {}, readOnly = false) =>
  persistentVolume(
    objectOf(PersistentVolume, {
      metadata: { name: 'v' },
      spec: {
        accessModes: ['ReadWriteOnce'],
        capacity: { storage: '1Gi' },
        csi: { driver: 'd.io', volumeHandle: 'h', ...csi },
        ...spec,
      },
    }),
    readOnly,
  )
const pod = podOf({
  metadata: { name: 'p', namespace: 'd', uid: 'u' },
  spec: { serviceAccountName: 'robot', volumes: [{ name: 'in', csi: { driver: 'd.io' } }] },
})
const inline = inlineVolume(pod, pod.spec.volumes![0]!)

test('access modes are those of the driver', () => {
  const table: [string[], string, string][] = [
    [['ReadWriteOnce'], 'SINGLE_NODE_WRITER', 'SINGLE_NODE_MULTI_WRITER'],
    [['ReadWriteOncePod'], 'SINGLE_NODE_WRITER', 'SINGLE_NODE_SINGLE_WRITER'],
    [['ReadOnlyMany'], 'MULTI_NODE_READER_ONLY', 'MULTI_NODE_READER_ONLY'],
    [['ReadWriteMany', 'ReadWriteOnce'], 'MULTI_NODE_MULTI_WRITER', 'MULTI_NODE_MULTI_WRITER'],
  ]
  for (const [accessModes, plain, finer] of table) {
    const volume = claimed({ accessModes })
    assert.equal(capabilityOf(volume, { isFiner: false }).accessMode?.mode, plain)
    assert.equal(capabilityOf(volume, { isFiner: true }).accessMode?.mode, finer)
  }
  assert.equal(capabilityOf(inline, { isFiner: false }).accessMode?.mode, 'SINGLE_NODE_WRITER')
})

test('a volume is used as files or as a device', () => {
  const files = claimed({ mountOptions: ['noatime'] }, { fsType: 'xfs' })
  const mount = { fsType: 'xfs', mountFlags: ['noatime'], volumeMountGroup: '7' }
  assert.deepEqual(capabilityOf(files, { isFiner: false, group: 7 }).mount, mount)
  assert.deepEqual(capabilityOf(claimed({ volumeMode: 'Block' }), { isFiner: false, group: 7 }), {
    block: {},
    accessMode: { mode: 'SINGLE_NODE_WRITER' },
  })
})

test('a driver serves the kinds of volumes that its object names, and without one only claims', () => {
  const both = driver({ volumeLifecycleModes: ['Persistent', 'Ephemeral'] })
  assert.equal(lifecycleProblem(inline, both), undefined)
  assert.equal(lifecycleProblem(claimed(), undefined), undefined)
  assert.equal(
    lifecycleProblem(inline, driver()),
    'volume mode "Ephemeral" not supported by driver d.io (only supports ["Persistent"])',
  )
  assert.equal(
    lifecycleProblem(inline, undefined),
    'volume mode "Ephemeral" not supported by driver d.io (no CSIDriver object)',
  )
  assert.match(
    lifecycleProblem(claimed(), driver({ volumeLifecycleModes: ['Ephemeral'] }))!,
    /^volume mode "Persistent"/,
  )
})

test('volumes of claims are attached, unless the driver says that they need not be', () => {
  assert.equal(needsAttachment(claimed(), undefined), true)
  assert.equal(needsAttachment(claimed(), driver()), true)
  assert.equal(needsAttachment(claimed(), driver({ attachRequired: false })), false)
  assert.equal(needsAttachment(inline, driver()), false)
})

test('a driver is given the pod if it asks for it', () => {
  assert.deepEqual(podAttributes(pod, inline, driver()), {})
  assert.deepEqual(podAttributes(pod, inline, driver({ podInfoOnMount: true })), {
    'csi.storage.k8s.io/pod.name': 'p',
    'csi.storage.k8s.io/pod.namespace': 'd',
    'csi.storage.k8s.io/pod.uid': 'u',
    'csi.storage.k8s.io/serviceAccount.name': 'robot',
    'csi.storage.k8s.io/ephemeral': 'true',
  })
})

test('the group of the pod is set as the driver wants it', () => {
  const table: [string, ReturnType<typeof claimed>, CSIDriver | undefined, boolean][] = [
    ['one writer and a file system', claimed({}, { fsType: 'ext4' }), undefined, true],
    ['no file system', claimed(), undefined, false],
    ['many writers', claimed({ accessModes: ['ReadWriteMany'] }, { fsType: 'ext4' }), driver(), false],
    ['always', claimed({ accessModes: ['ReadWriteMany'] }), driver({ fsGroupPolicy: 'File' }), true],
    ['always, inline', inline, driver({ fsGroupPolicy: 'File' }), true],
    ['never', claimed({}, { fsType: 'ext4' }), driver({ fsGroupPolicy: 'None' }), false],
    ['read-only', claimed({}, { fsType: 'ext4' }, true), driver({ fsGroupPolicy: 'File' }), false],
    ['a device', claimed({ volumeMode: 'Block' }, {}), driver({ fsGroupPolicy: 'File' }), false],
  ]
  for (const [what, volume, object, sets] of table) assert.equal(setsGroup(volume, object), sets, what)
})
