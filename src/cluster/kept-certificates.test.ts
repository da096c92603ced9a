import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { realClock, VirtualClock } from '../base/clock.ts'
import { silentLog } from '../base/log.ts'
import type { KeyPair } from '../wire/x509.ts'
import { changeSignal, keepCertificates } from './kept-certificates.ts'
import { Pki } from './pki.ts'

const scratch = mkdtempSync(join(tmpdir(), 'kutter-certs-'))
after(() => rmSync(scratch, { recursive: true }))
const subject = { commonName: 'tester' }
const usages = ['client auth'] as const

test('a certificate whose file is removed is issued again, and used at once', async () => {
  const directory = join(scratch, 'removed')
  const pki = new Pki(directory, realClock)
  const stop = new AbortController()
  const obtain = () => pki.certificate('tester', subject, usages)
  const now = await obtain()
  const used = new Promise<KeyPair>(resolve => {
    void keepCertificates(directory, [{ name: 'tester', now, obtain, use: resolve }], {
      clock: realClock,
      log: silentLog,
      signal: stop.signal,
    })
  })
  rmSync(join(directory, 'tester.crt'))
  const next = await used
  stop.abort()
  assert.notEqual(next.certPem, now.certPem)
  assert.equal(readFileSync(join(directory, 'tester.crt'), 'utf8'), next.certPem)
})

test('keys that are others than those in use are noticed, also when they changed before anybody looked', async () => {
  const directory = join(scratch, 'keys')
  for (const isBefore of [true, false]) {
    let text = isBefore ? 'others' : 'used'
    const stop = new AbortController()
    const around = { clock: realClock, log: silentLog, signal: stop.signal }
    const changed = changeSignal(directory, 'used', async () => text, around)
    if (!isBefore) {
      await realClock.sleep(300)
      assert.ok(!changed.aborted)
      text = 'others'
      writeFileSync(join(directory, 'ca.crt'), text)
    }
    while (!changed.aborted) await realClock.sleep(10)
    stop.abort()
  }
})

test('a certificate is renewed before it expires, and a failure is tried again', async () => {
  const clock = new VirtualClock()
  const directory = join(scratch, 'due')
  const pki = new Pki(directory, clock)
  const stop = new AbortController()
  let failures = 1
  const obtain = async () => {
    if (clock.now() > started && failures-- > 0) throw new Error('the disk is full')
    return pki.certificate('tester', subject, usages)
  }
  const started = clock.now()
  const now = await obtain()
  const used: KeyPair[] = []
  const kept = keepCertificates(directory, [{ name: 'tester', now, obtain, use: pair => used.push(pair) }], {
    clock,
    log: silentLog,
    signal: stop.signal,
  })
  const day = 24 * 3600_000
  await clock.forward(200 * day)
  assert.equal(used.length, 0)
  await clock.forward(100 * day)
  // Keys are made outside of the virtual clock.
  for (let tries = 0; !used.length && tries < 100; tries++) {
    await realClock.sleep(20)
    await clock.forward(60_000)
  }
  assert.equal(used.length, 1)
  stop.abort()
  await kept
})
