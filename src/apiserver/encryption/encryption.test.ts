// Encryption at rest: what the store has, what each provider makes of values of others, and how keys change.
import { deepStrictEqual, match, notStrictEqual, ok, rejects, strictEqual, throws } from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { VirtualClock } from '../../base/clock.ts'
import { silentLog } from '../../base/log.ts'
import { ConfigMap } from '../../kinds/core/configmap.ts'
import { Secret } from '../../kinds/core/secret.ts'
import { Deployment } from '../../kinds/apps/deployment.ts'
import { openMemoryStore, type Store } from '../../store/index.ts'
import { storageKey } from '../kind-storage.ts'
import { openTestServer } from '../testing.ts'
import { parseEncryption } from './configuration.ts'
import { Encryption } from './encryption.ts'
import { type CipherName, cipherNames, identity, keyed } from './provider.ts'

const secretOf = (fill: string) => Buffer.alloc(32, fill)
const keyText = (name: string, fill = name) => `{ name: ${name}, secret: ${secretOf(fill).toString('base64')} }`

async function encryptionOf(...rules: string[]): Promise<Encryption> {
  const ownKey = { name: 'kutter', secret: secretOf('k') }
  const encryption = new Encryption({ ownKey, clock: new VirtualClock(), log: silentLog })
  if (rules.length) await encryption.use(parseEncryption(fileOf(...rules), 'file'))
  return encryption
}

const fileOf = (...rules: string[]) =>
  `apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n${rules.map(rule => `- ${rule}\n`).join('')}`
const secretsBy = (...providers: string[]) => `{ resources: [secrets], providers: [${providers.join(', ')}] }`

async function storedText(store: Store, name: string): Promise<string> {
  const { entries } = await store.list(storageKey(Secret, 'default', name))
  return Buffer.from(entries[0]!.value).toString('latin1')
}

/** A server over a store that another one has used, and that is closed with that one. */
const again = (t: TestContext, store: Store, encryption: Encryption) =>
  openTestServer(t, shared(store), { isNew: false, encryption })

const shared = (store: Store): Store =>
  new Proxy(store, {
    get(target, name) {
      if (name === 'close') return async () => {}
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? (value as () => unknown).bind(target) : value
    },
  })

for (const name of cipherNames)
  test(`${name}: what was sealed opens, and only so`, () => {
    const provider = keyed(name, [{ name: 'one', secret: secretOf('a') }])
    const plain = Buffer.from('{"data":"swordfish"}')
    const sealed = provider.seal('/registry/a', plain)
    ok(sealed.toString('latin1').startsWith(`k8s:enc:${name}:v1:one:`))
    ok(!sealed.includes('swordfish'))
    notStrictEqual(sealed.toString('hex'), provider.seal('/registry/a', plain).toString('hex'))
    deepStrictEqual(provider.open('/registry/a', sealed), { plain, writtenAs: provider.writesAs })
    const other = keyed(name, [{ name: 'one', secret: secretOf('b') }])
    throws(() => other.open('/registry/a', sealed))
    throws(() => keyed(name, [{ name: 'two', secret: secretOf('a') }]).open('/registry/a', sealed), /no matching key/)
    for (const length of [0, 5, 20, sealed.length - 1]) {
      const cut = sealed.subarray(0, Math.max(length, provider.writesAs.length))
      throws(() => provider.open('/registry/a', cut))
    }
  })

test('a changed value is noticed, and with AES-GCM one of another object', () => {
  for (const name of ['aesgcm', 'secretbox'] as CipherName[]) {
    const provider = keyed(name, [{ name: 'one', secret: secretOf('a') }])
    const sealed = provider.seal('/registry/a', Buffer.from('text'))
    sealed[sealed.length - 1]! ^= 1
    throws(() => provider.open('/registry/a', sealed))
  }
  const gcm = keyed('aesgcm', [{ name: 'one', secret: secretOf('a') }])
  throws(() => gcm.open('/registry/b', gcm.seal('/registry/a', Buffer.from('text'))), /message authentication failed/)
})

test('secretbox opens what NaCl has made', () => {
  // The box of the tests of NaCl (secretbox.c), whose first 32 bytes of zeros are not part of the message.
  const secret = Buffer.from('1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389', 'hex')
  const nonce = '69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37'
  const box =
    'f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5'
  const provider = keyed('secretbox', [{ name: 'n', secret }])
  const stored = Buffer.concat([Buffer.from('k8s:enc:secretbox:v1:n:'), Buffer.from(nonce + box, 'hex')])
  strictEqual(provider.open('', stored).plain.subarray(0, 8).toString('hex'), 'be075fc53c81f2d5')
})

test('identity refuses what is encrypted', () => {
  throws(() => identity.open('', Buffer.from('k8s:enc:aescbc:v1:x:abc')), /identity transformer/)
})

test('Secrets are encrypted without a file, other kinds are not', async t => {
  const store = openMemoryStore()
  const { admin } = await openTestServer(t, store, { encryption: await encryptionOf() })
  await admin.create(Secret, { metadata: { name: 'db' }, stringData: { password: 'swordfish' } })
  await admin.create(ConfigMap, { metadata: { name: 'plain' }, data: { a: 'visible' } })
  const stored = await storedText(store, 'db')
  ok(stored.startsWith('k8s:enc:secretbox:v1:kutter:'))
  ok(!stored.includes('password') && !stored.includes(Buffer.from('swordfish').toString('base64')))
  const { entries } = await store.list(storageKey(ConfigMap, 'default', 'plain'))
  match(Buffer.from(entries[0]!.value).toString(), /visible/)
  deepStrictEqual((await admin.get(Secret, 'default/db')).data, {
    password: Buffer.from('swordfish').toString('base64'),
  })
})

