// Another authority and another key of tokens: who trusts only the authority before accepts what the new one issues, and a
// replacement that is interrupted is completed.
import { deepStrictEqual, equal, ok, rejects } from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { connect, createServer } from 'node:tls'
import { realClock, VirtualClock } from '../base/clock.ts'
import { silentLog } from '../base/log.ts'
import { tokenIssuer } from '../apiserver/index.ts'
import { keyIdOf, makeSigningKey, signToken, readSigningKey } from '../wire/jwt.ts'
import { issue, type KeyPair, readCertificate, splitBundle } from '../wire/x509.ts'
import { Pki } from './pki.ts'
import { finished, nextAuthority, nextTokenKey } from './rotation.ts'

const scratch = mkdtempSync(join(tmpdir(), 'kutter-rotation-'))
after(() => rmSync(scratch, { recursive: true }))
const dayMs = 24 * 3600_000

/** Connects by TLS. Resolves to the name of the client, or rejects when one of the two does not accept the other. */
function meet(server: KeyPair & { ca: string }, client: KeyPair & { ca: string }): Promise<string> {
  return new Promise((resolve, reject) => {
    const listener = createServer(
      { key: server.keyPem, cert: server.certPem, ca: server.ca, requestCert: true, rejectUnauthorized: true },
      socket => {
        socket.on('error', reject)
        resolve(String(socket.getPeerCertificate().subject.CN))
        socket.end()
      },
    )
    listener.on('tlsClientError', reject)
    listener.listen(0, '127.0.0.1', () => {
      const { port } = listener.address() as { port: number }
      const socket = connect({ host: '127.0.0.1', port, key: client.keyPem, cert: client.certPem, ca: client.ca })
      socket.on('error', reject)
      socket.resume()
      socket.on('close', () => listener.close())
    })
  })
}

test('both sides of a connection may have the old authority, both, or the new one', async () => {
  const pki = new Pki(join(scratch, 'meet'), realClock)
  const now = realClock.now()
  const usages = ['server auth', 'client auth', 'digital signature'] as const
  const make = async () =>
    issue(await pki.authority(), { commonName: 'one', ips: ['127.0.0.1'] }, { usages, now, validMs: dayMs })
  const old = { ...(await make()), ca: (await pki.authority()).certPem }
  await pki.replace(await nextAuthority(await pki.authority(), now))
  const both = { ...(await make()), ca: (await pki.authority()).certPem }
  await pki.replace(finished(await pki.authority()))
  const alone = { ...(await make()), ca: (await pki.authority()).certPem }
  equal(splitBundle(both.ca).length, 2)
  equal(splitBundle(alone.ca).length, 1)
  for (const [server, client] of [
    [old, both],
    [both, old],
    [both, both],
    [both, alone],
    [alone, both],
    [alone, alone],
  ] as const)
    equal(await meet(server, client), 'one')
  await rejects(meet(alone, old))
  await rejects(meet(old, alone))
})

test('certificates are issued again by a new authority', async () => {
  const pki = new Pki(join(scratch, 'issued'), realClock)
  const make = () => pki.certificate('admin', { commonName: 'admin' }, ['client auth'])
  const first = await make()
  await pki.replace(await nextAuthority(await pki.authority(), realClock.now()))
  const second = await make()
  ok(readCertificate(second.certPem).issuer !== readCertificate(first.certPem).issuer)
  equal(splitBundle(second.certPem).length, 2)
  deepStrictEqual(await make(), second)
})

test('a replacement that was interrupted is completed, and one that was not ready has no effect', async () => {
  const dir = join(scratch, 'crash')
  const pki = new Pki(dir, realClock)
  const first = await pki.authority()
  const files = await nextAuthority(first, realClock.now())
  // Not all files were written: the directory has not got its name yet.
  mkdirSync(join(dir, 'next.tmp'))
  writeFileSync(join(dir, 'next.tmp', 'ca.key'), files['ca.key']!)
  deepStrictEqual(await pki.authority(), first)
  await pki.replace({})
  deepStrictEqual(await pki.authority(), first)
  // All were written, and one of them is in its place.
  mkdirSync(join(dir, 'next'))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, 'next', name), text)
  renameSync(join(dir, 'next', 'ca.key'), join(dir, 'ca.key'))
  const [here, there] = await Promise.all([pki.authority(), new Pki(dir, realClock).authority()])
  deepStrictEqual(here, there)
  equal(here.certPem, files['ca.crt'])
  equal(readFileSync(join(dir, 'ca.key'), 'utf8'), files['ca.key'])
  ok(!existsSync(join(dir, 'next')))
})

test('several processes may put the same files in place at once', async () => {
  const dir = join(scratch, 'many')
  const first = await new Pki(dir, realClock).authority()
  for (let round = 0; round < 5; round++) {
    const files = await nextAuthority(first, realClock.now())
    await Promise.all(Array.from({ length: 5 }, () => new Pki(dir, realClock).replace(files)))
    const { certPem, keyPem } = await new Pki(dir, realClock).authority()
    deepStrictEqual([certPem, keyPem], [files['ca.crt'], files['ca.key']])
  }
  deepStrictEqual(
    readdirSync(dir).filter(name => name.startsWith('next')),
    [],
  )
})

test('tokens of the key before are accepted for a year, those of Secrets for longer', async () => {
  const clock = new VirtualClock()
  const dir = join(scratch, 'tokens')
  const pki = new Pki(dir, clock)
  const before = tokenIssuer(await pki.tokenKeys(), clock, silentLog)
  const [bound, secret] = [before.sign({ iss: before.issuer }), before.sign({ iss: 'kubernetes/serviceaccount' })]
  await pki.replace(nextTokenKey(await pki.tokenKeys(), makeSigningKey(), clock.now()))
  const now = tokenIssuer(await pki.tokenKeys(), clock, silentLog)
  ok(now.verify(bound) && now.verify(secret) && now.verify(now.sign({ iss: now.issuer })))
  ok(keyIdOf(now.sign({})) !== keyIdOf(bound))
  equal(now.jwks().keys.length, 2)
  equal(now.verify(signToken(readSigningKey(makeSigningKey()), { iss: now.issuer })), undefined)
  await clock.forward(366 * dayMs)
  equal(now.verify(bound), undefined)
  ok(now.verify(secret))
  equal(now.jwks().keys.length, 1)
})

test('a key that was announced to other servers is not listed beside itself', async () => {
  const pki = new Pki(join(scratch, 'announced'), realClock)
  const present = await pki.tokenKeys()
  const next = makeSigningKey()
  const announced = nextTokenKey({ key: next, former: [] }, present.key, 1)
  await pki.replace({ 'sa-previous.json': announced['sa-previous.json']! })
  await pki.replace(nextTokenKey(await pki.tokenKeys(), next, 2))
  const { key, former } = await pki.tokenKeys()
  equal(key, next)
  equal(former.length, 1)
})
