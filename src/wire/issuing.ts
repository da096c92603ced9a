// Issues certificates: creates authorities, certificates of servers and clients, and creates, reads and signs requests
// (RFC 5280, RFC 2986). Everything is passed as PEM text. Others import x509.ts, which loads this file when it is needed.
import 'reflect-metadata'
import { createPrivateKey, type KeyObject, type webcrypto } from 'node:crypto'
import * as x509 from '@peculiar/x509'
import { StatusError, messageOf } from '../base/errors.ts'
import { secretBytes } from '../base/random.ts'
import { type Authority, type KeyPair, pemOf, type RequestInfo, type Subject } from './certificate.ts'

/** The uses of a key, with the names of the certificates.k8s.io API. */
export type Usage = keyof typeof keyUsages | keyof typeof extendedUsages

export interface Validity {
  /** Milliseconds since the epoch. Certificates are backdated, for clocks that are behind or will be set back. */
  now: number
  validMs: number
}

const keyUsages = {
  signing: x509.KeyUsageFlags.digitalSignature,
  'digital signature': x509.KeyUsageFlags.digitalSignature,
  'content commitment': x509.KeyUsageFlags.nonRepudiation,
  'key encipherment': x509.KeyUsageFlags.keyEncipherment,
  'key agreement': x509.KeyUsageFlags.keyAgreement,
  'data encipherment': x509.KeyUsageFlags.dataEncipherment,
  'cert sign': x509.KeyUsageFlags.keyCertSign,
  'crl sign': x509.KeyUsageFlags.cRLSign,
} as const

const extendedUsages = {
  any: '2.5.29.37.0',
  'server auth': '1.3.6.1.5.5.7.3.1',
  'client auth': '1.3.6.1.5.5.7.3.2',
  'code signing': '1.3.6.1.5.5.7.3.3',
  'email protection': '1.3.6.1.5.5.7.3.4',
  timestamping: '1.3.6.1.5.5.7.3.8',
  'ocsp signing': '1.3.6.1.5.5.7.3.9',
} as const

const backdateMs = { least: 5 * 60_000, most: 2 * 3600_000, authority: 24 * 3600_000 }

/** When a certificate begins to be valid: a tenth of its time before now, within limits. */
const beginOf = ({ now, validMs }: Validity): number =>
  now - Math.min(backdateMs.most, Math.max(backdateMs.least, validMs / 10))

/** Creates a self-signed authority. */
export async function makeAuthority({ commonName, now, validMs }: { commonName: string } & Validity): Promise<KeyPair> {
  const keys = await newKeys()
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: nameOf({ commonName }),
    notBefore: new Date(now - backdateMs.authority),
    notAfter: new Date(now + validMs),
    keys,
    signingAlgorithm: ecdsa,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(flags(['digital signature', 'cert sign', 'crl sign']), true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return { certPem: pem(certificate), keyPem: await exportKey(keys.privateKey) }
}

/**
 * The certificate of `next` as the authority before it signs it. Who trusts that one alone accepts with it what `next`
 * issues.
 */
export async function crossSign(before: KeyPair, next: KeyPair, { now, validMs }: Validity): Promise<string> {
  const issuer = new x509.X509Certificate(decodeFirst(before.certPem))
  const subject = new x509.X509Certificate(decodeFirst(next.certPem))
  const signer = await importSigner(createPrivateKey(before.keyPem))
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: subject.subjectName,
    issuer: issuer.subjectName,
    notBefore: new Date(Math.max(now - backdateMs.authority, issuer.notBefore.getTime())),
    notAfter: new Date(Math.min(now + validMs, issuer.notAfter.getTime())),
    publicKey: await subject.publicKey.export(),
    signingKey: signer.key,
    signingAlgorithm: signer.algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(flags(['digital signature', 'cert sign', 'crl sign']), true),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
      await x509.SubjectKeyIdentifierExtension.create(subject.publicKey),
    ],
  })
  return pem(certificate)
}

/** Creates a key, and issues a certificate for it that does not outlive the authority's. */
export async function issue(
  authority: Authority,
  subject: Subject,
  options: { usages: readonly Usage[] } & Validity,
): Promise<KeyPair> {
  const keys = await newKeys()
  const certPem = await sign(authority, nameOf(subject), altNames(subject), keys.publicKey, options)
  return { certPem, keyPem: await exportKey(keys.privateKey) }
}

/** Creates a key, and a request for a certificate for it. */
export async function makeRequest(subject: Subject): Promise<{ requestPem: string; keyPem: string }> {
  const keys = await newKeys()
  const names = altNames(subject)
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: nameOf(subject),
    keys,
    signingAlgorithm: ecdsa,
    extensions: names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : [],
  })
  return { requestPem: pem(request), keyPem: await exportKey(keys.privateKey) }
}

/** Reads a request. Throws BadRequest when it is damaged, or not signed by its own key. */
export async function readRequest(requestPem: string): Promise<RequestInfo> {
  return subjectOf(await parseRequest(requestPem))
}

/** Issues the certificate that a request asks for. The caller has checked that it may be issued. */
export async function signRequest(
  authority: Authority,
  requestPem: string,
  options: { usages: readonly Usage[] } & Validity,
): Promise<string> {
  const request = await parseRequest(requestPem)
  return sign(authority, request.subjectName, alternatives(request), await request.publicKey.export(), options)
}

const ecdsa = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

type Named = x509.X509Certificate | x509.Pkcs10CertificateRequest

