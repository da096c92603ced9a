// What is next for claims and volumes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Draft } from '../../api/kind.ts'
import { PersistentVolume } from '../../kinds/core/persistentvolume.ts'
import { PersistentVolumeClaim } from '../../kinds/core/persistentvolumeclaim.ts'
import { StorageClass } from '../../kinds/storage/storageclass.ts'
import { objectOf } from '../../kinds/testing.ts'
import { planClaim, planVolume } from './plan.ts'

const done = { 'pv.kubernetes.io/bind-completed': 'yes' }
const made = { 'pv.kubernetes.io/provisioned-by': 'example.com/p' }

const volume = (name: string, spec: Partial<Draft<PersistentVolume>['spec']> = {}, annotations = {}) =>
  objectOf(PersistentVolume, {
    metadata: { name, annotations },
    spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/x' }, ...spec },
    status: { phase: 'Available' },
  })
const claim = (spec: Partial<Draft<PersistentVolumeClaim>['spec']> = {}, annotations = {}) =>
  objectOf(PersistentVolumeClaim, {
    metadata: { name: 'c', uid: 'c-uid', annotations },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, ...spec },
  })
const own = { namespace: 'default', name: 'c', uid: 'c-uid' }
const others = { namespace: 'default', name: 'other', uid: 'other-uid' }

const storageClasses = [
  objectOf(StorageClass, { metadata: { name: 'now' }, provisioner: 'example.com/p' }),
  objectOf(StorageClass, {
    metadata: { name: 'later' },
    provisioner: 'example.com/p',
    volumeBindingMode: 'WaitForFirstConsumer',
  }),
  objectOf(StorageClass, { metadata: { name: 'by-hand' }, provisioner: 'kubernetes.io/no-provisioner' }),
]

interface World {
  volumes?: PersistentVolume[]
  isDefault?: string
  pods?: string[]
}

/** The step for a claim in few words: what is done, with which volume or class, and the event's reason. */
function next(asked: PersistentVolumeClaim, { volumes = [], isDefault, pods = [] }: World = {}): string {
  const storageClass = (name: string) => storageClasses.find(({ metadata }) => metadata.name === name)
  const step = planClaim(asked, {
    volume: name => volumes.find(({ metadata }) => metadata.name === name),
    volumes: () => volumes,
    storageClass,
    defaultClass: () => (isDefault ? storageClass(isDefault) : undefined),
    waitingPods: () => pods,
  })
  const which = 'volume' in step ? step.volume.metadata.name : 'name' in step ? step.name : undefined
  const event = 'event' in step && step.event ? `${step.event.reason}: ${step.event.message}` : undefined
  return [step.do, which, event].filter(Boolean).join(' | ')
}

