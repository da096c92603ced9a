// fsGroup, on files of this machine: who may read and write them afterwards, and when nothing is touched.
import assert from 'node:assert/strict'
import { chmod, lstat, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { Draft } from '../../api/kind.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { podOf } from '../../kinds/testing.ts'
import { setOwnership } from './ownership.ts'

const skip = process.getuid?.() === 0 ? false : 'needs root'
type Security = NonNullable<NonNullable<Draft<Pod>['spec']>['securityContext']>

async function tree(t: TestContext) {
  const dir = await mkdtemp(join(tmpdir(), 'kutter-group-'))
  t.after(() => rm(dir, { recursive: true, force: true }))
  await mkdir(join(dir, 'deep'))
  await chmod(join(dir, 'deep'), 0o700)
  await writeFile(join(dir, 'deep/file'), 'x')
  await chmod(join(dir, 'deep/file'), 0o600)
  await symlink('/etc/passwd', join(dir, 'link'))
  const own = (security: Security, readOnly = false) =>
    setOwnership(dir, podOf({ spec: { securityContext: security } }), readOnly)
  /** `GROUP MODE` of the directory, the one in it, the file and the link. */
  const look = () =>
    Promise.all(
      ['', 'deep', 'deep/file', 'link'].map(async name => {
        const { gid, mode } = await lstat(join(dir, name))
        return `${gid} ${(mode & 0o7777).toString(8)}`
      }),
    )
  return { dir, own, look }
}

test('without a group nothing changes', { skip }, async t => {
  const { own, look } = await tree(t)
  const before = await look()
  await own({})
  assert.deepEqual(await look(), before)
})

test('the group may read and write everything, and what is made in a directory belongs to it', { skip }, async t => {
  const { own, look } = await tree(t)
  await own({ fsGroup: 77 })
  assert.deepEqual(await look(), ['77 2770', '77 2770', '77 660', '77 777'])
  // What a link leads to is not the volume's.
  assert.equal((await lstat('/etc/passwd')).gid, 0)
})

test('of a volume that cannot be written the group may only read', { skip }, async t => {
  const { own, look } = await tree(t)
  await own({ fsGroup: 77 }, true)
  assert.deepEqual(await look(), ['77 2750', '77 2750', '77 640', '77 777'])
})

test('with OnRootMismatch, files are left alone if their directory is right already', { skip }, async t => {
  const { dir, own, look } = await tree(t)
  const security = { fsGroup: 77, fsGroupChangePolicy: 'OnRootMismatch' } as const
  await own(security)
  assert.deepEqual((await look())[2], '77 660')
  await writeFile(join(dir, 'deep/file2'), 'x')
  await chmod(join(dir, 'deep/file'), 0o600)
  await own(security)
  assert.deepEqual((await look())[2], '77 600')
  // Another group, or bits that are missing at the top, are a mismatch.
  await own({ ...security, fsGroup: 78 })
  assert.deepEqual((await look())[2], '78 660')
  await chmod(join(dir, 'deep/file'), 0o600)
  await chmod(dir, 0o770)
  await own({ ...security, fsGroup: 78 })
  assert.deepEqual((await look())[2], '78 660')
  await chmod(join(dir, 'deep/file'), 0o600)
  await own({ fsGroup: 78, fsGroupChangePolicy: 'Always' })
  assert.deepEqual((await look())[2], '78 660')
})