async function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return crypto.subtle.generateKey(ecdsa, true, ['sign', 'verify'])
}

async function sign(
  authority: Authority,
  subject: x509.Name,
  names: x509.JsonGeneralNames,
  publicKey: webcrypto.CryptoKey,
  { usages, now, validMs }: { usages: readonly Usage[] } & Validity,
): Promise<string> {
  const issuer = parse(() => new x509.X509Certificate(decodeFirst(authority.certPem)), 'authority certificate')
  const signer = await importSigner(createPrivateKey(authority.keyPem))
  const extended = usages.flatMap(u => (u in extendedUsages ? [extendedUsages[u as keyof typeof extendedUsages]] : []))
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject,
    issuer: issuer.subjectName,
    notBefore: new Date(Math.max(beginOf({ now, validMs }), issuer.notBefore.getTime())),
    notAfter: new Date(Math.min(now + validMs, issuer.notAfter.getTime())),
    publicKey,
    signingKey: signer.key,
    signingAlgorithm: signer.algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      // An extension without a flag would forbid every use, and TLS would refuse the certificate.
      ...(flags(usages) ? [new x509.KeyUsagesExtension(flags(usages), true)] : []),
      ...(extended.length > 0 ? [new x509.ExtendedKeyUsageExtension(extended)] : []),
      ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
      await x509.AuthorityKeyIdentifierExtension.create(issuer),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
    ],
  })
  return pem(certificate) + (authority.chainPem ?? '')
}

/** Imports the key of an authority. One that the user provides may be RSA or P-384. */
async function importSigner(key: KeyObject) {
  const curves: Record<string, [string, string]> = { prime256v1: ['P-256', 'SHA-256'], secp384r1: ['P-384', 'SHA-384'] }
  const der = key.export({ type: 'pkcs8', format: 'der' })
  const [namedCurve, hash] = curves[key.asymmetricKeyDetails?.namedCurve ?? ''] ?? ['', 'SHA-256']
  if (key.asymmetricKeyType !== 'rsa' && namedCurve === '')
    throw new StatusError('InternalError', `an authority key must be RSA, P-256 or P-384, not ${key.asymmetricKeyType}`)
  const algorithm = namedCurve ? { name: 'ECDSA', namedCurve, hash } : { name: 'RSASSA-PKCS1-v1_5', hash }
  return { algorithm, key: await crypto.subtle.importKey('pkcs8', new Uint8Array(der), algorithm, false, ['sign']) }
}

async function parseRequest(requestPem: string): Promise<x509.Pkcs10CertificateRequest> {
  const request = parse(() => new x509.Pkcs10CertificateRequest(decodeFirst(requestPem)), 'certificate request')
  // This proves possession of the key, so that no one gets a certificate for another's key.
  if (!(await request.verify()))
    throw new StatusError('BadRequest', 'the certificate request is not signed by its own key')
  return request
}

function parse<T>(read: () => T, what: string): T {
  try {
    return read()
  } catch (error) {
    throw new StatusError('BadRequest', `cannot read the ${what}: ${messageOf(error)}`, { cause: error })
  }
}

function decodeFirst(text: string): ArrayBuffer {
  const [first] = x509.PemConverter.decode(text)
  if (!first) throw new Error('it has no PEM block')
  return first
}

/** A name with its organizations first, as Go writes it, so that tools print the same subject. */
function nameOf({ commonName, organizations = [] }: Subject): x509.Name {
  // As plain strings, values would be parsed for quotes and escapes, and another name issued than that which was checked.
  return new x509.Name([
    ...organizations.map(name => ({ O: [stringOf(name)] })),
    ...(commonName ? [{ CN: [stringOf(commonName)] }] : []),
  ])
}

/** Source: Go's encoding/asn1 (isPrintable). */
const stringOf = (text: string) =>
  /^[A-Za-z0-9 '()+,\-./:=?*&]*$/.test(text) ? { printableString: text } : { utf8String: text }

function altNames({ dnsNames = [], ips = [] }: Subject): x509.JsonGeneralName[] {
  return [
    ...dnsNames.map(value => ({ type: 'dns' as const, value })),
    ...ips.map(value => ({ type: 'ip' as const, value })),
  ]
}

function alternatives(from: Named): x509.JsonGeneralName[] {
  const extension = from.extensions.find(e => e instanceof x509.SubjectAlternativeNameExtension)
  return extension ? extension.names.toJSON() : []
}

function subjectOf(from: Named): RequestInfo {
  const names = alternatives(from)
  const of = (type: string) => names.filter(n => n.type === type).map(n => n.value)
  return {
    commonName: from.subjectName.getField('CN')[0] ?? '',
    organizations: from.subjectName.getField('O'),
    dnsNames: of('dns'),
    ips: of('ip'),
    emails: of('email'),
    uris: of('url'),
  }
}

function flags(usages: readonly Usage[]): x509.KeyUsageFlags {
  let all = 0
  for (const usage of usages) if (usage in keyUsages) all |= keyUsages[usage as keyof typeof keyUsages]
  return all
}

/** A serial number of 16 random bytes, positive and without a leading zero, as RFC 5280 requires. */
function serialNumber(): string {
  const bytes = secretBytes(16)
  bytes[0] = (bytes[0]! & 0x3f) | 0x40
  return bytes.toString('hex')
}

const pem = (data: x509.PemData<unknown>) => `${data.toString('pem').trim()}\n`

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', key))
  return pemOf(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }))
}