const claims: [what: string, asked: PersistentVolumeClaim, world: World, step: string][] = [
  ['is bound to a volume that fits', claim(), { volumes: [volume('v')] }, 'bind | v'],
  [
    'without a volume and a class waits',
    claim({ storageClassName: '' }),
    { isDefault: 'now' },
    'wait | FailedBinding: no persistent volumes available for this claim and no storage class is set',
  ],
  ['that names no class gets the default one that came later', claim(), { isDefault: 'now' }, 'setClass | now'],
  ['takes a volume rather than the default class', claim(), { isDefault: 'now', volumes: [volume('v')] }, 'bind | v'],
  [
    'of a class is provisioned at once',
    claim({ storageClassName: 'now' }),
    {},
    "provision | ExternalProvisioning: Waiting for a volume to be created either by the external provisioner 'example.com/p' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.",
  ],
  [
    'of a class that waits has no consumer',
    claim({ storageClassName: 'later' }),
    {},
    'wait | WaitForFirstConsumer: waiting for first consumer to be created before binding',
  ],
  [
    'of a class that waits has a consumer without a node',
    claim({ storageClassName: 'later' }),
    { pods: ['p'] },
    'wait | WaitForPodScheduled: waiting for pod p to be scheduled',
  ],
  [
    'of a class that waits has two consumers',
    claim({ storageClassName: 'later' }),
    { pods: ['p', 'q'] },
    'wait | WaitForPodScheduled: waiting for pods p,q to be scheduled',
  ],
  [
    'whose node is chosen is provisioned',
    claim({ storageClassName: 'later' }, { 'volume.kubernetes.io/selected-node': 'n' }),
    {},
    "provision | ExternalProvisioning: Waiting for a volume to be created either by the external provisioner 'example.com/p' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.",
  ],
  [
    'of a class that does not exist waits for it',
    claim({ storageClassName: 'none' }),
    {},
    'wait | ProvisioningFailed: storageclass.storage.k8s.io "none" not found',
  ],
  [
    'of a class without a provisioner waits for a volume',
    claim({ storageClassName: 'by-hand' }),
    {},
    'wait | ProvisioningFailed: no volume plugin matched name: kubernetes.io/no-provisioner',
  ],
  ['waits for the volume that it names', claim({ volumeName: 'v' }), {}, 'wait'],
  ['gets the volume that it names', claim({ volumeName: 'v' }), { volumes: [volume('v')] }, 'bind | v'],
  [
    'does not get a volume that it names and that does not fit',
    claim({ volumeName: 'v', volumeMode: 'Block' }),
    { volumes: [volume('v')] },
    'wait | VolumeMismatch: Cannot bind to requested volume "v": incompatible volumeMode',
  ],
  [
    'does not get the volume of another claim',
    claim({ volumeName: 'v' }),
    { volumes: [volume('v', { claimRef: others })] },
    'wait | FailedBinding: volume "v" already bound to a different claim.',
  ],
  [
    'whose binding was broken off is bound to the end',
    claim({ volumeName: 'v' }),
    { volumes: [volume('v', { claimRef: own })] },
    'bind | v',
  ],
  [
    'that is bound stays so',
    claim({ volumeName: 'v' }, done),
    { volumes: [volume('v', { claimRef: own })] },
    'bind | v',
  ],
  [
    'that is bound gets its volume back when that has lost it',
    claim({ volumeName: 'v' }, done),
    { volumes: [volume('v')] },
    'bind | v',
  ],
  [
    'is lost without its volume',
    claim({ volumeName: 'v' }, done),
    {},
    'lose | ClaimLost: Bound claim has lost its PersistentVolume. Data on the volume is lost!',
  ],
  [
    'is lost without the name of its volume',
    claim({}, done),
    {},
    'lose | ClaimLost: Bound claim has lost reference to PersistentVolume. Data on the volume is lost!',
  ],
  [
    'is lost when its volume is of another claim',
    claim({ volumeName: 'v' }, done),
    { volumes: [volume('v', { claimRef: others })] },
    'lose | ClaimMisbound: Two claims are bound to the same volume, this one is bound incorrectly',
  ],
]

for (const [what, asked, world, step] of claims) test(`a claim ${what}`, () => assert.equal(next(asked, world), step))

const volumes: [what: string, of: PersistentVolume, asked: PersistentVolumeClaim | undefined, step: string][] = [
  ['without a claim is available', volume('v'), undefined, 'available'],
  [
    'whose claim is only named is available',
    volume('v', { claimRef: { namespace: 'default', name: 'c' } }),
    undefined,
    'available',
  ],
  ['leaves the rest to a claim that is not bound yet', volume('v', { claimRef: own }), claim(), 'nothing'],
  [
    'says why a claim of another mode is not bound',
    volume('v', { claimRef: own }),
    claim({ volumeMode: 'Block' }),
    'nothing | VolumeMismatch: Cannot bind PersistentVolume to requested PersistentVolumeClaim "c" due to incompatible volumeMode.',
  ],
  ['is bound to a claim that names it', volume('v', { claimRef: own }), claim({ volumeName: 'v' }), 'bound'],
  [
    'is free again when its claim has another volume',
    volume('v', { claimRef: own }),
    claim({ volumeName: 'w' }),
    'unbind',
  ],
  [
    'that was made for a claim is released when that has another volume',
    volume('v', { claimRef: own, persistentVolumeReclaimPolicy: 'Delete' }, made),
    claim({ volumeName: 'w' }),
    'release',
  ],
  ['is released and kept', volume('v', { claimRef: own }), undefined, 'release'],
  [
    'is released to its provisioner',
    volume('v', { claimRef: own, persistentVolumeReclaimPolicy: 'Delete' }, made),
    undefined,
    'release',
  ],
  [
    'that nobody made cannot be deleted',
    volume('v', { claimRef: own, persistentVolumeReclaimPolicy: 'Delete' }),
    undefined,
    'fail | VolumeFailedDelete: error getting deleter volume plugin for volume "v": no deletable volume plugin matched',
  ],
  [
    'is not recycled',
    volume('v', { claimRef: own, persistentVolumeReclaimPolicy: 'Recycle' }),
    undefined,
    'fail | VolumeFailedRecycle: No recycler plugin found for the volume!',
  ],
]

for (const [what, of, asked, expected] of volumes)
  test(`a volume ${what}`, () => {
    const step = planVolume(of, asked)
    const event = 'event' in step && step.event ? ` | ${step.event.reason}: ${step.event.message}` : ''
    assert.equal(`${step.do}${event}`, expected)
  })
