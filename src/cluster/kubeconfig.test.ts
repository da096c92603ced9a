// A cluster's entries in the user's kubeconfig are added beside others, and removed with their keys.
import { deepStrictEqual, strictEqual } from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { issue, makeAuthority } from '../wire/x509.ts'
import { kubeconfigOf, mergeIntoUserConfig, removeFromUserConfig } from './kubeconfig.ts'

test('the entries that were added are removed, but only those of this authority', async t => {
  const dir = await mkdtemp(join(tmpdir(), 'kutter-kubeconfig-'))
  const before = process.env.KUBECONFIG
  process.env.KUBECONFIG = join(dir, 'config')
  t.after(async () => {
    if (before === undefined) delete process.env.KUBECONFIG
    else process.env.KUBECONFIG = before
    await rm(dir, { recursive: true, force: true })
  })
  const validity = { now: Date.UTC(2026, 0, 1), validMs: 3_600_000 }
  const authority = await makeAuthority({ commonName: 'ca', ...validity })
  const client = await issue(authority, { commonName: 'admin' }, { usages: ['client auth'], ...validity })
  const own = (name: string) => kubeconfigOf(name, 'https://127.0.0.1:6443', authority.certPem, client)
  const read = async () => parse(await readFile(join(dir, 'config'), 'utf8'))
  await mergeIntoUserConfig(own('kutter-other'))
  await mergeIntoUserConfig(own('kutter'))
  await removeFromUserConfig('kutter', 'another authority')
  strictEqual((await read())['current-context'], 'kutter')
  await removeFromUserConfig('kutter', authority.certPem)
  const left = await read()
  const names = (list: { name: string }[]) => list.map(entry => entry.name)
  deepStrictEqual(
    [names(left.clusters), names(left.users), names(left.contexts), left['current-context']],
    [['kutter-other'], ['kutter-other'], ['kutter-other'], ''],
  )
})
