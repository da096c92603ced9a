// A node's certificates as it gets them from the cluster: asked for by a CertificateSigningRequest, kept in one file
// with the key, asked for again well before they end.
// Source: kubernetes.io/docs/reference/access-authn-authz/kubelet-tls-bootstrapping; client-go util/certificate.
import { mkdir, rename, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import type { Client } from '../client/index.ts'
import { CertificateSigningRequest } from '../kinds/certificates/certificatesigningrequest.ts'
import { isPair, type KeyPair, makeRequest, readCertificate, type Subject } from '../wire/x509.ts'
import { readIfThere } from './files.ts'

export interface Wanted {
  signerName: 'kubernetes.io/kube-apiserver-client-kubelet' | 'kubernetes.io/kubelet-serving'
  usage: 'client auth' | 'server auth'
  subject: Subject
}

const pollMs = { first: 20, most: 1_000 }
/** Somebody may have to approve it by hand. */
const patienceMs = 15 * 60_000

/** Asks for a certificate and waits for it. Throws Error when it is denied. */
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
  const deadline = clock.now() + patienceMs
  for (let pauseMs = pollMs.first; ; pauseMs = Math.min(pauseMs * 2, pollMs.most)) {
    await clock.sleep(pauseMs, signal)
    const { status } = await client.get(CertificateSigningRequest, { name })
    if (status.certificate) return { certPem: Buffer.from(status.certificate, 'base64').toString(), keyPem }
    const refused = status.conditions?.find(c => c.type === 'Denied' || c.type === 'Failed')
    if (refused)
      throw new Error(`the request ${name} for a certificate was refused: ${refused.message || refused.reason}`)
    if (clock.now() > deadline)
      throw new Error(`nobody approved the request ${name} for a certificate within ${patienceMs / 60_000} minutes`)
    if (pauseMs * 2 === pollMs.most) log.info('waiting for a certificate to be approved', { request: name })
  }
}

export interface Kept {
  pair: KeyPair
  /** When it was written here, in milliseconds since the epoch. */
  since: number
}

/** What is kept in a file; undefined when there is nothing, or nothing that is good now and signed by `ca`. */
export async function readKept(file: string, ca: string, now: number): Promise<Kept | undefined> {
  const text = await readIfThere(file)
  if (text === undefined) return undefined
  const pair = { certPem: part(text, 'CERTIFICATE'), keyPem: part(text, '(?:EC |RSA )?PRIVATE KEY') }
  const good = pair.certPem && pair.keyPem && isPair(pair, ca) && readCertificate(pair.certPem).notAfter > now
  return good ? { pair, since: (await stat(file)).mtimeMs } : undefined
}

/** Keeps certificate and key in one file, so that they are never of different ages. */
export async function writeKept(file: string, { certPem, keyPem }: KeyPair): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  await writeFile(`${file}.new`, certPem + keyPem, { mode: 0o600 })
  await rename(`${file}.new`, file)
}

const part = (text: string, what: string) =>
  new RegExp(`-----BEGIN ${what}-----[\\s\\S]+?-----END ${what}-----\\n`).exec(text)?.[0] ?? ''

/** When to ask for the next one: at 70 to 90 % of the time we have it, so that nodes made together do not ask together. */
export function rotateAt(certPem: string, since: number, random: Random): number {
  const { notAfter } = readCertificate(certPem)
  return since + (notAfter - since) * (0.7 + 0.2 * random.float())
}

const retryMs = { first: 1_000, most: 60_000 }

/** Renews a certificate until the signal aborts. `ask` gets the next one; `use` is given it. */
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
  /** Undefined: there is none yet. */
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
    // Rejects only when aborted, which the loop's condition sees.
    await clock.sleep(Math.min(Math.max(dueAt - clock.now(), 0), maxSleepMs), signal).catch(() => {})
    if (signal.aborted || clock.now() < dueAt) continue
    try {
      const pair = await ask()
      await writeKept(file, pair)
      use(pair)
      dueAt = rotateAt(pair.certPem, clock.now(), random)
      backoffMs = retryMs.first
      log.info('new certificate', { file, until: new Date(readCertificate(pair.certPem).notAfter).toISOString() })
    } catch (error) {
      if (signal.aborted) return
      log.warn('no new certificate yet', { file, why: messageOf(error) })
      dueAt = clock.now() + backoffMs
      backoffMs = Math.min(backoffMs * 2, retryMs.most)
    }
  }
}

/** A timer cannot wait for more than 24 days, and clocks are set. */
const maxSleepMs = 3_600_000
