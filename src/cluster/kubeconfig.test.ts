// A cluster's entries in the user's kubeconfig are added beside others, and removed with their keys.
import { deepStrictEqual, rejects, strictEqual } from 'node:assert/strict'
import { mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { parse, stringify } from 'yaml'
import { issue, makeAuthority } from '../wire/x509.ts'
import { contextName, kubeconfigOf, mergeIntoUserConfig, removeFromUserConfig } from './kubeconfig.ts'

async function place(t: TestContext) {
  const dir = await mkdtemp(join(tmpdir(), 'kutter-kubeconfig-'))
  const before = process.env.KUBECONFIG
  const file = join(dir, 'config')
  process.env.KUBECONFIG = file
  t.after(async () => {
    if (before === undefined) delete process.env.KUBECONFIG
    else process.env.KUBECONFIG = before
    await rm(dir, { recursive: true, force: true })
  })
  const validity = { now: Date.UTC(2026, 0, 1), validMs: 3_600_000 }
  const authority = await makeAuthority({ commonName: 'ca', ...validity })
  const client = await issue(authority, { commonName: 'admin' }, { usages: ['client auth'], ...validity })
  const own = (name: string) => kubeconfigOf(name, 'https://127.0.0.1:6443', authority.certPem, client)
  const read = async () => parse(await readFile(file, 'utf8'))
  return { dir, file, authority, own, read }
}
const names = (list: { name: string }[]) => list.map(entry => entry.name)

test('the entries that were added are removed, but only those of this authority', async t => {
  const { authority, own, read } = await place(t)
  await mergeIntoUserConfig(own('kutter-other'))
  await mergeIntoUserConfig(own('kutter'))
  await removeFromUserConfig('kutter', 'another authority')
  strictEqual((await read())['current-context'], 'kutter')
  await removeFromUserConfig('kutter', authority.certPem)
  const left = await read()
  deepStrictEqual(
    [names(left.clusters), names(left.users), names(left.contexts), left['current-context']],
    [['kutter-other'], ['kutter-other'], ['kutter-other'], ''],
  )
})

test('what others have written into the file stays, and their current context too when the cluster is removed', async t => {
  const { file, authority, own, read } = await place(t)
  const theirs = {
    apiVersion: 'v1',
    kind: 'Config',
    preferences: { colors: true },
    'current-context': 'work',
    clusters: [{ name: 'work', cluster: { server: 'https://work' } }],
    contexts: [{ name: 'work', context: { cluster: 'work', user: 'me' } }],
    users: [{ name: 'me', user: { token: 't' } }],
  }
  await writeFile(file, stringify(theirs))
  await mergeIntoUserConfig(own('kutter'))
  // A second start replaces the entries of the first.
  await mergeIntoUserConfig(own('kutter'))
  const merged = await read()
  deepStrictEqual(
    [names(merged.clusters), names(merged.users)],
    [
      ['work', 'kutter'],
      ['me', 'kutter'],
    ],
  )
  strictEqual(merged['current-context'], 'kutter')
  await writeFile(file, stringify({ ...merged, 'current-context': 'work' }))
  await removeFromUserConfig('kutter', authority.certPem)
  deepStrictEqual(await read(), theirs)
})

test('only the owner can read the file, and a link to it stays a link', async t => {
  const { dir, file, own, read } = await place(t)
  await symlink('real', file)
  await writeFile(join(dir, 'real'), '')
  await mergeIntoUserConfig(own('kutter'))
  strictEqual(await readlink(file), 'real')
  strictEqual((await read())['current-context'], 'kutter')
  strictEqual((await stat(join(dir, 'real'))).mode & 0o777, 0o600)
  deepStrictEqual((await readdir(dir)).sort(), ['config', 'real'])
})

test('a file that is empty or lacks lists is completed, and one that is something else is not touched', async t => {
  const { file, own, read } = await place(t)
  for (const text of ['', '\n', 'null', 'apiVersion: v1\nkind: Config\nclusters: null\n']) {
    await writeFile(file, text)
    await mergeIntoUserConfig(own('kutter'))
    deepStrictEqual(names((await read()).contexts), ['kutter'], JSON.stringify(text))
  }
  const table: [text: string, message: RegExp][] = [
    ['a: [', /is not valid YAML, so the cluster's context was not changed in it; repair it or set KUBECONFIG/],
    ['hello', /is not a kubeconfig, so the cluster's context was not changed/],
    ['[1, 2]', /is not a kubeconfig/],
    ['clusters: {}', /is not a kubeconfig/],
    ['users: text', /is not a kubeconfig/],
  ]
  for (const [text, message] of table) {
    await writeFile(file, text)
    await rejects(mergeIntoUserConfig(own('kutter')), message, text)
    await rejects(removeFromUserConfig('kutter', undefined), message, text)
    strictEqual(await readFile(file, 'utf8'), text)
  }
})

test('the default cluster has a short context, others have their name in it', () => {
  strictEqual(contextName('default'), 'kutter')
  strictEqual(contextName('two'), 'kutter-two')
})
