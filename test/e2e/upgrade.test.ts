// Another release takes over a cluster that runs, and hands it back: one that works, one that cannot read the store, and one
// that writes a store that the release before cannot read.
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { cannotRun, clusterForFile, root, run } from './cluster.ts'

const options = { skip: cannotRun }
const cluster = clusterForFile('upgrade', ['busybox'])

/** Makes a release: this one with another version, and changes of its store. */
function makeRelease(version: string, changes: readonly [RegExp, string][] = []) {
  const directory = join(cluster.dataDir, '..', `${cluster.dataDir.split('/').at(-1)}-release-${version}`)
  mkdirSync(directory)
  for (const part of ['src', 'tools', 'kutter', 'package-lock.json', 'tsconfig.json'])
    cpSync(join(root, part), join(directory, part), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'))
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as object
  writeFileSync(join(directory, 'package.json'), JSON.stringify({ ...manifest, version }))
  const store = join(directory, 'src/store/sqlite-file.ts')
  let text = readFileSync(store, 'utf8')
  for (const [from, to] of changes) {
    assert.match(text, from)
    text = text.replace(from, to)
  }
  writeFileSync(store, text)
  const kutter = (...words: string[]) =>
    run(join(directory, 'kutter'), [...words, '--name', 'upgrade', '--data-dir', cluster.dataDir], {
      env: cluster.env,
      timeoutMs: 300_000,
    })
  return { directory, kutter }
}

const started = () => cluster.kubectl("get pod steady -o jsonpath='{.status.containerStatuses[0].containerID}'")
let container = ''

test('a cluster and its pods go on under another release, and under the one before again', options, async t => {
  await cluster.kubectl('run steady --image=busybox --image-pull-policy=Never --restart=Always -- sleep 10000')
  await cluster.kubectl('wait --for=condition=Ready pod/steady --timeout=60s')
  container = await started()
  const { directory, kutter } = makeRelease('9.1.0')
  t.after(() => run('rm', ['-rf', directory]))
  const nothing = await cluster.kutter('upgrade', '--back')
  assert.match(nothing.stderr, /was not upgraded/)
  const same = await cluster.kutter('upgrade')
  assert.match(same.stderr, /has this release already/)
  const up = await kutter('upgrade')
  assert.equal(up.code, 0, up.stdout + up.stderr)
  assert.match(up.stdout, /state before is in .*\.snapshot[^]*release 9\.1\.0 now/)
  await cluster.kubectl('create configmap written-later --from-literal=a=1')
  assert.equal(await started(), container)
  const back = await kutter('upgrade', '--back')
  assert.equal(back.code, 0, back.stdout + back.stderr)
  assert.match(await cluster.kubectl('get configmap written-later -o name'), /written-later/)
  assert.equal(await started(), container)
  assert.match(await cluster.kubectl('get nodes --no-headers'), / Ready /)
})

test('a release that cannot run the cluster leaves it as it was', options, async t => {
  const { directory, kutter } = makeRelease('9.2.0', [[/const formatVersion = \d+/, 'const formatVersion = 77']])
  t.after(() => run('rm', ['-rf', directory]))
  const up = await kutter('upgrade')
  assert.equal(up.code, 1)
  assert.match(up.stdout, /Release 9\.2\.0 cannot run the cluster: .*this Kutter reads format 77/)
  assert.match(up.stderr, /the cluster has release .* as before/)
  assert.match(await cluster.kubectl('get configmap written-later -o name'), /written-later/)
  assert.equal(await started(), container)
})

test('a store that the release before cannot read is replaced by the snapshot when it returns', options, async t => {
  const { directory, kutter } = makeRelease('9.3.0', [
    [/const formatVersion = \d+/, 'const formatVersion = 78'],
    [
      /if \(version !== formatVersion\)/,
      "if (version !== formatVersion) db.exec('PRAGMA user_version = 78')\n  if ((version as number) > 78)",
    ],
  ])
  t.after(() => run('rm', ['-rf', directory]))
  const up = await kutter('upgrade')
  assert.equal(up.code, 0, up.stdout + up.stderr)
  await cluster.kubectl('create configmap lost --from-literal=a=1')
  const back = await kutter('upgrade', '--back')
  assert.equal(back.code, 0, back.stdout + back.stderr)
  assert.match(back.stdout, /store is that of .* again/)
  assert.match(await cluster.kubectl('get configmap written-later -o name'), /written-later/)
  assert.match((await cluster.tryKubectl('get configmap lost')).stderr, /NotFound/)
  assert.match(await cluster.kubectl('get nodes --no-headers'), / Ready /)
})
