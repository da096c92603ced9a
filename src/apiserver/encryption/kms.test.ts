// Encryption by a key management service, with a real plugin on a Unix socket.
import { match, ok, rejects, strictEqual, throws } from 'node:assert/strict'
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import * as grpc from '@grpc/grpc-js'
import { settle, VirtualClock } from '../../base/clock.ts'
import { silentLog } from '../../base/log.ts'
import { clientsOf } from '../../wire/grpc.ts'
import { KmsProvider } from './kms.ts'

const { KeyManagementService } = clientsOf({
  package: 'v2',
  messages: {
    StatusRequest: {},
    StatusResponse: { version: 'string = 1', healthz: 'string = 2', keyId: 'string = 3' },
    DecryptRequest: { ciphertext: 'bytes = 1', uid: 'string = 2', keyId: 'string = 3' },
    DecryptResponse: { plaintext: 'bytes = 1' },
    EncryptRequest: { plaintext: 'bytes = 1', uid: 'string = 2' },
    EncryptResponse: { ciphertext: 'bytes = 1', keyId: 'string = 2' },
  },
  enums: {},
  services: {
    KeyManagementService: {
      status: 'StatusRequest StatusResponse',
      decrypt: 'DecryptRequest DecryptResponse',
      encrypt: 'EncryptRequest EncryptResponse',
    },
  },
})

/** A plugin whose keys are AES keys by their ids. */
class Plugin {
  readonly keys = new Map<string, Buffer>()
  keyId = ''
  healthz = 'ok'
  decrypts = 0

  rotate(id: string): void {
    this.keyId = id
    this.keys.set(id, randomBytes(32))
  }

  encrypt(plain: Uint8Array): Buffer {
    const iv = randomBytes(16)
    const cipher = createCipheriv('aes-256-cbc', this.keys.get(this.keyId)!, iv)
    return Buffer.concat([iv, cipher.update(plain), cipher.final()])
  }

  decrypt(id: string, bytes: Buffer): Buffer {
    this.decrypts++
    const key = this.keys.get(id)
    if (!key) throw new Error('that key is destroyed')
    const decipher = createDecipheriv('aes-256-cbc', key, bytes.subarray(0, 16))
    return Buffer.concat([decipher.update(bytes.subarray(16)), decipher.final()])
  }

  async listen(t: TestContext): Promise<string> {
    const directory = mkdtempSync(join(tmpdir(), 'kms-'))
    const socket = join(directory, 'kms.sock')
    const server = new grpc.Server()
    const answer =
      (make: (request: { plaintext: Buffer; ciphertext: Buffer; keyId: string }) => object) =>
      (
        call: grpc.ServerUnaryCall<{ plaintext: Buffer; ciphertext: Buffer; keyId: string }, object>,
        done: grpc.sendUnaryData<object>,
      ) => {
        try {
          done(null, make(call.request))
        } catch (error) {
          done({ code: grpc.status.INTERNAL, details: String(error) })
        }
      }
    server.addService(KeyManagementService!.service, {
      Status: answer(() => ({ version: 'v2', healthz: this.healthz, keyId: this.keyId })),
      Encrypt: answer(({ plaintext }) => ({ ciphertext: this.encrypt(plaintext), keyId: this.keyId })),
      Decrypt: answer(({ ciphertext, keyId }) => ({ plaintext: this.decrypt(keyId, ciphertext) })),
    })
    await new Promise<void>((resolve, reject) =>
      server.bindAsync(`unix:${socket}`, grpc.ServerCredentials.createInsecure(), error =>
        error ? reject(error) : resolve(),
      ),
    )
    t.after(() => {
      server.forceShutdown()
      rmSync(directory, { recursive: true })
    })
    return socket
  }
}

function providerOf(t: TestContext, socket: string, clock: VirtualClock): KmsProvider {
  const provider = new KmsProvider({ name: 'vault', socket, timeoutMs: 3000, clock, log: silentLog })
  t.after(() => provider.close())
  return provider
}

test('one seed encrypts many objects; another server asks once for it', async t => {
  const plugin = new Plugin()
  plugin.rotate('1')
  const socket = await plugin.listen(t)
  const writer = providerOf(t, socket, new VirtualClock())
  await writer.start()
  const sealed = ['a', 'b', 'c'].map(key => writer.seal(key, Buffer.from(`text of ${key}`)))
  match(sealed[0]!.toString('latin1'), /^k8s:enc:kms:v2:vault:/)
  strictEqual(writer.fetch(sealed[0]!), undefined)
  strictEqual(plugin.decrypts, 0)
  const reader = providerOf(t, socket, new VirtualClock())
  throws(() => reader.open('a', sealed[0]!), /has not been decrypted/)
  for (const [i, key] of ['a', 'b', 'c'].entries()) {
    await reader.fetch(sealed[i]!)
    const opened = reader.open(key, sealed[i]!)
    strictEqual(opened.plain.toString(), `text of ${key}`)
    strictEqual(opened.writtenAs, writer.writesAs)
  }
  strictEqual(plugin.decrypts, 1)
  throws(() => reader.open('b', sealed[0]!), /message authentication failed/)
})

test('another key id makes another seed, and what was written before is old', async t => {
  const plugin = new Plugin()
  plugin.rotate('1')
  const clock = new VirtualClock()
  const provider = providerOf(t, await plugin.listen(t), clock)
  await provider.start()
  const old = provider.seal('a', Buffer.from('text'))
  const before = provider.writesAs
  plugin.rotate('2')
  await clock.forward(60_000)
  while (provider.writesAs === before) await settle()
  const { plain, writtenAs } = provider.open('a', old)
  strictEqual(plain.toString(), 'text')
  ok(writtenAs !== provider.writesAs)
})

test('a plugin that is not well stops writes after a while, not reads', async t => {
  const plugin = new Plugin()
  plugin.rotate('1')
  const clock = new VirtualClock()
  const provider = providerOf(t, await plugin.listen(t), clock)
  await provider.start()
  provider.check()
  const sealed = provider.seal('a', Buffer.from('text'))
  plugin.healthz = 'the vault is sealed'
  await clock.forward(60_000)
  for (let failed = false; !failed; await settle()) {
    try {
      provider.check()
    } catch (error) {
      match(
        String(error),
        /kmsv2 Provider vault is not healthy, error: got unexpected healthz status: the vault is sealed/,
      )
      failed = true
    }
  }
  provider.seal('a', Buffer.from('text'))
  await clock.forward(3 * 60_000)
  throws(() => provider.seal('a', Buffer.from('text')), /is not healthy/)
  strictEqual(provider.open('a', sealed).plain.toString(), 'text')
})

test('a seed whose key is destroyed is refused by name; a plugin that is not there is asked again', async t => {
  const plugin = new Plugin()
  plugin.rotate('1')
  const socket = await plugin.listen(t)
  const writer = providerOf(t, socket, new VirtualClock())
  await writer.start()
  const sealed = writer.seal('a', Buffer.from('text'))
  plugin.keys.clear()
  const reader = providerOf(t, socket, new VirtualClock())
  await reader.fetch(sealed)
  throws(() => reader.open('a', sealed), /failed to decrypt DEK, error: .*that key is destroyed/)
  const alone = providerOf(t, `${socket}.none`, new VirtualClock())
  await rejects(alone.fetch(sealed) ?? Promise.resolve(), { reason: 'ServiceUnavailable' })
  await rejects(alone.start(), /is not healthy/)
})
