// The cluster's authority is created once. When a part of it is lost there is an error, and never another authority.
import { deepStrictEqual, match, notStrictEqual, ok, rejects, strictEqual } from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { realClock, VirtualClock } from '../base/clock.ts'
import { isPair, makeAuthority, renewAt } from '../wire/x509.ts'
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

test('a certificate is issued once, and again when it lacks a name or is about to expire', async t => {
  const dataDir = await mkdtemp(join(tmpdir(), 'kutter-pki-'))
  t.after(() => rm(dataDir, { recursive: true, force: true }))
  const clock = new VirtualClock()
  const pki = () => new Pki(join(dataDir, 'one', 'pki'), clock)
  const serverFor = (...ips: string[]) =>
    pki().certificate('server', { commonName: 'server', dnsNames: ['localhost'], ips }, ['server auth'])
  const first = await serverFor('127.0.0.1', '10.0.0.1')
  deepStrictEqual(await serverFor('127.0.0.1', '10.0.0.1'), first)
  // Fewer names are in it as well; another one is not.
  deepStrictEqual(await serverFor('127.0.0.1'), first)
  const wider = await serverFor('127.0.0.1', '10.0.0.2')
  notStrictEqual(wider.certPem, first.certPem)
  const day = 24 * 3_600_000
  await clock.forward(renewAt(wider.certPem) - clock.now() - day)
  deepStrictEqual(await serverFor('127.0.0.1', '10.0.0.2'), wider)
  await clock.forward(2 * day)
  const next = await serverFor('127.0.0.1', '10.0.0.2')
  notStrictEqual(next.certPem, wider.certPem)
  ok(isPair(next, (await pki().authority()).certPem))
  ok(renewAt(next.certPem) > clock.now() + 100 * day)
})

test('the key of tokens is made once, and every key can be read by its owner alone', async t => {
  const dir = await place(t)
  const { key } = await new Pki(dir, realClock).tokenKeys()
  deepStrictEqual(await new Pki(dir, realClock).tokenKeys(), { key, former: [] })
  await new Pki(dir, realClock).frontProxy('proxy')
  const names = await readdir(dir)
  ok(names.length >= 9, names.join())
  for (const name of names) strictEqual((await stat(join(dir, name))).mode & 0o777, 0o600, name)
  strictEqual((await stat(dir)).mode & 0o777, 0o700)
  // Nothing is left of the way in which a file is replaced.
  deepStrictEqual(
    names.filter(name => name.endsWith('.new')),
    [],
  )
})

test('with an authority from elsewhere, certificates are signed by that one, and none is made', async t => {
  const dataDir = await mkdtemp(join(tmpdir(), 'kutter-pki-'))
  t.after(() => rm(dataDir, { recursive: true, force: true }))
  const given = await makeAuthority({ commonName: 'given', now: realClock.now(), validMs: 3_600_000 })
  const dir = join(dataDir, 'one', 'pki')
  const pki = new Pki(dir, realClock, given)
  const pair = await pki.certificate('kubelet', { commonName: 'kubelet' }, ['client auth'])
  ok(isPair(pair, given.certPem))
  deepStrictEqual((await readdir(dir)).sort(), ['kubelet.crt', 'kubelet.key'])
})
