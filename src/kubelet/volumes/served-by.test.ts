// Every type of volume is either mounted here, or its pod says what serves it today or why nothing does.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PersistentVolumeSource } from '../../kinds/core/persistentvolumesource.ts'
import { VolumeSource } from '../../kinds/core/volume.ts'
import { pluginFor } from './index.ts'
import { UnservedVolume } from './served-by.ts'

/** The types of PersistentVolumes that are mounted behind claims. */
const behindClaims = new Set(['csi', 'hostPath', 'local', 'nfs'])

const isExplained = (source: string) => {
  const { message } = new UnservedVolume([source])
  assert.doesNotMatch(message, /no volume plugin matched/, source)
  assert.match(message, /CSI driver|removed|init container|local volume/, source)
}

test('a type of volume that is not mounted says why', () => {
  for (const source of Object.keys(VolumeSource.fields))
    if (!pluginFor({ name: 'v', [source]: {} })) isExplained(source)
})

test('a type of PersistentVolume that is not mounted says why', () => {
  for (const source of Object.keys(PersistentVolumeSource.fields)) if (!behindClaims.has(source)) isExplained(source)
})

test('the driver of a type that was moved to it is named', () => {
  assert.equal(
    new UnservedVolume(['awsElasticBlockStore']).message,
    'volumes of the type awsElasticBlockStore are served by the CSI driver ebs.csi.aws.com: install it, and use a volume of the type csi with it',
  )
  assert.equal(
    new UnservedVolume(['rbd']).message,
    'Kubernetes has removed volumes of the type rbd in 1.31; the CSI driver rbd.csi.ceph.com serves the same storage',
  )
  assert.equal(new UnservedVolume(['flocker']).message, 'Kubernetes has removed volumes of the type flocker in 1.25')
  assert.equal(new UnservedVolume(['nothing']).message, 'no volume plugin matched for the source nothing')
})
