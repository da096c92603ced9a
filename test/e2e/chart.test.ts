// A chart as people have them, installed with kubectl in helm's order: its definitions, then its hooks by their weights,
// then the rest, and its test. Then it is upgraded to definitions with a new version, and removed with all objects.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { after, test } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { cannotRun, clusterForFile, eventually, root } from './cluster.ts'

const options = { skip: cannotRun }
const cluster = clusterForFile('chart', ['busybox'])
const k = (args: string, stdin?: string) => cluster.kubectl(args, stdin)
const cache = mkdtempSync(`${tmpdir()}/kutter-chart-`)
after(() => rmSync(cache, { recursive: true }))
const chart = `${root}test/fixtures/chart`
const namespace = 'bookshop'

interface Manifest {
  apiVersion: string
  kind: string
  metadata: { name: string; annotations?: Record<string, string> }
}
const manifests = parseAllDocuments(readFileSync(`${chart}/install.yaml`, 'utf8')).map(
  document => document.toJS() as Manifest,
)
const noteOf = ({ metadata: { annotations } }: Manifest, name: string) => annotations?.[`helm.sh/${name}`] ?? ''
const hooksOf = (event: string) =>
  manifests
    .filter(manifest => noteOf(manifest, 'hook').split(',').includes(event))
    .sort((a, b) => Number(noteOf(a, 'hook-weight')) - Number(noteOf(b, 'hook-weight')))
const release = { apiVersion: 'v1', kind: 'List', items: manifests.filter(manifest => !noteOf(manifest, 'hook')) }
const idOf = ({ kind, metadata }: Manifest) => `${kind.toLowerCase()}/${metadata.name}`

/** Runs hooks as helm does: each is created, waited for, and deleted with those that succeeded. */
async function runHooks(event: string): Promise<void> {
  const hooks = hooksOf(event)
  for (const hook of hooks) {
    await k(`delete ${idOf(hook)} -n ${namespace} --ignore-not-found`)
    await k(`create -n ${namespace} -f -`, JSON.stringify(hook))
    if (hook.kind === 'Job') await k(`wait ${idOf(hook)} -n ${namespace} --for=condition=complete --timeout=60s`)
  }
  for (const hook of hooks) await k(`delete ${idOf(hook)} -n ${namespace}`)
}

test('definitions come first, and are established', options, async () => {
  // Before that, their objects cannot be applied. What kubectl has kept of an earlier cluster does not count.
  const { code, stderr } = await cluster.tryKubectl(
    `apply --dry-run=client --cache-dir=${cache} -f -`,
    JSON.stringify(manifests.find(({ kind }) => kind === 'Backup')),
  )
  assert.notEqual(code, 0)
  assert.match(stderr, /no matches for kind "Backup" in version "bookshop.example.com\/v1beta1"/)
  await k(`apply -f ${chart}/crds`)
  await k(`wait -f ${chart}/crds --for=condition=Established --timeout=30s`)
  assert.match(await k('explain backup.spec.schedule'), /The times of the copies/)
})

test('hooks run, then the rest is applied and works', options, async () => {
  await k(`create namespace ${namespace}`)
  await runHooks('pre-install')
  assert.equal(await k(`get jobs -n ${namespace} -o name`), '')
  await cluster.apply(release, `-n ${namespace}`)
  await k(`rollout status deployment/shop-bookshop -n ${namespace} --timeout=60s`)
  const [check] = hooksOf('test')
  await eventually('the test of the chart passes', async () => {
    await k(`delete ${idOf(check!)} -n ${namespace} --ignore-not-found --now`)
    await k(`create -n ${namespace} -f -`, JSON.stringify(check))
    const phase = () => k(`get ${idOf(check!)} -n ${namespace} -o jsonpath='{.status.phase}'`)
    await eventually('the pod ends', async () => ['Succeeded', 'Failed'].includes(await phase()))
    return (await phase()) === 'Succeeded'
  })
  assert.match(await k(`logs ${idOf(check!)} -n ${namespace}`), /open from nine to five/)
  assert.match(await k(`get bk -n ${namespace} --no-headers`), /^shop-bookshop +0 3 \* \* \* +\d+s\n$/)
  // By their category, and by the label of the release.
  const all = await k(`get bookshop -n ${namespace} -l app.kubernetes.io/instance=shop -o name`)
  assert.deepEqual(all.trim().split('\n').sort(), [
    'backup.bookshop.example.com/shop-bookshop',
    'till.bookshop.example.com/shop-bookshop',
  ])
  // The role is part of the role view, which a user may have.
  await k(`create rolebinding reader -n ${namespace} --clusterrole=view --user=reader`)
  await eventually(
    'readers may read them',
    async () => (await cluster.tryKubectl(`get bk -n ${namespace} --as=reader`)).code === 0,
  )
})

