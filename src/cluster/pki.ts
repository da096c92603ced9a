// The cluster's keys and certificates, in files below <data>/pki. Made once, renewed before they expire.
import { existsSync } from 'node:fs'
import { mkdir, readdir, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Clock } from '../base/clock.ts'
import { readIfThere } from './files.ts'
import { commandLine } from './hint.ts'
import { makeSigningKey } from '../wire/jwt.ts'
import {
  issue,
  isPair,
  type KeyPair,
  makeAuthority,
  readCertificate,
  renewAt,
  type Subject,
  type Usage,
} from '../wire/x509.ts'

const yearMs = 365 * 24 * 3600 * 1000
const authorityMs = 10 * yearMs

export class Pki {
  readonly dir: string
  readonly #clock: Clock
  readonly #given: KeyPair | undefined

  /** `authority` signs instead of one kept in `dir`. */
  constructor(dir: string, clock: Clock, authority?: KeyPair) {
    this.dir = dir
    this.#clock = clock
    this.#given = authority
  }

  /** The cluster's authority; everything else is signed by it. */
  async authority(): Promise<KeyPair> {
    if (this.#given) return this.#given
    const [certFile, keyFile] = [join(this.dir, 'ca.crt'), join(this.dir, 'ca.key')]
    const [certPem, keyPem] = await Promise.all([readIfThere(certFile), readIfThere(keyFile)])
    if (certPem !== undefined && keyPem !== undefined && isPair({ certPem, keyPem })) return { certPem, keyPem }
    const lost = [certPem === undefined && certFile, keyPem === undefined && keyFile].filter(Boolean)
    // Another authority would cut off every node that joined and every kubeconfig that was handed out.
    if (lost.length < 2 || (await this.#isInUse()))
      throw new Error(
        `${lost.length ? `the cluster's authority is incomplete: ${lost.join(' and ')} is gone` : `${keyFile} is not the key of ${certFile}`}; put back a copy, or start over without the data: ${commandLine('kutter', 'down --purge', { root: dirname(this.dir), dataDir: dirname(dirname(this.dir)) })}`,
      )
    const made = await makeAuthority({ commonName: 'kutter-ca', now: this.#clock.now(), validMs: authorityMs })
    await this.#write(keyFile, made.keyPem)
    await this.#write(certFile, made.certPem)
    return made
  }

  /** Whether an authority has signed anything here. */
  async #isInUse(): Promise<boolean> {
    const names = existsSync(this.dir) ? await readdir(this.dir) : []
    return names.some(name => name.endsWith('.crt') && name !== 'ca.crt')
  }

  /** A certificate kept in `<name>.crt` and `<name>.key`; made again when its names differ or its end is near. */
  async certificate(name: string, subject: Subject, usages: readonly Usage[]): Promise<KeyPair> {
    const authority = await this.authority()
    const wanted = [
      subject.commonName,
      ...(subject.organizations ?? []),
      ...(subject.dnsNames ?? []),
      ...(subject.ips ?? []),
    ]
    const good = (pair: KeyPair) => {
      const { commonName, organizations, dnsNames, ips } = readCertificate(pair.certPem)
      const has = new Set([commonName, ...organizations, ...dnsNames, ...ips])
      return (
        isPair(pair, authority.certPem) && renewAt(pair.certPem) > this.#clock.now() && wanted.every(n => has.has(n))
      )
    }
    return this.#pair(name, good, () => issue(authority, subject, { usages, now: this.#clock.now(), validMs: yearMs }))
  }

  /** The key that signs service account tokens. */
  async tokenKey(): Promise<string> {
    const file = join(this.dir, 'sa.key')
    const existing = await readIfThere(file)
    if (existing !== undefined) return existing
    const made = makeSigningKey()
    await this.#write(file, made)
    return made
  }

  async #pair(name: string, good: (pair: KeyPair) => boolean, make: () => Promise<KeyPair>): Promise<KeyPair> {
    const [certFile, keyFile] = [join(this.dir, `${name}.crt`), join(this.dir, `${name}.key`)]
    const [certPem, keyPem] = await Promise.all([readIfThere(certFile), readIfThere(keyFile)])
    if (certPem !== undefined && keyPem !== undefined && good({ certPem, keyPem })) return { certPem, keyPem }
    const made = await make()
    await this.#write(keyFile, made.keyPem)
    await this.#write(certFile, made.certPem)
    return made
  }

  // Written beside and renamed, so that a crash never leaves half a key.
  async #write(file: string, text: string): Promise<void> {
    await mkdir(this.dir, { recursive: true, mode: 0o700 })
    await writeFile(`${file}.new`, text, { mode: 0o600 })
    await rename(`${file}.new`, file)
  }
}
