// Reads certificates and their keys (RFC 5280). They are PEM text, as they are in files and Secrets.
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { messageOf, StatusError } from '../base/errors.ts'

/** A certificate, perhaps with its chain, and its private key in the form of `traditionalKey`. */
export interface KeyPair {
  certPem: string
  keyPem: string
}

/** An authority: the certificate with which it signs is the first in `certPem`. */
export interface Authority extends KeyPair {
  /** Certificates that follow each one it issues, so that clients of the authority before it accept them. */
  chainPem?: string
}

export interface Subject {
  commonName: string
  organizations?: readonly string[]
  dnsNames?: readonly string[]
  ips?: readonly string[]
}

export interface RequestInfo extends Required<Subject> {
  emails: string[]
  uris: string[]
}

interface CertificateInfo extends Required<Subject> {
  /** The name of the authority, a line for each part. */
  issuer: string
  /** Milliseconds since the epoch. */
  notBefore: number
  notAfter: number
  isAuthority: boolean
}

/** Reads the first certificate of a PEM text. Throws BadRequest when it is damaged. */
export function readCertificate(certPem: string): CertificateInfo {
  const certificate = parse(certPem)
  const subject = partsOf(certificate.subject)
  const names = alternatives(certificate.subjectAltName ?? '')
  return {
    commonName: subject.find(({ type }) => type === 'CN')?.value ?? '',
    organizations: subject.flatMap(({ type, value }) => (type === 'O' ? [value] : [])),
    dnsNames: names.flatMap(({ type, value }) => (type === 'DNS' ? [value] : [])),
    ips: names.flatMap(({ type, value }) => (type === 'IP Address' ? [shortAddress(value)] : [])),
    issuer: certificate.issuer,
    notBefore: certificate.validFromDate.getTime(),
    notAfter: certificate.validToDate.getTime(),
    isAuthority: certificate.ca,
  }
}

function parse(certPem: string): X509Certificate {
  try {
    return new X509Certificate(certPem)
  } catch (error) {
    throw new StatusError('BadRequest', `cannot read the certificate: ${messageOf(error)}`, { cause: error })
  }
}

/**
 * The parts of a name in the text that Node.js makes of it: a line for each, or ` + ` between two, with the escapes of RFC
 * 2253. (X509Certificate.toLegacyObject loads internal modules of Node.js in an order after which TLS does not work.)
 */
const partsOf = (text: string | undefined): { type: string; value: string }[] =>
  Array.from((text ?? '').matchAll(/([\w.]+)=((?:\\.|[^\\\n])*?)(?=\n| \+ |$)/g), ([, type = '', value = '']) => ({
    type,
    value: value.replace(/\\([0-9A-F]{2}|.)/g, (_, of: string) =>
      of.length === 2 ? String.fromCharCode(Number.parseInt(of, 16)) : of,
    ),
  }))

/** The names in the text that Node.js makes of them. It quotes those that could be taken for several. */
const alternatives = (text: string): { type: string; value: string }[] =>
  Array.from(text.matchAll(/([\w ]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/g), ([, type = '', value = '']) => ({
    type,
    value: value.startsWith('"') ? (JSON.parse(value) as string) : value,
  }))

/** An address in its shortest form. Node.js writes all groups of an IPv6 address. */
const shortAddress = (ip: string): string => (ip.includes(':') ? new URL(`http://[${ip}]`).hostname.slice(1, -1) : ip)

/** From when to when a certificate is used: from the beginning of its validity until it is to be renewed. */
export const useOf = (certPem: string): { from: number; until: number } => ({
  from: readCertificate(certPem).notBefore,
  until: renewAt(certPem),
})

/** Whether a certificate is valid for some time to come, and not only later. */
export function isCurrent(certPem: string, now: number): boolean {
  const { from, until } = useOf(certPem)
  return from <= now && now < until
}

/** When to renew a certificate: after four fifths of its lifetime, so that a failed renewal can be tried again. */
export function renewAt(certPem: string): number {
  const { notBefore, notAfter } = readCertificate(certPem)
  return notBefore + (notAfter - notBefore) * 0.8
}

/** Whether the key belongs to the certificate, and the authority, if given, has signed it. */
export function isPair({ certPem, keyPem }: KeyPair, authorityPem?: string): boolean {
  const certificate = new X509Certificate(certPem)
  if (!certificate.checkPrivateKey(createPrivateKey(keyPem))) return false
  return authorityPem === undefined || isIssuedBy(certificate, authorityPem)
}

/** Whether the first authority of a bundle has itself issued a certificate. */
export function isIssuedBy(certificate: X509Certificate, authorityPem: string): boolean {
  const authority = new X509Certificate(authorityPem)
  return certificate.checkIssued(authority) && certificate.verify(authority.publicKey)
}

/** The certificates of a bundle, each as PEM. */
export function splitBundle(bundlePem: string): string[] {
  return bundlePem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g)?.map(p => `${p}\n`) ?? []
}

/** SHA-256 of the public key as `sha256:<hex>`, by which a join token identifies an authority. Source: RFC 7469. */
export async function publicKeyHash(certPem: string): Promise<string> {
  const der = new X509Certificate(certPem).publicKey.export({ type: 'spki', format: 'der' })
  return `sha256:${Buffer.from(await crypto.subtle.digest('SHA-256', new Uint8Array(der))).toString('hex')}`
}

/** A private key as SEC 1 or PKCS #1, which all clients read. Some Java clients do not read PKCS #8. */
export const traditionalKey = (keyPem: string): string => pemOf(createPrivateKey(keyPem))

export function pemOf(key: KeyObject): string {
  const type = key.asymmetricKeyType === 'rsa' ? 'pkcs1' : key.asymmetricKeyType === 'ec' ? 'sec1' : 'pkcs8'
  return String(key.export({ type, format: 'pem' }))
}
