// The providers of encryption at rest that need nothing but their keys: AES-CBC, AES-GCM, Secretbox, and identity, which
// stores objects as they are. A stored value begins with the provider's prefix and the name of the key.
//
//   k8s:enc:secretbox:v1:KEYNAME:<nonce, ciphertext, tag>
//
// Source: kubernetes.io/docs/tasks/administer-cluster/encrypt-data; apiserver pkg/storage/value/encrypt.
import { createCipheriv, createDecipheriv } from 'node:crypto'
import { xsalsa20poly1305 } from '@noble/ciphers/salsa.js'
import { messageOf } from '../../base/errors.ts'
import { secretBytes } from '../../base/random.ts'

/** What all values have that are encrypted. */
export const encryptedPrefix = Buffer.from('k8s:enc:')

/**
 * Turns the bytes of objects into those of the store, and back. The storage key of an object is authenticated with its
 * bytes where the cipher can do so: such a value cannot be moved to another object.
 */
export interface Provider {
  /** What its values begin with; '' for identity. */
  readonly prefix: string
  /** Changes whenever what was written before should be written again, for instance with a newer key. */
  readonly writesAs: string
  /** The stored form, with the prefix. Throws when there is no key to write with. */
  seal(key: string, plain: Buffer): Buffer
  /** The bytes of a value with the prefix, and what they were written as. Throws when they cannot be decrypted. */
  open(key: string, stored: Buffer): { plain: Buffer; writtenAs: string }
  /** Fetches what `open` will need for a value. Undefined when it is there. Rejects only if a retry may help. */
  fetch?(stored: Buffer): Promise<void> | undefined
  /** Makes the provider ready to write. Rejects when it is not. */
  start?(): Promise<void>
  /** Throws when the provider cannot encrypt or decrypt at the moment. */
  check?(): void
  close?(): void
}

/** A key of a provider. */
export interface NamedKey {
  readonly name: string
  readonly secret: Buffer
}

interface Cipher {
  /** The lengths of keys in bytes. */
  readonly keyBytes: readonly number[]
  seal(secret: Buffer, plain: Buffer, authenticated: Buffer): Buffer
  open(secret: Buffer, body: Buffer, authenticated: Buffer): Buffer
}

const gcmNonceBytes = 12
const gcmTagBytes = 16
const cbcBlockBytes = 16
const secretboxNonceBytes = 24

/** AES-GCM with a random nonce. Its values begin with the nonce and end with the tag. */
export const aesGcm: Cipher = {
  keyBytes: [16, 24, 32],
  seal(secret, plain, authenticated) {
    const nonce = secretBytes(gcmNonceBytes)
    const cipher = createCipheriv(gcmOf(secret), secret, nonce).setAAD(authenticated)
    return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
  },
  open(secret, body, authenticated) {
    if (body.length < gcmNonceBytes + gcmTagBytes) throw new Error('the stored data was shorter than the required size')
    const tagAt = body.length - gcmTagBytes
    const decipher = createDecipheriv(gcmOf(secret), secret, body.subarray(0, gcmNonceBytes), {
      authTagLength: gcmTagBytes,
    })
      .setAAD(authenticated)
      .setAuthTag(body.subarray(tagAt))
    return decrypted('cipher: message authentication failed', () =>
      Buffer.concat([decipher.update(body.subarray(gcmNonceBytes, tagAt)), decipher.final()]),
    )
  },
}

const gcmOf = (secret: Buffer) => `aes-${secret.length * 8}-gcm` as 'aes-256-gcm'

const aesCbc: Cipher = {
  keyBytes: [16, 24, 32],
  seal(secret, plain) {
    const iv = secretBytes(cbcBlockBytes)
    const cipher = createCipheriv(`aes-${secret.length * 8}-cbc`, secret, iv)
    return Buffer.concat([iv, cipher.update(plain), cipher.final()])
  },
  open(secret, body) {
    if (body.length < 2 * cbcBlockBytes || body.length % cbcBlockBytes)
      throw new Error('the stored data is not a multiple of the block size')
    const decipher = createDecipheriv(`aes-${secret.length * 8}-cbc`, secret, body.subarray(0, cbcBlockBytes))
    return decrypted('invalid padding on input', () =>
      Buffer.concat([decipher.update(body.subarray(cbcBlockBytes)), decipher.final()]),
    )
  },
}

const secretbox: Cipher = {
  keyBytes: [32],
  seal(secret, plain) {
    const nonce = secretBytes(secretboxNonceBytes)
    return Buffer.concat([nonce, xsalsa20poly1305(secret, nonce).encrypt(plain)])
  },
  open(secret, body) {
    if (body.length < secretboxNonceBytes) throw new Error('the stored data was shorter than the required size')
    const nonce = body.subarray(0, secretboxNonceBytes)
    return decrypted('output array was not large enough for encryption', () =>
      Buffer.from(xsalsa20poly1305(secret, nonce).decrypt(body.subarray(secretboxNonceBytes))),
    )
  },
}

/** Names the reason of upstream for a value that is damaged, or was encrypted with another key. */
function decrypted(reason: string, decrypt: () => Buffer): Buffer {
  try {
    return decrypt()
  } catch (cause) {
    throw new Error(reason, { cause })
  }
}

const ciphers = { aescbc: aesCbc, aesgcm: aesGcm, secretbox } as const
export type CipherName = keyof typeof ciphers
export const cipherNames = Object.keys(ciphers) as CipherName[]

/** The lengths of keys that a cipher takes, in bytes. */
export const keyBytesOf = (cipher: CipherName): readonly number[] => ciphers[cipher].keyBytes

/** A provider of one cipher: writes with its first key, and reads with the one that a value names. */
export function keyed(name: CipherName, keys: readonly NamedKey[]): Provider {
  const cipher = ciphers[name]
  const prefix = `k8s:enc:${name}:v1:`
  const [first] = keys
  const writesAs = `${prefix}${first!.name}:`
  const head = Buffer.from(writesAs)
  return {
    prefix,
    writesAs,
    seal: (key, plain) => Buffer.concat([head, cipher.seal(first!.secret, plain, Buffer.from(key))]),
    open(key, stored) {
      const failures: string[] = []
      for (const one of keys) {
        const start = Buffer.from(`${prefix}${one.name}:`)
        if (!startsWith(stored, start)) continue
        try {
          const plain = cipher.open(one.secret, stored.subarray(start.length), Buffer.from(key))
          // A second key with the same name is read, and what it wrote is written again with the first.
          return { plain, writtenAs: one === first ? writesAs : `${start.toString()} later` }
        } catch (error) {
          failures.push(messageOf(error))
        }
      }
      const family = name === 'secretbox' ? 'Secretbox' : 'AES'
      throw new Error(failures.join(', ') || `no matching key was found for the provided ${family} transformer`)
    },
  }
}

/** Stores objects as they are, and refuses to read what is encrypted. */
export const identity: Provider = {
  prefix: '',
  writesAs: '',
  seal: (_, plain) => plain,
  open(_, stored) {
    if (startsWith(stored, encryptedPrefix)) throw new Error('identity transformer tried to read encrypted data')
    return { plain: stored, writtenAs: '' }
  },
}

export const startsWith = (bytes: Buffer, start: Buffer): boolean =>
  bytes.length >= start.length && bytes.compare(start, 0, start.length, 0, start.length) === 0
