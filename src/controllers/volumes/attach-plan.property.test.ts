// What always holds of the plan for a node, for whatever state it is in.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../../base/testing.ts'
import { nodeOf, objectOf, podOf } from '../../kinds/testing.ts'
import { attachmentName, uniqueName } from '../../kinds/storage/attachment-names.ts'
import { VolumeAttachment } from '../../kinds/storage/volumeattachment.ts'
import { maxWaitForUnmountMs, planAttachments } from './attach-plan.ts'

const now = 10 * maxWaitForUnmountMs
const names = ['v0', 'v1', 'v2']
const sourceOf = (name: string) => ({ driver: 'd.io', handle: `handle-${name}` })
const keyOf = (name: string) => attachmentName(sourceOf(name), 'n')

const volume = fc.record({
  isWanted: fc.boolean(),
  isExclusive: fc.boolean(),
  isElsewhere: fc.boolean(),
  isUsed: fc.boolean(),
  isReported: fc.boolean(),
  attachment: fc.constantFrom('none', 'waiting', 'attached', 'going'),
  unwantedMs: fc.constantFrom(undefined, 0, maxWaitForUnmountMs - 1, maxWaitForUnmountMs),
})
const state = fc.record({
  volumes: fc.tuple(volume, volume, volume),
  node: fc.constantFrom('ready', 'silent', 'out of service', 'gone'),
})
type State = typeof state extends fc.Arbitrary<infer S> ? S : never

function planOf({ volumes, node }: State) {
  const where = (is: (v: State['volumes'][number]) => boolean) => names.filter((_, i) => is(volumes[i]!))
  const found = nodeOf({
    metadata: { name: 'n' },
    spec:
      node === 'out of service' ? { taints: [{ key: 'node.kubernetes.io/out-of-service', effect: 'NoExecute' }] } : {},
    status: {
      conditions: [{ type: 'Ready', status: node === 'ready' ? 'True' : 'Unknown' }],
      volumesInUse: where(v => v.isUsed).map(name => uniqueName(sourceOf(name))),
      volumesAttached: where(v => v.isReported).map(name => ({ name: uniqueName(sourceOf(name)), devicePath: '' })),
    },
  })
  const attachments = names.flatMap((name, i) => {
    const { attachment } = volumes[i]!
    if (attachment === 'none') return []
    const going = attachment === 'going' && { deletionTimestamp: '2026-01-01T00:00:00Z' }
    return [
      objectOf(VolumeAttachment, {
        metadata: { name: keyOf(name), ...going },
        spec: { attacher: 'd.io', nodeName: 'n', source: { persistentVolumeName: name } },
        status: { attached: attachment !== 'waiting' },
      }),
    ]
  })
  return planAttachments(
    {
      name: 'n',
      node: node === 'gone' ? undefined : found,
      wanted: where(v => v.isWanted).map(name => {
        const { isExclusive } = volumes[names.indexOf(name)]!
        return { name, ...sourceOf(name), isExclusive, pods: [podOf({})] }
      }),
      attachments,
      otherNodes: name => (volumes[names.indexOf(name)]!.isElsewhere ? ['m'] : []),
      unwantedSince: new Map(
        names.flatMap((name, i) => {
          const { unwantedMs } = volumes[i]!
          return unwantedMs === undefined ? [] : [[keyOf(name), now - unwantedMs]]
        }),
      ),
    },
    now,
  )
}

test('a volume is never attached beside another node, detached while it is wanted or used, or reported without being attached', () => {
  fc.assert(
    fc.property(state, given => {
      const plan = planOf(given)
      const attach = plan.attach.map(({ name }) => name)
      const detach = new Map(plan.detach.map(({ attachment, isForced }) => [attachment.metadata.name, isForced]))
      for (const [i, name] of names.entries()) {
        const { isWanted, isExclusive, isElsewhere, isUsed, attachment, unwantedMs } = given.volumes[i]!
        const isForced = detach.get(keyOf(name))
        const isReported = plan.attached.includes(uniqueName(sourceOf(name)))
        if (attach.includes(name)) assert.ok(isWanted && attachment === 'none' && !(isExclusive && isElsewhere))
        if (isForced !== undefined) {
          assert.ok(!isWanted && attachment !== 'none' && attachment !== 'going')
          assert.ok(!isReported, 'what is detached is not reported')
        }
        if (isForced === false) assert.ok(!isUsed && given.node !== 'gone')
        if (isForced) {
          const isLate = unwantedMs === maxWaitForUnmountMs && given.node !== 'ready'
          assert.ok(isLate || given.node === 'out of service')
        }
        if (isReported) assert.equal(attachment, 'attached')
      }
      // What a ready node does not use and no pod wants is detached, and what is wanted and free is attached.
      if (given.node !== 'ready') return
      for (const [i, name] of names.entries()) {
        const { isWanted, isExclusive, isElsewhere, isUsed, attachment } = given.volumes[i]!
        if (isWanted && attachment === 'none' && !(isExclusive && isElsewhere)) assert.ok(attach.includes(name))
        if (!isWanted && !isUsed && (attachment === 'attached' || attachment === 'waiting'))
          assert.equal(detach.get(keyOf(name)), false)
      }
    }),
    { numRuns: 500 },
  )
})
