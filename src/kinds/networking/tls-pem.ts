// Certificates that Ingresses and Gateways name, as HAProxy reads them: the chain and its key in one PEM. A pair that HAProxy
// would not take is refused here, so that it is missing alone.
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { messageOf } from '../../base/errors.ts'
import type { Secret } from '../core/secret.ts'

type Pem = { pem: string; problem?: undefined } | { problem: string }

const maxChain = 20
const maxPemBytes = 128 * 1024
const minRsaBits = 2048
const minEcBits = 224
const curveBits: Readonly<Record<string, number>> = { prime256v1: 256, secp384r1: 384, secp521r1: 521, secp224r1: 224 }

/** The chain and key of a Secret, or why they cannot be used. Both are written again, so nothing else is in them. */
export function pemOf(secret: Secret | undefined, now: number): Pem & { warning?: string } {
  if (!secret) return { problem: 'does not exist' }
  if (secret.type !== 'kubernetes.io/tls') return { problem: 'is not of type kubernetes.io/tls' }
  const [chain, key] = ['tls.crt', 'tls.key'].map(name =>
    Buffer.from(secret.data?.[name] ?? '', 'base64').toString('latin1'),
  )
  try {
    const all = (
      chain!.slice(0, maxPemBytes).match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
    ).map(pem => new X509Certificate(pem))
    const [leaf] = all
    if (!leaf) return { problem: 'has no certificate in tls.crt' }
    if (all.length > maxChain) return { problem: `has more than ${maxChain} certificates` }
    const own = createPrivateKey(key!)
    if (!leaf.checkPrivateKey(own)) return { problem: 'has a key that is not that of its certificate' }
    const weak = weakness(own)
    if (weak) return { problem: weak }
    const pem = all.map(String).join('') + String(own.export({ type: 'pkcs8', format: 'pem' }))
    const isOver = leaf.validToDate.getTime() < now
    return { pem, ...(isOver && { warning: `has a certificate that was valid until ${leaf.validTo}` }) }
  } catch (error) {
    return { problem: `cannot be read: ${messageOf(error)}` }
  }
}

/** OpenSSL's security level 2, as Debian sets it, refuses keys that are shorter. */
function weakness({ asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject): string | undefined {
  if (type === 'rsa' && (details?.modulusLength ?? 0) < minRsaBits)
    return `has an RSA key of less than ${minRsaBits} bits`
  if (type === 'ec' && (curveBits[details?.namedCurve ?? ''] ?? 0) < minEcBits) return 'has a key on an unusual curve'
  if (type !== 'rsa' && type !== 'ec') return 'has a key that is neither RSA nor of an elliptic curve'
  return undefined
}
