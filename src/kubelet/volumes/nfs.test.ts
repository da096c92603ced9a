// What is said of a node that cannot mount NFS, and how mount(8) is asked otherwise.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { missingForNfs, nfsName, nfsOptions } from './nfs.ts'

const without = 'nodev\tsysfs\nnodev\ttmpfs\n\text4\n'
const withNfs = `${without}nodev\tnfs4\n`
const noModule = 'the kernel of the node has no NFS client (the module nfs)'
const noProgram = 'the program mount.nfs is missing on the node; install the package nfs-common'

const cases: [what: string, known: string, afterLoad: string, hasProgram: boolean, missing: string | undefined][] = [
  ['it is all there', withNfs, withNfs, true, undefined],
  ['the module can be loaded', without, withNfs, true, undefined],
  ['there is no module', without, without, true, noModule],
  ['there is no program', withNfs, withNfs, false, noProgram],
]

for (const [what, known, afterLoad, hasProgram, missing] of cases)
  test(`what a node lacks for NFS: ${what}`, async () => {
    let text = known
    const tools = {
      fileSystems: async () => text,
      async load() {
        text = afterLoad
        if (afterLoad === without) throw new Error('modprobe: not found')
      },
      hasProgram: async () => hasProgram,
    }
    assert.equal(await missingForNfs(tools), missing)
  })

test('an NFS directory is named by its server and path, and mounted with the options of its volume', () => {
  assert.equal(nfsName({ server: 'files.example', path: '/a' }), 'files.example:/a')
  assert.equal(nfsName({ server: 'fd00::1', path: '/a' }), '[fd00::1]:/a')
  assert.equal(nfsName({ server: '[fd00::1]', path: '/a' }), '[fd00::1]:/a')
  assert.deepEqual(nfsOptions({ server: 's', path: '/' }, ['hard', 'nfsvers=4.2']), ['hard', 'nfsvers=4.2'])
  assert.deepEqual(nfsOptions({ server: 's', path: '/', readOnly: true }, ['hard', 'ro']), ['hard', 'ro'])
  assert.deepEqual(nfsOptions({ server: 's', path: '/', readOnly: true }, []), ['ro'])
})
