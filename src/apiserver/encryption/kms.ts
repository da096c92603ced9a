// Encryption by a key management service (KMS v2), which a plugin on a Unix socket speaks for. The service encrypts only
// a seed; objects are encrypted here, each with a key of its own that is derived from the seed.
//
//   seed ──Encrypt──► plugin ──► encrypted seed, key id        once for each key of the service
//   seed + random info ─HKDF─► key ─AES-GCM─► ciphertext       for each write
//   stored: k8s:enc:kms:v2:NAME: EncryptedObject{ ciphertext, key id, encrypted seed, annotations }
//
// - The plugin is asked for its status every minute, and every ten seconds while it fails. Another key id makes another
//   seed, and what was written before counts as old. Three minutes after the last good status nothing is written any more.
// - Decrypted seeds are kept, at most `maxSeeds`, so that objects are read without the plugin.
//
// Source: KEP-3299; apiserver pkg/storage/value/encrypt/envelope/kmsv2, encrypt/aes/aes_extended_nonce.go.
import { createHash, createHmac, randomUUID } from 'node:crypto'
import type { Clock } from '../../base/clock.ts'
import { messageOf, StatusError } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { secretBytes } from '../../base/random.ts'
import {
  type CallOptions,
  callUnary,
  type Definition,
  messageCodec,
  type Received,
  type ServiceClient,
  socketClient,
} from '../../wire/grpc.ts'
import { aesGcm, type Provider, startsWith } from './provider.ts'

const definition = {
  package: 'v2',
  messages: {
    StatusRequest: {},
    StatusResponse: { version: 'string = 1', healthz: 'string = 2', keyId: 'string = 3' },
    DecryptRequest: { ciphertext: 'bytes = 1', uid: 'string = 2', keyId: 'string = 3', annotations: 'map<bytes> = 4' },
    DecryptResponse: { plaintext: 'bytes = 1' },
    EncryptRequest: { plaintext: 'bytes = 1', uid: 'string = 2' },
    EncryptResponse: { ciphertext: 'bytes = 1', keyId: 'string = 2', annotations: 'map<bytes> = 3' },
    EncryptedObject: {
      encryptedData: 'bytes = 1',
      keyID: 'string = 2',
      encryptedDEKSource: 'bytes = 3',
      annotations: 'map<bytes> = 4',
      encryptedDEKSourceType: 'SourceType = 5',
    },
  },
  enums: { SourceType: 'AES_GCM_KEY HKDF_SHA256_XNONCE_AES_GCM_SEED' },
  services: {
    KeyManagementService: {
      status: 'StatusRequest StatusResponse',
      decrypt: 'DecryptRequest DecryptResponse',
      encrypt: 'EncryptRequest EncryptResponse',
    },
  },
} as const satisfies Definition

type Message<N extends keyof typeof definition.messages> = Received<
  typeof definition.messages,
  typeof definition.enums,
  N
>
type Envelope = Message<'EncryptedObject'>

const seedBytes = 32
const infoBytes = 32
/** Limits of decrypted seeds, and of what the plugin may answer. Source: kmsv2/envelope.go. */
const maxSeeds = 1000
const maxKeyIdBytes = 1024
const maxAnnotationBytes = 32 << 10
const maxEncryptedSeedBytes = 1024
const maxAnswerBytes = 128 << 10
const healthyPollMs = 60_000
const failingPollMs = 10_000
/** How long seeds are used for writes after the last good status. */
const writableMs = 3 * 60_000

interface KmsOptions {
  readonly name: string
  readonly socket: string
  readonly timeoutMs: number
  readonly clock: Clock
  readonly log: Log
}

/** The seed with which objects are encrypted at the moment, and its encrypted form. */
interface WritingSeed {
  readonly seed: Buffer
  readonly envelope: Omit<Envelope, 'encryptedData'>
}

/** What there is of a stored seed: the seed, or why there is none. */
type StoredSeed = { readonly seed: Buffer } | { readonly why: string }

