// The store of a cluster as its operator meets it: snapshots that are taken and brought back, also under another name;
// a store that is copied to etcd and back; and one that is damaged.
import assert from 'node:assert/strict'
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, test } from 'node:test'
import { type EtcdCluster, noEtcd, startEtcd } from '../../src/store/etcd/testing.ts'
import { cannotRun, eventually, TestCluster } from './cluster.ts'

const options = { skip: cannotRun }
const cluster = new TestCluster('store')
const other = new TestCluster('restored')
const scratch = mkdtempSync(join(tmpdir(), 'kutter-store-'))
const kept = join(scratch, 'kept.snapshot')
let etcd: EtcdCluster | undefined

const directory = join(cluster.dataDir, cluster.name)
const maps = async (of = cluster) =>
  (await of.kubectl('get configmaps -l kept -o name --sort-by .metadata.name')).split('\n').filter(Boolean)
const make = (name: string) => cluster.kubectl(`create configmap ${name} --from-literal=a=1`)
const label = (name: string) => cluster.kubectl(`label configmap ${name} kept=yes`)
const ok = async (...words: string[]) => {
  const result = await cluster.kutter(...words)
  assert.equal(result.code, 0, result.stdout + result.stderr)
  return result.stdout
}

before(async () => {
  if (cannotRun) return
  await cluster.down()
  await other.down()
  await cluster.up('--snapshot-interval', '1s', '--keep', '2')
  if (!noEtcd) etcd = await startEtcd()
})
after(async () => {
  rmSync(scratch, { recursive: true })
  etcd?.stop()
  if (cannotRun) return
  await cluster.down()
  await other.down()
})

test('a snapshot brings back what was deleted, and watches start over', options, async () => {
  for (const name of ['one', 'two']) {
    await make(name)
    await label(name)
  }
  assert.match(await ok('snapshot', 'save', kept), /Saved revision \d+, .*KiB/)
  assert.equal(statSync(kept).mode & 0o777, 0o600)
  await cluster.kubectl('delete configmap one')
  await make('three')
  await label('three')
  const seen = await cluster.kubectl("get configmap three -o jsonpath='{.metadata.resourceVersion}'")
  const refused = await cluster.kutter('snapshot', 'restore', kept)
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /is running; stop it first with: kutter down --name store/)
  await ok('down')
  assert.match(await ok('snapshot', 'restore', kept), /Restored \d+ keys; the cluster goes on at revision \d{10}/)
  await cluster.up()
  assert.deepEqual(await maps(), ['configmap/one', 'configmap/two'])
  const path = '/api/v1/namespaces/default/configmaps?watch=true&timeoutSeconds=5'
  const watch = await cluster.tryKubectl(`get --raw '${path}&resourceVersion=${seen}'`)
  assert.match(watch.stdout + watch.stderr, /The resourceVersion for the provided watch is too old|Expired|Gone/)
})

test('the schedule takes snapshots while something changes, and keeps as many as asked for', options, async () => {
  await eventually('two scheduled ones are there', async () => {
    await make(`tick-${Math.floor(performance.now())}`)
    const rows = (await ok('snapshot', 'list')).split('\n').filter(row => row.includes('scheduled'))
    assert.ok(rows.length <= 2, rows.join('\n'))
    return rows.length === 2
  })
  assert.match(await ok('snapshot', 'list'), /on-demand/)
  await ok('snapshot', 'prune', '--keep', '0')
  assert.ok(
    !readdirSync(join(directory, 'snapshots')).some(name => name.startsWith('scheduled') && name.includes('partial')),
  )
})

test('a snapshot makes the cluster again where there is none', options, async () => {
  await ok('down', '--purge')
  const result = await other.kutter('snapshot', 'restore', kept)
  assert.equal(result.code, 0, result.stderr)
  await other.up()
  assert.deepEqual(await maps(other), ['configmap/one', 'configmap/two'])
  // Its keys are those of the snapshot, so what they have signed is still accepted.
  assert.match(await other.kubectl('get nodes --no-headers'), / Ready /)
  await other.kutter('down')
  const back = await other.kutter('snapshot', 'restore', join(scratch, 'none'))
  assert.match(back.stderr, /is no whole snapshot: ENOENT/)
  const cut = join(scratch, 'cut')
  writeFileSync(cut, readFileSync(kept).subarray(0, 2000))
  assert.match((await other.kutter('snapshot', 'restore', cut)).stderr, /is no whole snapshot/)
  await other.down()
})

test('a store is copied to etcd and back, and its revisions go on', { skip: cannotRun || noEtcd }, async () => {
  await cluster.up()
  await make('moved')
  await label('moved')
  await ok('down')
  const store = `etcd://${etcd!.endpoints.join(',')}`
  const refused = await cluster.kutter('up', '--store', store)
  assert.match(refused.stderr, new RegExp(`copy them first with: kutter store migrate --to ${store}`))
  assert.match(await ok('store', 'migrate', '--to', store), /Copied and compared \d+ keys/)
  await cluster.up()
  assert.deepEqual(await maps(), ['configmap/moved'])
  const revision = () => cluster.kubectl("get configmap moved -o jsonpath='{.metadata.resourceVersion}'")
  const before = Number(await revision())
  await cluster.kubectl('label configmap moved more=yes')
  assert.ok(Number(await revision()) > before)
  // The server is killed, etcd restarts: what was acknowledged is there.
  const { processes } = JSON.parse((await cluster.kutter('status', '-o', 'json')).stdout) as {
    processes: { role: string; pid: number }[]
  }
  process.kill(processes.find(({ role }) => role === 'server')!.pid, 'SIGKILL')
  etcd!.members[0]!.kill()
  await etcd!.members[0]!.start()
  await eventually('it answers again', async () => (await cluster.tryKubectl('get configmap moved')).code === 0)
  await ok('snapshot', 'save')
  await ok('store', 'check')
  assert.match(await ok('store', 'defragment'), /have given their free space back/)
  await cluster.kubectl('label configmap moved again=yes')
  await ok('down')
  assert.match(await ok('store', 'migrate', '--to', 'embedded'), /Copied and compared/)
  await cluster.up()
  assert.deepEqual(await maps(), ['configmap/moved'])
  await ok('store', 'compact')
  assert.match(await ok('store', 'defragment'), /The store has \S+ \S+; before it had /)
  await ok('down')
})

test('damage is named by key, and what is whole goes on', options, async () => {
  await cluster.up()
  await make('whole')
  await ok('down')
  const file = join(directory, 'store', 'log.db')
  copyFileSync(file, join(scratch, 'log.db'))
  const db = new DatabaseSync(file)
  db.exec("UPDATE log SET v = x'00' WHERE k = '/registry/core/configmaps/default/whole'")
  db.close()
  const check = await cluster.kutter('store', 'check')
  assert.equal(check.code, 1)
  assert.match(check.stdout, /\/registry\/core\/configmaps\/default\/whole at revision \d+/)
  assert.match(await ok('store', 'repair'), /configmaps\/default\/whole at revision \d+\nKept \d+ keys/)
  await cluster.up()
  assert.equal((await cluster.tryKubectl('get configmap whole')).code, 1)
  assert.match(await cluster.kubectl('get namespace default -o name'), /default/)
})