test('applying the same again changes nothing', options, async () => {
  const lines = (await cluster.apply(release, `-n ${namespace}`)).trim().split('\n')
  assert.equal(lines.length, release.items.length)
  for (const line of lines) assert.match(line, / unchanged$/)
})

test('an upgrade brings a new version, in which old objects are shown', options, async () => {
  await k(`apply -f ${chart}/upgrade`)
  const crd = 'crd/backups.bookshop.example.com'
  assert.equal(await k(`get ${crd} -o jsonpath='{.status.storedVersions}'`), '["v1beta1","v1"]')
  await runHooks('pre-upgrade')
  await eventually('the new version is the preferred one', async () =>
    /bookshop\.example\.com\/v1 +true +Backup/.test(await k('api-resources --api-group=bookshop.example.com')),
  )
  // The object is stored as before, and has no default of the new version until it is written.
  assert.match(await k(`get bk -n ${namespace}`), /^NAME +SCHEDULE +KEEP +AGE\nshop-bookshop +0 3 \* \* \* +3 +/)
  assert.equal(await k(`get bk shop-bookshop -n ${namespace} -o jsonpath='{.spec.paused}'`), '')
  const items = release.items.map(manifest =>
    manifest.kind === 'Backup'
      ? { ...manifest, apiVersion: 'bookshop.example.com/v1', spec: { schedule: '0 4 * * *', paused: true, keep: 2 } }
      : manifest,
  )
  const lines = (await cluster.apply({ ...release, items }, `-n ${namespace}`)).trim().split('\n')
  assert.deepEqual(
    lines.filter(line => !line.endsWith(' unchanged')),
    ['backup.bookshop.example.com/shop-bookshop configured'],
  )
  const old = await cluster.tryKubectl(`get backups.v1beta1.bookshop.example.com shop-bookshop -n ${namespace} -o json`)
  assert.match(old.stderr, /Warning: bookshop\.example\.com\/v1beta1 Backup is deprecated/)
  assert.deepEqual((JSON.parse(old.stdout) as { spec: object }).spec, { schedule: '0 4 * * *', keep: 2 })
  const refused = await cluster.tryKubectl(
    `patch bk shop-bookshop -n ${namespace} --type=merge -p '{"spec":{"keep":1}}'`,
  )
  assert.match(refused.stderr, /spec: Invalid value: .*: a backup that is paused keeps more than one copy/)
})

test('the release is removed, and definitions take all objects with them', options, async () => {
  await k(`create -n default -f -`, JSON.stringify({ ...manifests.find(({ kind }) => kind === 'Backup') }))
  await k(`delete -n ${namespace} -f -`, JSON.stringify(release))
  assert.equal(await k(`get bk,deploy,svc,cm -n ${namespace} -l app.kubernetes.io/managed-by=Helm -o name`), '')
  assert.match(await k('get bk -A --no-headers'), /^default +shop-bookshop/)
  await k(`delete -f ${chart}/crds --timeout=30s`)
  await eventually('the group is gone', async () => !(await k('api-versions')).includes('bookshop.example.com'))
  await k(`apply -f ${chart}/crds`)
  await k(`wait -f ${chart}/crds --for=condition=Established --timeout=30s`)
  assert.equal(await k('get backups,tills -A -o name'), '')
})
