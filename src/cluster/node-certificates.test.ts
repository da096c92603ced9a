// Certificates of nodes: kept in one file with their key, renewed in the last third of their time, on a virtual clock.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Clock, VirtualClock } from '../base/clock.ts'
import { silentLog } from '../base/log.ts'
import { seededRandom } from '../base/random.ts'
import { issue, type KeyPair, makeAuthority, readCertificate } from '../wire/x509.ts'
import { keepRenewed, readKept, rotateAt, writeKept } from './node-certificates.ts'

const hour = 3600_000
const start = Date.UTC(2026, 0, 1)
const usages = ['client auth', 'digital signature'] as const

test('a certificate is renewed between 70 and 90 percent of the time from its arrival to its expiry', async () => {
  const authority = await makeAuthority({ commonName: 'ca', now: start, validMs: 100 * hour })
  const { certPem } = await issue(authority, { commonName: 'n' }, { usages, now: start, validMs: 10 * hour })
  const random = seededRandom(1)
  for (let i = 0; i < 200; i++) {
    const at = rotateAt(certPem, start, random)
    assert.ok(at - start >= 7 * hour && at - start <= 9 * hour, String(at))
  }
})

test('a stored pair is read back while it is valid', async t => {
  const dir = await mkdtemp(join(tmpdir(), 'kutter-kept-'))
  t.after(() => rm(dir, { recursive: true }))
  const file = join(dir, 'pki', 'current.pem')
  const [ca, other] = [
    await makeAuthority({ commonName: 'ca', now: start, validMs: 100 * hour }),
    await makeAuthority({ commonName: 'ca', now: start, validMs: 100 * hour }),
  ]
  const pair = await issue(ca, { commonName: 'n' }, { usages, now: start, validMs: hour })
  assert.equal(await readKept(file, ca.certPem, start), undefined)
  await writeKept(file, pair)
  await utimes(file, start / 1000, start / 1000)
  assert.equal((await stat(file)).mode & 0o777, 0o600)
  assert.deepEqual(await readKept(file, ca.certPem, start), { pair, since: start })
  assert.equal(await readKept(file, ca.certPem, start + 2 * hour), undefined, 'expired')
  assert.equal(await readKept(file, other.certPem, start), undefined, 'of another authority')
  await writeFile(file, (await readFile(file, 'utf8')).slice(0, 100))
  assert.equal(await readKept(file, ca.certPem, start), undefined, 'damaged')
})

test('a certificate is renewed again and again, and a failure is tried again in time', async t => {
  const dir = await mkdtemp(join(tmpdir(), 'kutter-kept-'))
  t.after(() => rm(dir, { recursive: true }))
  const clock = new VirtualClock()
  const ca = await makeAuthority({ commonName: 'ca', now: clock.now(), validMs: 1000 * hour })
  const make = () => issue(ca, { commonName: 'n' }, { usages, now: clock.now(), validMs: 10 * hour })
  const file = join(dir, 'current.pem')
  const abort = new AbortController()
  const used: KeyPair[] = []
  let failures = 3
  // The keeper works in real time and sleeps in virtual time: time passes only while it sleeps.
  let sleeping = false
  let fellAsleep = () => {}
  const observed: Clock = {
    steady: () => clock.steady(),
    now: () => clock.now(),
    after: (delayMs, fn) => clock.after(delayMs, fn),
    sleep: async (delayMs, signal) => {
      sleeping = true
      fellAsleep()
      try {
        await clock.sleep(delayMs, signal)
      } finally {
        sleeping = false
      }
    },
  }
  const running = keepRenewed({
    first: undefined,
    file,
    ask: async () => {
      if (used.length === 1 && failures-- > 0) throw new Error('no server')
      return make()
    },
    use: pair => used.push(pair),
    clock: observed,
    random: seededRandom(1),
    log: silentLog,
    signal: abort.signal,
  })
  while (used.length < 4) {
    if (!sleeping) await new Promise<void>(resolve => (fellAsleep = resolve))
    const newest = used.at(-1)
    if (newest) assert.ok(readCertificate(newest.certPem).notAfter > clock.now(), 'never without a good one')
    await clock.forward(hour / 5)
  }
  abort.abort()
  await running
  assert.equal(used.length, 4)
  assert.equal((await readFile(file, 'utf8')).includes(used[3]!.certPem), true)
})
