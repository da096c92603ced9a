// What happens to a block device before it is mounted: nothing with data is ever formatted.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ensureFileSystem } from './disk.ts'

interface Device {
  /** What is on it; undefined if it is empty. */
  has?: string
  fails?: string
}

async function trying({ has, fails }: Device, want: { type?: string; readOnly?: boolean }) {
  const did: string[] = []
  const act = async (what: string) => {
    did.push(what)
    if (fails === what) throw new Error('no such program')
  }
  const tools = {
    typeOf: async () => has,
    format: (_device: string, type: string) => act(`format ${type}`),
    check: () => act('check'),
  }
  try {
    await ensureFileSystem('/dev/x', { type: 'ext4', readOnly: false, ...want }, tools)
  } catch (error) {
    did.push(error instanceof Error ? error.message : '')
  }
  return did
}

const cases: [what: string, device: Device, want: { type?: string; readOnly?: boolean }, did: string[]][] = [
  ['an empty device is formatted', {}, {}, ['format ext4']],
  ['as the volume asks', {}, { type: 'xfs' }, ['format xfs']],
  [
    'but not for a read-only mount',
    {},
    { readOnly: true },
    ['cannot mount unformatted disk /dev/x as it is read-only'],
  ],
  ['a file system is checked', { has: 'ext4' }, {}, ['check']],
  ['but not for a read-only mount, either', { has: 'ext4' }, { readOnly: true }, []],
  ['another file system stays', { has: 'xfs' }, {}, ['device /dev/x has xfs on it, and the volume asks for ext4']],
  [
    'partitions stay',
    { has: 'a table of partitions' },
    {},
    ['device /dev/x has a table of partitions on it, and the volume asks for ext4'],
  ],
  [
    'a failure is named',
    { fails: 'format ext4' },
    {},
    ['format ext4', 'failed to format device /dev/x as ext4: no such program'],
  ],
]

for (const [what, device, want, did] of cases)
  test(`before a device is mounted: ${what}`, async () => {
    assert.deepEqual(await trying(device, want), did)
  })
