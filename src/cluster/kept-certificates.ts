// Keeps the certificates of a process that runs: each is issued again before it expires, and whenever its file is gone or
// another, as after `kutter certs renew`; the process then uses the new one at once.
import { type FSWatcher, mkdirSync, watch } from 'node:fs'
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { joined } from '../base/waiters.ts'
import { type KeyPair, useOf } from '../wire/x509.ts'

/** One certificate of the process. */
interface KeptCertificate {
  name: string
  /** What the process uses now. */
  now: KeyPair
  /** Reads it from its file, or issues it again when it is due. */
  obtain(): Promise<KeyPair>
  use(pair: KeyPair): void
}

/** Changes of several files come together. */
const settleMs = 200
/** A failure is tried again after this. */
const retryMs = 60_000
/** The time may be set, so it is looked at this often. */
const lookMs = 600_000

/** Runs until the signal aborts. Every failure is logged and tried again. */
export async function keepCertificates(
  directory: string,
  certificates: readonly KeptCertificate[],
  { clock, log, signal }: { clock: Clock; log: Log; signal: AbortSignal },
): Promise<void> {
  // Apart from what is used, which may be changed in place.
  const current = new Map(certificates.map(one => [one, inUse(one.now)]))
  while (!signal.aborted) {
    const isDue = () => [...current.values()].some(({ from, until }) => clock.now() < from || clock.now() >= until)
    await changed(directory, isDue, clock, log, signal)
    if (signal.aborted) return
    await clock.sleep(settleMs, signal).catch(() => {})
    let failed = false
    for (const one of certificates) {
      try {
        const pair = await one.obtain()
        if (pair.certPem === current.get(one)!.certPem) continue
        current.set(one, inUse(pair))
        one.use(pair)
        log.info('a new certificate is in use', { certificate: one.name })
      } catch (error) {
        failed = true
        log.error('a certificate cannot be renewed, trying again', { certificate: one.name, why: messageOf(error) })
      }
    }
    if (failed) await clock.sleep(retryMs, signal).catch(() => {})
  }
}

const inUse = ({ certPem }: KeyPair) => ({ certPem, ...useOf(certPem) })

/**
 * A signal that aborts when the text that `read` resolves to is not `used`, which the process works with, as after a rotation
 * of keys in `directory`, so that the process starts again with them.
 */
export function changeSignal(
  directory: string,
  used: string,
  read: () => Promise<string>,
  { clock, log, signal }: { clock: Clock; log: Log; signal: AbortSignal },
): AbortSignal {
  const change = new AbortController()
  const { signal: either } = joined(signal, change.signal)
  const follow = async () => {
    while (!either.aborted) {
      // A directory that cannot be watched is looked at, too.
      let looks = 0
      // Watched before it is read, so that no change comes between the two.
      const event = changed(directory, () => looks++ > 0, clock, log, either)
      // While files are being replaced they may not fit together.
      const now = await read().catch(() => used)
      if (now !== used && !signal.aborted) {
        log.info('the keys of the cluster have changed, starting again')
        change.abort()
      }
      await event
      await clock.sleep(settleMs, either).catch(() => {})
    }
  }
  follow().catch((error: unknown) => log.error('the keys of the cluster are not followed', { why: messageOf(error) }))
  return change.signal
}

/** Resolves when something in the directory changes, when something is due, or when the signal aborts. */
async function changed(
  directory: string,
  isDue: () => boolean,
  clock: Clock,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  const event = new AbortController()
  let watcher: FSWatcher | undefined
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    watcher = watch(directory, () => event.abort())
    // The directory may be removed; then the time alone counts.
    watcher.on('error', error => log.debug('certificates are not watched', { error }))
  } catch (error) {
    log.debug('certificates are not watched', { error })
  }
  const either = joined(signal, event.signal)
  while (!either.signal.aborted && !isDue()) await clock.sleep(lookMs, either.signal).catch(() => {})
  either.release()
  watcher?.close()
}
