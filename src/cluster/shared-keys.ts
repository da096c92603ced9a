// Keys that change while several servers run. The server at which they change publishes the files in the Secret
// kube-system/kutter-keys (those of etcd's authority in kutter-etcd-keys), encrypted with a key that follows from those before; each other server takes them from there
// and starts again. A server that was away for one change takes it at its next start. One that was away for two cannot
// read the second, and has to join again.
import { createHash, hkdfSync } from 'node:crypto'
import { join } from 'node:path'
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Client } from '../client/index.ts'
import { Secret } from '../kinds/core/secret.ts'
import type { ClusterPaths } from './config.ts'
import { readIfThere } from './files.ts'
import { type Pki, type PkiFiles, replaceable } from './pki.ts'
import { seal, sealKeyBytes, unseal } from './sealed.ts'

const namespace = 'kube-system'
const [beforeAnnotation, afterAnnotation] = ['kutter.dev/keys-before', 'kutter.dev/keys-after']

/** A directory of files that all servers have alike, and the Secret by which they get them. */
interface SharedFiles {
  pki: Pki
  secret: string
  /** The files from which the key of the Secret follows. */
  keys: readonly string[]
}

/** The authority of the cluster, and the key of its tokens. */
export const clusterFiles = (pki: Pki): SharedFiles => ({
  pki,
  secret: 'kutter-keys',
  keys: ['ca.key', 'encryption.key'].map(name => join(pki.dir, name)),
})

/** The authority of the cluster's own etcd. */
export const etcdFiles = (pki: Pki, paths: Pick<ClusterPaths, 'pki'>): SharedFiles => ({
  pki,
  secret: 'kutter-etcd-keys',
  keys: [join(pki.dir, 'ca.key'), join(paths.pki, 'encryption.key')],
})

/** Publishes files that are to take the place of those that are there. Returns the digest of what is there then. */
export async function publishFiles(client: Client, place: SharedFiles, files: PkiFiles): Promise<string> {
  const metadata = { name: place.secret, namespace }
  const present = await filesIn(place.pki.dir)
  const after = digest({ ...present, ...files })
  const annotations = { [beforeAnnotation]: digest(present), [afterAnnotation]: after }
  const data = { files: seal(Buffer.from(JSON.stringify(files)), await keyOf(place)) }
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
export function followFiles(client: Client, place: SharedFiles, taken: () => Promise<void>, log: Log): void {
  const secrets = client.mirror(Secret)
  const failed = (error: unknown) => log.error('the keys of another server cannot be taken', { why: messageOf(error) })
  const look = () => {
    const secret = secrets.get(namespace, place.secret)
    if (secret) take(secret, place, taken, log).catch(failed)
  }
  secrets.subscribe(changes => {
    if (
      changes.some(
        ({ item: { object } }) => object.metadata.name === place.secret && object.metadata.namespace === namespace,
      )
    )
      look()
  }, 'keys')
  look()
}

async function take(secret: Secret, place: SharedFiles, taken: () => Promise<void>, log: Log): Promise<void> {
  const { [beforeAnnotation]: before, [afterAnnotation]: after } = secret.metadata.annotations ?? {}
  const { pki } = place
  const present = await digestOf(pki.dir)
  if (present === after) return
  if (present !== before)
    throw new Error('this server was away for several changes of the keys; remove it and let it join again')
  await pki.replace(JSON.parse(unseal(secret.data?.files ?? '', await keyOf(place)).toString()) as PkiFiles)
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
async function keyOf(place: SharedFiles): Promise<Buffer> {
  const keys = await Promise.all(place.keys.map(file => readIfThere(file)))
  return Buffer.from(hkdfSync('sha256', keys.join(''), 'kutter-keys', '', sealKeyBytes))
}
