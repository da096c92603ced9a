// Which volumes are attached and detached, for each state of a node.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeOf, objectOf, podOf } from '../../kinds/testing.ts'
import { attachmentName, uniqueName } from '../../kinds/storage/attachment-names.ts'
import { VolumeAttachment } from '../../kinds/storage/volumeattachment.ts'
import {
  isExclusive,
  maxWaitForUnmountMs,
  multiAttachMessage,
  type NodeState,
  planAttachments,
  wantsVolumes,
} from './attach-plan.ts'

const source = { driver: 'd.io', handle: 'h' }
const unique = uniqueName(source)
const key = attachmentName(source, 'n')
const wanted = { name: 'v', ...source, isExclusive: true, pods: [podOf({ metadata: { name: 'p' } })] }

const attachment = (attached: boolean, metadata: object = {}) =>
  objectOf(VolumeAttachment, {
    metadata: { name: key, ...metadata },
    spec: { attacher: 'd.io', nodeName: 'n', source: { persistentVolumeName: 'v' } },
    status: { attached },
  })

interface NodeDraft {
  inUse?: boolean
  reported?: readonly string[]
  ready?: boolean
  taint?: string
}
const node = ({ inUse, reported = [], ready = true, taint }: NodeDraft = {}) =>
  nodeOf({
    metadata: { name: 'n' },
    spec: { ...(taint !== undefined && { taints: [{ key: taint, effect: 'NoExecute' as const }] }) },
    status: {
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'Unknown' }],
      volumesInUse: inUse ? [unique] : [],
      volumesAttached: reported.map(name => ({ name, devicePath: '' })),
    },
  })

const now = 1_000_000
function plan(state: Partial<NodeState>) {
  const whole = {
    name: 'n',
    node: node(),
    wanted: [],
    attachments: [],
    otherNodes: () => [],
    unwantedSince: new Map<string, number>(),
    ...state,
  }
  const { attach, blocked, detach, attached, againAt } = planAttachments(whole, now)
  return {
    attach: attach.map(volume => volume.name),
    blocked: blocked.map(({ nodes }) => nodes.join()),
    detach: detach.map(({ isForced }) => (isForced ? 'forced' : 'detached')),
    attached: attached.join(),
    againAt,
  }
}
const nothing = { attach: [], blocked: [], detach: [], attached: '', againAt: undefined }

test('a volume that a pod wants is attached, and reported when it is', () => {
  assert.deepEqual(plan({ wanted: [wanted] }), { ...nothing, attach: ['v'] })
  assert.deepEqual(plan({ wanted: [wanted], attachments: [attachment(false)] }), nothing)
  assert.deepEqual(plan({ wanted: [wanted], attachments: [attachment(true)] }), { ...nothing, attached: unique })
  // One that goes is waited for, and is not reported any more.
  const going = attachment(true, { deletionTimestamp: '2026-01-01T00:00:00Z' })
  assert.deepEqual(plan({ wanted: [wanted], attachments: [going], node: node({ reported: [unique] }) }), nothing)
})

test('a volume for one node waits until others do not have it', () => {
  const otherNodes = () => ['m']
  assert.deepEqual(plan({ wanted: [wanted], otherNodes }), { ...nothing, blocked: ['m'] })
  const shared = { ...wanted, isExclusive: false }
  assert.deepEqual(plan({ wanted: [shared], otherNodes }), { ...nothing, attach: ['v'] })
})

test('a volume that no pod wants is detached when the node does not use it', () => {
  const attachments = [attachment(true)]
  const table: [string, NodeDraft | undefined, number, Partial<ReturnType<typeof plan>>][] = [
    ['not used', { reported: [unique] }, now, { detach: ['detached'] }],
    ['used', { inUse: true, reported: [unique] }, now - 2 * maxWaitForUnmountMs, { attached: unique }],
    [
      'used, and the node is silent',
      { inUse: true, reported: [unique], ready: false },
      now - 1,
      { attached: unique, againAt: now - 1 + maxWaitForUnmountMs },
    ],
    [
      'used, and the node is silent for six minutes',
      { inUse: true, reported: [unique], ready: false },
      now - maxWaitForUnmountMs,
      { detach: ['forced'] },
    ],
    [
      'used, and the node is out of service',
      { inUse: true, ready: false, taint: 'node.kubernetes.io/out-of-service' },
      now,
      { detach: ['forced'] },
    ],
    ['the node is gone', undefined, now - 1, { againAt: now - 1 + maxWaitForUnmountMs }],
    ['the node is gone for six minutes', undefined, now - maxWaitForUnmountMs, { detach: ['forced'] }],
  ]
  for (const [what, draft, since, result] of table) {
    const unwantedSince = new Map([[key, since]])
    const state = { attachments, unwantedSince, node: draft && node(draft) }
    assert.deepEqual(plan(state), { ...nothing, ...result }, what)
  }
})

test('VolumeAttachments of others, and names in a status that are not of drivers, are left alone', () => {
  const foreign = attachment(true, { name: 'made-by-hand' })
  assert.deepEqual(plan({ attachments: [foreign] }), nothing)
  assert.equal(plan({ node: node({ reported: ['example.com/disk', unique] }) }).attached, 'example.com/disk')
})

test('a pod wants its volumes until its containers have ended', () => {
  const deletionTimestamp = '2026-01-01T00:00:00Z'
  const state = (of: object) => ({
    containerStatuses: [{ name: 'c', image: 'i', imageID: '', ready: false, restartCount: 0, state: of }],
  })
  const table: [object, object, boolean][] = [
    [{}, { phase: 'Pending' }, true],
    [{}, { phase: 'Succeeded' }, false],
    [{}, { phase: 'Failed' }, false],
    [{ deletionTimestamp }, { phase: 'Running', ...state({ running: {} }) }, true],
    [{ deletionTimestamp }, { phase: 'Running', ...state({ terminated: { exitCode: 0 } }) }, false],
    [{ deletionTimestamp }, { phase: 'Pending' }, false],
  ]
  for (const [metadata, status, wants] of table)
    assert.equal(wantsVolumes(podOf({ metadata, spec: { nodeName: 'n' }, status })), wants, JSON.stringify(status))
  assert.equal(wantsVolumes(podOf({})), false)
})

test('which access modes are for one node', () => {
  const table: [string[] | undefined, boolean][] = [
    [undefined, false],
    [[], false],
    [['ReadWriteOnce'], true],
    [['ReadWriteOncePod'], true],
    [['ReadWriteOnce', 'ReadOnlyMany'], false],
    [['ReadWriteMany'], false],
  ]
  for (const [modes, only] of table) assert.equal(isExclusive(modes), only, String(modes))
})

test('a pod that must wait is given the names of the pods in its namespace', () => {
  const pod = (name: string, namespace = 'default') => podOf({ metadata: { name, namespace } })
  const prefix = 'Multi-Attach error for volume "v" Volume is already'
  const table: [ReturnType<typeof pod>[], string][] = [
    [[], `${prefix} exclusively attached to one node and can't be attached to another`],
    [[pod('a'), pod('b')], `${prefix} used by pod(s) a, b`],
    [[pod('a'), pod('b', 'other')], `${prefix} used by pod(s) a and 1 pod(s) in different namespaces`],
    [[pod('b', 'other')], `${prefix} used by 1 pod(s) in different namespaces`],
  ]
  for (const [others, message] of table) assert.equal(multiAttachMessage('v', pod('p'), others), message)
})
