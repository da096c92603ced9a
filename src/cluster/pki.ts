// The keys and certificates of a cluster, in files below its directory `pki`. The authority and the key for tokens are
// created once, and replaced only on demand (rotation.ts); certificates are issued again before they expire.
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm, rmdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Clock } from '../base/clock.ts'
import { replaceFile } from '../base/files.ts'
import { readIfThere } from './files.ts'
import { commandLine } from './hint.ts'
import { makeSigningKey } from '../wire/jwt.ts'
import {
  type Authority,
  issue,
  isCurrent,
  isPair,
  type KeyPair,
  makeAuthority,
  readCertificate,
  type Subject,
  type Usage,
} from '../wire/x509.ts'

const yearMs = 365 * 24 * 3600 * 1000
export const authorityMs = 10 * yearMs
const maxSettles = 10

/**
 * The files that are replaced together: the bundle of authorities, of which the first signs, its key, the certificates
 * that follow what it issues, the key of tokens, and the keys before it.
 */
export const replaceable = ['ca-chain.crt', 'ca.key', 'sa-previous.json', 'sa.key', 'ca.crt'] as const
export type PkiFiles = Partial<Record<(typeof replaceable)[number], string>>

/** A key that signs tokens no more. */
interface FormerKey {
  /** PEM of the public key. */
  publicKey: string
  /** When another took its place, in milliseconds since the epoch. */
  until: number
}

export interface TokenKeys {
  /** PEM of the private key that signs. */
  key: string
  former: readonly FormerKey[]
}

/** Identifies an authority with all that belongs to it. */
export const authorityText = ({ certPem, keyPem, chainPem = '' }: Authority): string =>
  JSON.stringify([certPem, keyPem, chainPem])

export class Pki {
  readonly dir: string
  readonly #clock: Clock
  readonly #given: Authority | undefined
  readonly #authorityName: string

  /** @param authority signs certificates instead of the authority in `dir`, or has the name for a new one there */
  constructor(dir: string, clock: Clock, authority?: Authority | { commonName: string }) {
    this.dir = dir
    this.#clock = clock
    this.#given = authority && 'keyPem' in authority ? authority : undefined
    this.#authorityName = authority && 'commonName' in authority ? authority.commonName : 'kutter-ca'
  }

  /** The cluster's authority, created at the first call. Throws when a part of an existing one is missing or wrong. */
  async authority(): Promise<Authority> {
    if (this.#given) return this.#given
    await this.settle()
    const [certFile, keyFile] = [join(this.dir, 'ca.crt'), join(this.dir, 'ca.key')]
    const [certPem, keyPem, chainPem] = await Promise.all([
      readIfThere(certFile),
      readIfThere(keyFile),
      readIfThere(join(this.dir, 'ca-chain.crt')),
    ])
    if (certPem !== undefined && keyPem !== undefined && isPair({ certPem, keyPem }))
      return { certPem, keyPem, ...(chainPem && { chainPem }) }
    const lost = [certPem === undefined && certFile, keyPem === undefined && keyFile].filter(Boolean)
    // A new authority would lock out every node that joined and every kubeconfig that was handed out.
    if (lost.length < 2 || (await this.#isInUse()))
      throw new Error(
        `${lost.length ? `the cluster's authority is incomplete: ${lost.join(' and ')} missing` : `${keyFile} is not the key of ${certFile}`}; restore a copy, or start over without the data: ${commandLine('kutter', 'down --purge', { root: dirname(this.dir), dataDir: dirname(dirname(this.dir)) })}`,
      )
    const made = await makeAuthority({ commonName: this.#authorityName, now: this.#clock.now(), validMs: authorityMs })
    await this.#write(keyFile, made.keyPem)
    await this.#write(certFile, made.certPem)
    return made
  }

  /** Whether there are certificates that an earlier authority signed. */
  async #isInUse(): Promise<boolean> {
    const names = existsSync(this.dir) ? await readdir(this.dir) : []
    return names.some(name => name.endsWith('.crt') && name !== 'ca.crt')
  }

  /**
   * The certificate in `<name>.crt` and `<name>.key`. It is issued again when it lacks a name or is about to expire.
   */
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
        isPair(pair, authority.certPem) && isCurrent(pair.certPem, this.#clock.now()) && wanted.every(n => has.has(n))
      )
    }
    return this.#pair(name, good, () => issue(authority, subject, { usages, now: this.#clock.now(), validMs: yearMs }))
  }

  /**
   * The authority of front proxies, and the certificate by which extension servers recognize this server. Nothing else
   * depends on them, so what is missing is made again.
   */
  async frontProxy(name: string): Promise<{ ca: string; client: KeyPair }> {
    const now = this.#clock.now()
    const authority = await this.#pair(
      'front-proxy-ca',
      pair => isPair(pair) && isCurrent(pair.certPem, now),
      () => makeAuthority({ commonName: 'kutter-front-proxy-ca', now, validMs: authorityMs }),
    )
    const client = await this.#pair(
      name,
      pair => isPair(pair, authority.certPem) && isCurrent(pair.certPem, now),
      () =>
        issue(authority, { commonName: name }, { usages: ['client auth', 'digital signature'], now, validMs: yearMs }),
    )
    return { ca: authority.certPem, client }
  }

  /** The key that signs service account tokens, created at the first call, and those before it. */
  async tokenKeys(): Promise<TokenKeys> {
    await this.settle()
    const file = join(this.dir, 'sa.key')
    const [existing, former] = await Promise.all([readIfThere(file), readIfThere(join(this.dir, 'sa-previous.json'))])
    if (existing !== undefined) return { key: existing, former: former ? (JSON.parse(former) as FormerKey[]) : [] }
    const key = makeSigningKey()
    await this.#write(file, key)
    return { key, former: [] }
  }

  /**
   * Replaces several files at once. They are written beside the present ones first, so that a process that reads them after a
   * crash has all of the old ones or all of the new ones.
   */
  async replace(files: PkiFiles): Promise<void> {
    await mkdir(this.dir, { recursive: true, mode: 0o700 })
    // Several servers may take the same files at the same moment, each from a directory of its own.
    const prepared = await mkdtemp(join(this.dir, 'next.tmp-'))
    try {
      for (const name of replaceable)
        if (files[name] !== undefined) await replaceFile(join(prepared, name), files[name], { mode: 0o600 })
      await this.settle()
      await rename(prepared, join(this.dir, 'next'))
    } catch (error) {
      await rm(prepared, { recursive: true, force: true })
      // Another process was faster, with the same files.
      if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error
    }
    await this.settle()
  }

  /** Puts the files of a replacement into their places, also of one that a crash has interrupted. */
  async settle(): Promise<void> {
    const next = join(this.dir, 'next')
    const unless = (expected: string) => (error: NodeJS.ErrnoException) => {
      if (error.code !== expected) throw error
    }
    for (let attempt = 1; existsSync(next); attempt++) {
      // Several processes may come here together; each file is moved by one of them.
      for (const name of replaceable) await rename(join(next, name), join(this.dir, name)).catch(unless('ENOENT'))
      try {
        return await rmdir(next).catch(unless('ENOENT'))
      } catch (error) {
        // Meanwhile another process has put the next replacement here.
        if (attempt === maxSettles) throw error
        unless('ENOTEMPTY')(error as NodeJS.ErrnoException)
      }
    }
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

  async #write(file: string, text: string): Promise<void> {
    await mkdir(this.dir, { recursive: true, mode: 0o700 })
    await replaceFile(file, text, { mode: 0o600 })
  }
}