test('a store with plain Secrets opens, and a write that changes nothing encrypts them', async t => {
  const store = openMemoryStore()
  const before = await openTestServer(t, store)
  await before.admin.create(Secret, { metadata: { name: 'old' }, stringData: { a: 'swordfish' } })
  match(await storedText(store, 'old'), /^\{/)
  const { admin } = await again(t, store, await encryptionOf())
  const old = await admin.get(Secret, 'default/old')
  const written = await admin.update(Secret, old)
  notStrictEqual(written.metadata.resourceVersion, old.metadata.resourceVersion)
  match(await storedText(store, 'old'), /^k8s:enc:secretbox:v1:kutter:/)
  // Once it has the newest key, nothing is written.
  strictEqual((await admin.update(Secret, written)).metadata.resourceVersion, written.metadata.resourceVersion)
})

test('the first key writes and all read; other servers read by the watch', async t => {
  const store = openMemoryStore()
  const [a, b] = [`aescbc: { keys: [${keyText('a')}] }`, `aesgcm: { keys: [${keyText('b')}] }`]
  const first = await openTestServer(t, store, { encryption: await encryptionOf(secretsBy(`{ ${a} }`)) })
  await first.admin.create(Secret, { metadata: { name: 's' }, stringData: { a: '1' } })
  match(await storedText(store, 's'), /^k8s:enc:aescbc:v1:a:/)
  const rotated = await encryptionOf(secretsBy(`{ ${b} }`, `{ ${a} }`))
  const second = await again(t, store, rotated)
  const { data } = await second.admin.get(Secret, 'default/s')
  deepStrictEqual(data, { a: Buffer.from('1').toString('base64') })
  await first.admin.patch(Secret, 'default/s', 'merge', { stringData: { a: '2' } })
  deepStrictEqual((await second.admin.get(Secret, 'default/s')).data, { a: Buffer.from('2').toString('base64') })
  // Rules that change while the server runs make everything old that the new first key has not written.
  await second.admin.update(Secret, await second.admin.get(Secret, 'default/s'))
  match(await storedText(store, 's'), /^k8s:enc:aesgcm:v1:b:/)
  await rotated.use(parseEncryption(fileOf(secretsBy('{ identity: {} }', `{ ${b} }`)), 'file'))
  await second.admin.update(Secret, await second.admin.get(Secret, 'default/s'))
  match(await storedText(store, 's'), /^\{/)
})

test('what cannot be decrypted is left out, and its name answers with the reason', async t => {
  const store = openMemoryStore()
  const lost = secretsBy(`{ aesgcm: { keys: [${keyText('lost')}] } }`)
  const first = await openTestServer(t, store, { encryption: await encryptionOf(lost) })
  await first.admin.create(Secret, { metadata: { name: 'gone' }, stringData: { a: '1' } })
  const { admin } = await again(t, store, await encryptionOf())
  await admin.create(Secret, { metadata: { name: 'there' }, stringData: { a: '1' } })
  const list = await admin.ask('list', Secret)
  deepStrictEqual(list.type === 'list' && list.items.map(item => item.object.metadata.name), ['there'])
  const reason = { reason: 'InternalError', message: 'Internal error occurred: no matching prefix found' }
  await rejects(admin.get(Secret, 'default/gone'), reason)
  await rejects(admin.remove(Secret, 'default/gone'), reason)
  await rejects(admin.patch(Secret, 'default/gone', 'merge', {}), reason)
})

test('a value that was moved to another Secret is not read', async t => {
  const store = openMemoryStore()
  const rule = secretsBy(`{ aesgcm: { keys: [${keyText('a')}] } }`)
  const { admin } = await openTestServer(t, store, { encryption: await encryptionOf(rule) })
  await admin.create(Secret, { metadata: { name: 'admin' }, stringData: { a: '1' } })
  const { entries } = await store.list(storageKey(Secret, 'default', 'admin'))
  await store.put(storageKey(Secret, 'default', 'mine'), entries[0]!.value, { expect: 'absent' })
  await rejects(admin.get(Secret, 'default/mine'), /message authentication failed/)
})

test('wildcards: a name comes before its group, and the group before all', async () => {
  const rule = (resource: string, fill: string) =>
    `{ resources: ['${resource}'], providers: [{ aesgcm: { keys: [${keyText(fill)}] } }] }`
  const encryption = await encryptionOf(rule('*.*', 'all'), rule('*.', 'core'), rule('secrets', 'mine'))
  strictEqual(encryption.of(Secret)?.writesAs, 'k8s:enc:aesgcm:v1:mine:')
  strictEqual(encryption.of(ConfigMap)?.writesAs, 'k8s:enc:aesgcm:v1:core:')
  strictEqual(encryption.of(Deployment)?.writesAs, 'k8s:enc:aesgcm:v1:all:')
})

test('mistakes in a file are all named, and no secret is repeated', () => {
  const text = fileOf(
    '{ resources: [secrets, "*"], providers: [{ aescbc: { keys: [{ name: "a:b", secret: c3dvcmRmaXNo }] } }, {}] }',
    '{ resources: [], providers: [{ kms: { apiVersion: v1, name: k, endpoint: "http://x" } }], more: 1 }',
  )
  throws(
    () => parseEncryption(text, 'file'),
    (error: Error) => {
      for (const part of [
        'resources[0].resources[1]',
        'resources[0].providers[0].aescbc.keys[0].name',
        'must have 16, 24, 32 bytes, not 9',
        'resources[0].providers[1]: must be one of',
        'resources[1].resources: must not be empty',
        'must be v2',
        'must be a Unix socket',
        'resources[1].more: unknown field',
      ])
        ok(error.message.includes(part), `${part} is not in ${error.message}`)
      ok(!error.message.includes('c3dvcmRmaXNo'))
      return true
    },
  )
})
