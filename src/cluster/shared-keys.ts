// Keys that change while several servers run. The server at which they change publishes the files in the Secret
// kube-system/kutter-keys, encrypted with a key that follows from those before; each other server takes them from there
// and starts again. A server that was away for one change takes it at its next start. One that was away for two cannot
// read the second, and has to join again.
import { createHash, hkdfSync } from 'node:crypto'
import { join } from 'node:path'
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Client } from '../client/index.ts'
import { Secret } from '../kinds/core/secret.ts'
import { readIfThere } from './files.ts'
import { type Pki, type PkiFiles, replaceable } from './pki.ts'
import { seal, sealKeyBytes, unseal } from './sealed.ts'

const metadata = { name: 'kutter-keys', namespace: 'kube-system' }
const [beforeAnnotation, afterAnnotation] = ['kutter.dev/keys-before', 'kutter.dev/keys-after']

/** Publishes files that are to take the place of those in `dir`. Returns the digest of what is there then. */
export async function publishFiles(client: Client, dir: string, files: PkiFiles): Promise<string> {
  const present = await filesIn(dir)
  const after = digest({ ...present, ...files })
  const annotations = { [beforeAnnotation]: digest(present), [afterAnnotation]: after }
  const data = { files: seal(Buffer.from(JSON.stringify(files)), await keyOf(dir)) }
  if (await client.find(Secret, metadata))
    await client.patch(Secret, metadata, 'merge', { metadata: { annotations }, data })
  else await client.create(Secret, { metadata: { ...metadata, annotations }, data })
  return after
}

/**
 * Takes what a server has published, until the client is closed.
 *
 * @param taken writes what follows from the keys
 */
export function followFiles(client: Client, pki: Pki, taken: () => Promise<void>, log: Log): void {
  const secrets = client.mirror(Secret)
  const failed = (error: unknown) => log.error('the keys of another server cannot be taken', { why: messageOf(error) })
  const look = () => {
    const secret = secrets.get(metadata.namespace, metadata.name)
    if (secret) take(secret, pki, taken, log).catch(failed)
  }
  secrets.subscribe(changes => {
    if (changes.some(({ item: { object } }) => isKeys(object))) look()
  }, 'keys')
  look()
}

const isKeys = (secret: Secret): boolean =>
  secret.metadata.name === metadata.name && secret.metadata.namespace === metadata.namespace

async function take(secret: Secret, pki: Pki, taken: () => Promise<void>, log: Log): Promise<void> {
  const { [beforeAnnotation]: before, [afterAnnotation]: after } = secret.metadata.annotations ?? {}
  const present = await digestOf(pki.dir)
  if (present === after) return
  if (present !== before)
    throw new Error('this server was away for several changes of the keys; remove it and let it join again')
  await pki.replace(JSON.parse(unseal(secret.data?.files ?? '', await keyOf(pki.dir)).toString()) as PkiFiles)
  await taken()
  log.info('this server has the keys of the cluster that another server has changed')
}

/** Identifies the keys in a directory. */
export const digestOf = async (dir: string): Promise<string> => digest(await filesIn(dir))

async function filesIn(dir: string): Promise<PkiFiles> {
  const texts = await Promise.all(replaceable.map(async name => [name, await readIfThere(join(dir, name))] as const))
  return Object.fromEntries(texts.filter(([, text]) => text))
}

/** Identifies a set of files. Absent and empty ones are the same. */
const digest = (files: PkiFiles): string =>
  createHash('sha256')
    .update(JSON.stringify(replaceable.map(name => files[name] ?? '')))
    .digest('hex')

/** A key that all servers have, and nobody else: the key of the authority alone may be known to others when it changes. */
async function keyOf(dir: string): Promise<Buffer> {
  const keys = await Promise.all(['ca.key', 'encryption.key'].map(name => readIfThere(join(dir, name))))
  return Buffer.from(hkdfSync('sha256', keys.join(''), 'kutter-keys', '', sealKeyBytes))
}
