// When a volume has grown, and what its claim has afterwards.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PersistentVolume } from '../../kinds/core/persistentvolume.ts'
import { PersistentVolumeClaim } from '../../kinds/core/persistentvolumeclaim.ts'
import { objectOf } from '../../kinds/testing.ts'
import { grownStatus, hasGrown } from './grow.ts'

const found = (had: string | undefined, size: string) => ({
  claim: objectOf(PersistentVolumeClaim, {
    metadata: { name: 'c', namespace: 'd' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '2Gi' } } },
    status: {
      phase: 'Bound',
      ...(had !== undefined && { capacity: { storage: had } }),
      allocatedResourceStatuses: { storage: 'NodeResizePending' },
      conditions: [
        { type: 'FileSystemResizePending', status: 'True' },
        { type: 'Other', status: 'True' },
      ],
    },
  }),
  bound: objectOf(PersistentVolume, {
    metadata: { name: 'v' },
    spec: {
      accessModes: ['ReadWriteOnce'],
      capacity: { storage: size },
      csi: { driver: 'd.io', volumeHandle: 'h' },
    },
  }),
})

test('a volume has grown when it is larger than the claim says', () => {
  const table: [string | undefined, string, boolean][] = [
    ['1Gi', '2Gi', true],
    ['1Gi', '1024Mi', false],
    ['2Gi', '1Gi', false],
    [undefined, '1Gi', false],
  ]
  for (const [had, size, grown] of table) assert.equal(hasGrown(found(had, size)), grown, `${had} ${size}`)
})

test('a claim has the new size, and nothing is pending any more', () => {
  const status = grownStatus(found('1Gi', '2Gi'))
  assert.deepEqual(status.capacity, { storage: '2Gi' })
  assert.deepEqual(
    status.conditions.map(({ type }) => type),
    ['Other'],
  )
  assert.equal('allocatedResourceStatuses' in status, false)
})
