// The cluster's authority is created once. When a part of it is lost there is an error, and never another authority.
import { deepStrictEqual, match, notStrictEqual, ok, rejects, strictEqual } from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { realClock } from '../base/clock.ts'
import { isPair, makeAuthority } from '../wire/x509.ts'
import { Pki } from './pki.ts'

async function place(t: TestContext) {
  const dataDir = await mkdtemp(join(tmpdir(), 'kutter-pki-'))
  t.after(() => rm(dataDir, { recursive: true, force: true }))
  const dir = join(dataDir, 'one', 'pki')
  await new Pki(dir, realClock).certificate('admin', { commonName: 'admin' }, ['client auth'])
  return dir
}

test('the authority is the same each time, and keys have the form that every client reads', async t => {
  const dir = await place(t)
  const first = await new Pki(dir, realClock).authority()
  const again = await new Pki(dir, realClock).authority()
  strictEqual(again.certPem, first.certPem)
  match(await readFile(join(dir, 'admin.key'), 'utf8'), /^-----BEGIN EC PRIVATE KEY-----/)
})

const losses: { what: string; files: string[]; message: RegExp }[] = [
  { what: 'the key', files: ['ca.key'], message: /ca\.key missing; restore a copy, .*kutter down --purge --name one/ },
  { what: 'the certificate', files: ['ca.crt'], message: /ca\.crt missing/ },
  { what: 'both', files: ['ca.key', 'ca.crt'], message: /ca\.crt and .*ca\.key missing/ },
]
for (const { what, files, message } of losses)
  test(`the authority is an error without ${what}`, async t => {
    const dir = await place(t)
    for (const file of files) await rm(join(dir, file))
    await rejects(new Pki(dir, realClock).authority(), message)
  })

test('front proxies have an authority of their own, which is kept, and made again when it is lost', async t => {
  const dir = await place(t)
  const pki = () => new Pki(dir, realClock)
  const first = await pki().frontProxy('proxy')
  deepStrictEqual(await pki().frontProxy('proxy'), first)
  ok(isPair(first.client, first.ca))
  ok(!isPair(first.client, (await pki().authority()).certPem))
  await rm(join(dir, 'front-proxy-ca.key'))
  const next = await pki().frontProxy('proxy')
  notStrictEqual(next.ca, first.ca)
  ok(isPair(next.client, next.ca))
})

test('a key of another authority is an error', async t => {
  const dir = await place(t)
  const { keyPem } = await makeAuthority({ commonName: 'other', now: realClock.now(), validMs: 60_000 })
  await writeFile(join(dir, 'ca.key'), keyPem)
  await rejects(new Pki(dir, realClock).authority(), /ca\.key is not the key of .*ca\.crt/)
})
