// What only who has a key can read, and nobody can change: AES-256-GCM with a random nonce, as base64.
import { createCipheriv, createDecipheriv } from 'node:crypto'
import { secretBytes } from '../base/random.ts'

export const sealKeyBytes = 32
const nonceBytes = 12
const tagBytes = 16

export function seal(plain: Buffer, key: Buffer): string {
  const nonce = secretBytes(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  const body = Buffer.concat([cipher.update(plain), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64')
}

/** Throws when it was sealed with another key, or has been changed. */
export function unseal(base64: string, key: Buffer): Buffer {
  const bytes = Buffer.from(base64, 'base64')
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceBytes))
  decipher.setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes))
  return Buffer.concat([decipher.update(bytes.subarray(nonceBytes + tagBytes)), decipher.final()])
}
