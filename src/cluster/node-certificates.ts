// The certificates of a node on another machine: requested from the cluster by a CertificateSigningRequest, stored in
// one file with the key, and renewed well before they expire.
// Source: kubernetes.io/docs/reference/access-authn-authz/kubelet-tls-bootstrapping; client-go util/certificate.
import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import { replaceFile } from '../base/files.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import type { Client } from '../client/index.ts'
import { CertificateSigningRequest } from '../kinds/certificates/certificatesigningrequest.ts'
import { isPair, type KeyPair, makeRequest, readCertificate, splitBundle, type Subject } from '../wire/x509.ts'
import { readIfThere } from './files.ts'

export interface Wanted {
  signerName: 'kubernetes.io/kube-apiserver-client-kubelet' | 'kubernetes.io/kubelet-serving'
  usage: 'client auth' | 'server auth'
  subject: Subject
}

const pollMs = { first: 20, most: 1_000 }
/** A person may have to approve the request. */
const patienceMs = 15 * 60_000

/** Requests a certificate and waits for it. Throws an Error when it is denied, or not approved within 15 minutes. */
export async function obtain(
  client: Client,
  { signerName, usage, subject }: Wanted,
  { clock, log, signal }: { clock: Clock; log: Log; signal: AbortSignal },
): Promise<KeyPair> {
  const { requestPem, keyPem } = await makeRequest(subject)
  const { metadata } = await client.create(CertificateSigningRequest, {
    metadata: { generateName: 'csr-' },
    spec: { request: Buffer.from(requestPem).toString('base64'), signerName, usages: ['digital signature', usage] },
  })
  const name = metadata.name ?? ''
  const deadline = clock.steady() + patienceMs
  for (let pauseMs = pollMs.first; ; pauseMs = Math.min(pauseMs * 2, pollMs.most)) {
    await clock.sleep(pauseMs, signal)
    const { status } = await client.get(CertificateSigningRequest, { name })
    if (status.certificate) return { certPem: Buffer.from(status.certificate, 'base64').toString(), keyPem }
    const refused = status.conditions?.find(c => c.type === 'Denied' || c.type === 'Failed')
    if (refused)
      throw new Error(`the request ${name} for a certificate was refused: ${refused.message || refused.reason}`)
    if (clock.steady() > deadline)
      throw new Error(`nobody approved the request ${name} for a certificate within ${patienceMs / 60_000} minutes`)
    if (pauseMs * 2 === pollMs.most) log.info('waiting for approval of a certificate', { request: name })
  }
}

export interface Kept {
  pair: KeyPair
  /** When it was stored, in milliseconds since the epoch. */
  since: number
}

/** Reads a stored pair; undefined when there is none, or it is damaged, expired, or not signed by one of `ca`. */
export async function readKept(file: string, ca: string, now: number): Promise<Kept | undefined> {
  const text = await readIfThere(file)
  if (text === undefined) return undefined
  const keyPem = /-----BEGIN ((?:EC |RSA )?PRIVATE KEY)-----[\s\S]+?-----END \1-----\n/.exec(text)?.[0] ?? ''
  const pair = { certPem: splitBundle(text).join(''), keyPem }
  const good =
    pair.certPem &&
    pair.keyPem &&
    splitBundle(ca).some(one => isPair(pair, one)) &&
    readCertificate(pair.certPem).notAfter > now
  return good ? { pair, since: (await stat(file)).mtimeMs } : undefined
}

/** Stores certificate and key in one file, which is replaced as a whole, so they always belong together. */
export async function writeKept(file: string, { certPem, keyPem }: KeyPair): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  await replaceFile(file, certPem + keyPem, { mode: 0o600 })
}

/**
 * When to renew: at a random point between 70 and 90 % of the time from `since` to the expiry, so that nodes that
 * joined together do not renew together. Source: client-go util/certificate, nextRotationDeadline.
 */
export function rotateAt(certPem: string, since: number, random: Random): number {
  const { notAfter } = readCertificate(certPem)
  return since + (notAfter - since) * (0.7 + 0.2 * random.float())
}

const retryMs = { first: 1_000, most: 60_000 }

/**
 * Renews a certificate until the signal aborts. `ask` requests the next one; once it is stored, `use` is called with
 * it. A failure is tried again after 1 s, then after twice as long each time, at most 60 s. Never rejects.
 */
export async function keepRenewed({
  first,
  file,
  ask,
  use,
  clock,
  random,
  log,
  signal,
}: {
  /** The present one; undefined when there is none yet, and one is to be requested at once. */
  first: Kept | undefined
  file: string
  ask(): Promise<KeyPair>
  use(pair: KeyPair): void
  clock: Clock
  random: Random
  log: Log
  signal: AbortSignal
}): Promise<void> {
  let dueAt = first ? rotateAt(first.pair.certPem, first.since, random) : 0
  let backoffMs = retryMs.first
  while (!signal.aborted) {
    // The sleep rejects only when aborted, which the loop checks.
    await clock.sleep(Math.min(Math.max(dueAt - clock.now(), 0), maxSleepMs), signal).catch(() => {})
    if (signal.aborted || clock.now() < dueAt) continue
    try {
      const pair = await ask()
      await writeKept(file, pair)
      use(pair)
      dueAt = rotateAt(pair.certPem, clock.now(), random)
      backoffMs = retryMs.first
      log.info('certificate renewed', { file, until: new Date(readCertificate(pair.certPem).notAfter).toISOString() })
    } catch (error) {
      if (signal.aborted) return
      log.warn('cannot renew a certificate, trying again', { file, why: messageOf(error) })
      dueAt = clock.now() + backoffMs
      backoffMs = Math.min(backoffMs * 2, retryMs.most)
    }
  }
}

/** Timers are limited to 24 days, and a clock may be set meanwhile, so the time is checked once an hour. */
const maxSleepMs = 3_600_000