export class KmsProvider implements Provider {
  readonly prefix: string
  readonly #options: KmsOptions
  readonly #client: ServiceClient
  readonly #codec = messageCodec(definition, 'EncryptedObject')
  readonly #abort = new AbortController()
  readonly #seeds = new Map<string, StoredSeed>()
  #writing: WritingSeed | undefined
  #writableUntil = 0
  #failure: string | undefined = 'no status has been received yet'
  #cancelPoll: (() => void) | undefined

  constructor(options: KmsOptions) {
    this.#options = options
    this.prefix = `k8s:enc:kms:v2:${options.name}:`
    const path = options.socket.startsWith('@') ? `\0${options.socket.slice(1)}` : options.socket
    this.#client = socketClient(definition, 'KeyManagementService', path, maxAnswerBytes)
  }

  get writesAs(): string {
    return `${this.prefix}${this.#writing ? seedKey(this.#writing.envelope) : ''}`
  }

  /** Asks for the status, and makes a seed. Throws when the plugin does not answer or is not well. */
  async start(): Promise<void> {
    await this.#poll()
    if (!this.#writing) throw this.#notReady()
  }

  check(): void {
    if (this.#failure !== undefined) throw this.#notReady()
  }

  close(): void {
    this.#abort.abort(new Error('the server is shutting down'))
    this.#cancelPoll?.()
    this.#client.close()
  }

  seal(key: string, plain: Buffer): Buffer {
    if (!this.#writing || this.#options.clock.steady() > this.#writableUntil) throw this.#notReady()
    const { seed, envelope } = this.#writing
    const info = secretBytes(infoBytes)
    const encryptedData = Buffer.concat([info, aesGcm.seal(derived(seed, info), plain, Buffer.from(key))])
    return Buffer.concat([Buffer.from(this.prefix), this.#codec.encode({ ...envelope, encryptedData })])
  }

  open(key: string, stored: Buffer): { plain: Buffer; writtenAs: string } {
    const envelope = this.#envelope(stored)
    const id = seedKey(envelope)
    const found = this.#seeds.get(id)
    if (!found) throw new Error('the seed of the value has not been decrypted')
    if ('why' in found) throw new Error(found.why)
    const data = Buffer.from(envelope.encryptedData)
    if (envelope.encryptedDEKSourceType === 'AES_GCM_KEY')
      return { plain: aesGcm.open(found.seed, data, Buffer.from(key)), writtenAs: `${this.prefix} with a key` }
    const secret = derived(found.seed, data.subarray(0, infoBytes))
    return { plain: aesGcm.open(secret, data.subarray(infoBytes), Buffer.from(key)), writtenAs: this.prefix + id }
  }

  fetch(stored: Buffer): Promise<void> | undefined {
    let envelope: Envelope
    try {
      envelope = this.#envelope(stored)
    } catch {
      // `open` throws the same error, with the storage key at hand.
      return undefined
    }
    return this.#seeds.has(seedKey(envelope)) ? undefined : this.#decrypt(envelope)
  }

  async #decrypt(envelope: Envelope): Promise<void> {
    const { encryptedDEKSource: ciphertext, keyID: keyId, annotations } = envelope
    try {
      const request = { ciphertext, uid: randomUUID(), keyId, annotations }
      const { plaintext } = (await this.#call('decrypt', request)) as Message<'DecryptResponse'>
      this.#keep(seedKey(envelope), { seed: Buffer.from(plaintext) })
    } catch (error) {
      const why = `failed to decrypt DEK, error: ${messageOf(error)}`
      // The plugin may answer later; then what it refuses would be left out for good.
      if (error instanceof StatusError && ['ServiceUnavailable', 'Timeout'].includes(error.reason))
        throw new StatusError('ServiceUnavailable', `kms ${this.#options.name}: ${why}`, { cause: error })
      this.#keep(seedKey(envelope), { why })
    }
  }

  #keep(id: string, seed: StoredSeed): void {
    this.#seeds.set(id, seed)
    if (this.#seeds.size > maxSeeds) this.#seeds.delete(this.#seeds.keys().next().value!)
  }

  #envelope(stored: Buffer): Envelope {
    if (!startsWith(stored, Buffer.from(this.prefix))) throw new Error('the value is of another provider')
    const envelope = this.#codec.decode(stored.subarray(Buffer.byteLength(this.prefix))) as Envelope
    if (!envelope.encryptedData.length || !envelope.keyID || !envelope.encryptedDEKSource.length)
      throw new Error('the stored envelope is incomplete')
    return envelope
  }

  async #poll(): Promise<void> {
    const { clock, log, name } = this.#options
    try {
      const status = (await this.#call('status', {})) as Message<'StatusResponse'>
      const problem = statusProblem(status)
      if (problem) throw new Error(problem)
      if (this.#writing?.envelope.keyID !== status.keyId) this.#writing = await this.#newSeed(status.keyId)
      this.#writableUntil = clock.steady() + writableMs
      this.#failure = undefined
    } catch (error) {
      if (this.#abort.signal.aborted) return
      this.#failure = messageOf(error)
      log.warn('a KMS plugin is not well', { kms: name, why: this.#failure })
    }
    if (this.#abort.signal.aborted) return
    this.#cancelPoll = clock.after(this.#failure === undefined ? healthyPollMs : failingPollMs, () => void this.#poll())
  }

  async #newSeed(keyId: string): Promise<WritingSeed> {
    const seed = secretBytes(seedBytes)
    const answer = (await this.#call('encrypt', { plaintext: seed, uid: randomUUID() })) as Message<'EncryptResponse'>
    const annotationBytes = Object.entries(answer.annotations).reduce((sum, [k, v]) => sum + k.length + v.length, 0)
    if (answer.keyId !== keyId)
      throw new Error(`the key of the status is ${JSON.stringify(keyId)}, and that of the answer another`)
    if (!answer.ciphertext.length || answer.ciphertext.length > maxEncryptedSeedBytes)
      throw new Error(`the encrypted seed has ${answer.ciphertext.length} bytes, not 1 to ${maxEncryptedSeedBytes}`)
    if (annotationBytes > maxAnnotationBytes) throw new Error(`annotations have more than ${maxAnnotationBytes} bytes`)
    const envelope = {
      keyID: keyId,
      encryptedDEKSource: answer.ciphertext,
      annotations: answer.annotations,
      encryptedDEKSourceType: 'HKDF_SHA256_XNONCE_AES_GCM_SEED' as const,
    }
    this.#keep(seedKey(envelope), { seed })
    return { seed, envelope }
  }

  #call(method: keyof typeof definition.services.KeyManagementService, request: object): Promise<object> {
    const options: CallOptions = { timeoutMs: this.#options.timeoutMs, signal: this.#abort.signal }
    return callUnary(this.#client, method, request, options)
  }

  #notReady(): StatusError {
    const why = this.#failure ?? 'no status has been received lately'
    return new StatusError('InternalError', `kmsv2 Provider ${this.#options.name} is not healthy, error: ${why}`)
  }
}

function statusProblem({ healthz, version, keyId }: Message<'StatusResponse'>): string | undefined {
  if (healthz !== 'ok') return `got unexpected healthz status: ${healthz}`
  if (version !== 'v2' && version !== 'v2beta1') return `expected KMSv2 API version v2, got ${version}`
  if (!keyId) return 'expected KMSv2 KeyID to be set'
  if (Buffer.byteLength(keyId) > maxKeyIdBytes) return `the key id has more than ${maxKeyIdBytes} bytes`
  return undefined
}

/** What a seed is kept under: a hash of all by which the plugin decrypts it. */
function seedKey({ keyID, encryptedDEKSource, annotations }: Omit<Envelope, 'encryptedData'>): string {
  const hash = createHash('sha256').update(JSON.stringify([keyID, Buffer.from(encryptedDEKSource).toString('base64')]))
  for (const key of Object.keys(annotations).sort()) hash.update(JSON.stringify(key)).update(annotations[key]!)
  return hash.digest('hex')
}

/** HKDF (RFC 5869) without its first step, since a seed is random. One round gives all of a 32-byte key. */
const derived = (seed: Buffer, info: Buffer): Buffer => createHmac('sha256', seed).update(info).update('\x01').digest()
