// A pod's volumes are removed, and what others have mounted there stays, whatever else is wrong.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { realMounts } from '../../linux/index.ts'
import { removeSubpaths, removeVolumes } from './removal.ts'

const needsRoot = process.getuid?.() === 0 ? false : 'needs root'

async function inTemp(run: (dir: string, data: string) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'kutter-removal-'))
  try {
    const data = join(dir, 'data')
    mkdirSync(data)
    writeFileSync(join(data, 'file'), 'precious')
    writeFileSync(join(data, 'empty'), '')
    await run(dir, data)
  } finally {
    if (!needsRoot) await realMounts.unmountAll(dir)
    rmSync(dir, { recursive: true, force: true })
  }
}

const make = (...parts: string[]) => {
  const path = join(...parts)
  mkdirSync(path, { recursive: true })
  return path
}

test('the files of a pod go with it, and links and empty mount points', () =>
  inTemp(async (dir, data) => {
    const volumes = join(dir, 'volumes')
    writeFileSync(join(make(volumes, 'kubernetes.io~empty-dir', 'e', 'deep'), 'file'), 'x')
    make(volumes, 'kubernetes.io~persistent-volume-claim', 'mounted')
    symlinkSync(data, join(volumes, 'kubernetes.io~persistent-volume-claim', 'linked'))
    await removeVolumes(volumes)
    assert.equal(existsSync(volumes), false)
    // There is nothing to be done a second time.
    await removeVolumes(volumes)
    assert.deepEqual(readdirSync(data), ['empty', 'file'])
  }))

test('what is not empty where others are mounted stays', () =>
  inTemp(async dir => {
    for (const type of ['persistent-volume-claim', 'csi', 'image']) {
      const volumes = join(dir, type)
      const volume = make(volumes, `kubernetes.io~${type}`, 'v')
      writeFileSync(join(volume, 'file'), 'precious')
      await assert.rejects(removeVolumes(volumes), /ENOTEMPTY/)
      assert.deepEqual(readdirSync(volume), ['file'])
    }
    const subpaths = join(dir, 'subpaths')
    writeFileSync(join(make(subpaths, 'v', 'c'), '0'), 'precious')
    await assert.rejects(removeSubpaths(subpaths), /is not empty, so it is not removed/)
    assert.deepEqual(readdirSync(join(subpaths, 'v', 'c')), ['0'])
  }))

test('a mount that is still there stops the removal, and its data stays', { skip: needsRoot }, () =>
  inTemp(async (dir, data) => {
    const volumes = join(dir, 'volumes')
    const claim = make(volumes, 'kubernetes.io~persistent-volume-claim', 'v')
    await realMounts.bind(data, claim)
    await assert.rejects(removeVolumes(volumes), /EBUSY|ENOTEMPTY/)
    // Parts of volumes are mounted over directories and files, the files may be empty.
    const subpaths = join(dir, 'subpaths')
    const [directory, file] = [make(subpaths, 'v', 'c', '0'), join(make(subpaths, 'v', 'd'), '0')]
    writeFileSync(file, '')
    await realMounts.bind(data, directory)
    await realMounts.bind(join(data, 'empty'), file)
    await assert.rejects(removeSubpaths(subpaths), /EBUSY|ENOTEMPTY/)
    await realMounts.unmountAll(directory)
    await assert.rejects(removeSubpaths(subpaths), /EBUSY/)
    assert.deepEqual(readdirSync(data), ['empty', 'file'])
    await realMounts.unmountAll(dir)
    await removeVolumes(volumes)
    await removeSubpaths(subpaths)
    assert.deepEqual(readdirSync(dir), ['data'])
  }),
)
