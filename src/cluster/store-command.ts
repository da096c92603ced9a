// `kutter snapshot save | list | restore | prune` and `kutter store check | repair | compact | defragment |
// migrate`.
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { copyFile } from 'node:fs/promises'
import { isReason } from '../base/errors.ts'
import { type Salvage, salvage, withMembers } from '../store/index.ts'
import { adminOf } from './admin.ts'
import { UsageError } from './args.ts'
import { type ClusterConfig, type ClusterPaths, readConfig } from './config.ts'
import { commandLine } from './hint.ts'
import { membersHere, ownEndpoints } from './etcd-member.ts'
import { ownEtcdTls } from './etcd-pki.ts'
import { isUp } from './link.ts'
import { hasOwnEtcd } from './own-etcd.ts'
import { migrateStore, repairStore, restoreSnapshot } from './restore.ts'
import { listSnapshots, pruneSnapshots, type SavedSnapshot, storePaths } from './snapshots.ts'
import { etcdTls, parseStore, sameStore } from './store-location.ts'
import { sizeText, tableText } from './table.ts'

export interface StoreCommandContext {
  paths: ClusterPaths
  name: string
  /** Throws when there is no cluster of the name. */
  existing(): ClusterConfig
  keep: number
  /** The store to migrate to, with the files of TLS. */
  to: Partial<ClusterConfig> | undefined
  out: (text: string) => void
}

type Action = (context: StoreCommandContext, file: string | undefined) => Promise<number>

const snapshotActions: Readonly<Record<string, Action>> = { save, list, restore, prune }
const storeActions: Readonly<Record<string, Action>> = { check, repair, compact, defragment, migrate }

/** @param words the action, and its file */
export const snapshotCommand = (
  [action = '', file]: readonly string[],
  context: StoreCommandContext,
): Promise<number> => act('snapshot', snapshotActions, action, file, context)

export const storeCommand = ([action = '']: readonly string[], context: StoreCommandContext): Promise<number> =>
  act('store', storeActions, action, undefined, context)

function act(
  command: string,
  actions: Readonly<Record<string, Action>>,
  action: string,
  file: string | undefined,
  context: StoreCommandContext,
): Promise<number> {
  if (!Object.hasOwn(actions, action))
    throw new UsageError(`kutter ${command} requires one of: ${Object.keys(actions).join(', ')}`)
  return actions[action]!(context, file)
}

async function save({ paths, existing, out }: StoreCommandContext, file: string | undefined): Promise<number> {
  const config = existing()
  const saved = (await askServer(config, paths, storePaths.snapshot)) as SavedSnapshot
  if (file) await copyFile(saved.file, resolve(file))
  out(`Saved revision ${saved.revision}, ${sizeText(saved.sizeBytes)}: ${file ? resolve(file) : saved.file}\n`)
  out('It has the keys of the cluster: keep it as secret as the machine.\n')
  return 0
}

async function list({ paths, existing, out }: StoreCommandContext): Promise<number> {
  existing()
  const rows = (await listSnapshots(paths.snapshots)).map(one => [
    one.createdAt,
    String(one.revision),
    sizeText(one.sizeBytes),
    one.origin,
    one.file,
  ])
  out(tableText([['CREATED', 'REVISION', 'SIZE', 'ORIGIN', 'FILE'], ...rows]))
  return 0
}

async function restore({ paths, name, out }: StoreCommandContext, file: string | undefined): Promise<number> {
  if (!file) throw new UsageError('kutter snapshot restore requires the file of a snapshot')
  await mustBeStopped(paths, name)
  const { keys, revision, before } = await restoreSnapshot(resolve(file), paths, name)
  out(`Restored ${keys} keys; the cluster goes on at revision ${revision}.\n`)
  if (before) out(`The store before is in ${before}; remove it when it is not needed any more.\n`)
  out(`Start the cluster with: ${commandLine('kutter', 'up', paths)}\n`)
  return 0
}

async function prune({ paths, existing, keep, out }: StoreCommandContext): Promise<number> {
  existing()
  const gone = await pruneSnapshots(paths.snapshots, keep)
  for (const file of gone) out(`Removed ${file}\n`)
  if (!gone.length) out(`There are not more than ${keep} scheduled snapshots.\n`)
  return 0
}

async function check({ paths, existing, out }: StoreCommandContext): Promise<number> {
  const config = existing()
  if (await isUp(paths.socket)) {
    const { revision, keys } = (await askServer(config, paths, storePaths.check)) as { revision: number; keys: number }
    out(`The store is whole: ${keys} keys at revision ${revision}.\n`)
    return 0
  }
  if (parseStore(config.store, config.name))
    throw new UsageError('an etcd is checked while the cluster runs; start it first, or ask etcd itself')
  if (!existsSync(paths.store)) throw new Error(`there is no store in ${paths.store}`)
  const { lost, entries, revision } = salvage(paths.store)
  if (!lost.length) {
    out(`The store is whole: ${entries.length} keys at revision ${revision}.\n`)
    return 0
  }
  listLost(lost, out)
  out(
    `${entries.length} keys are whole. Keep these and give up the rest with: ${commandLine('kutter', 'store repair', paths)}\n`,
  )
  return 1
}

async function repair({ paths, name, existing, out }: StoreCommandContext): Promise<number> {
  const config = existing()
  await mustBeStopped(paths, name)
  if (parseStore(config.store, config.name)) throw new UsageError('an etcd is repaired by its own means')
  const { lost, keys, ...more } = await repairStore(config, paths)
  if (!lost.length) {
    out(`The store is whole, and was left as it is: ${keys} keys.\n`)
    return 0
  }
  listLost(lost, out)
  out(`Kept ${keys} keys.\n`)
  if ('before' in more && more.before) out(`The damaged store is in ${more.before}.\n`)
  return 0
}

function listLost(lost: Salvage['lost'], out: (text: string) => void): void {
  out(`Damaged:\n`)
  for (const { key, revision } of lost) out(`  ${key || 'a part of the file'} at revision ${revision}\n`)
}

async function compact({ paths, existing, out }: StoreCommandContext): Promise<number> {
  const { revision, sizeBytes } = (await askServer(existing(), paths, storePaths.compact)) as {
    revision: number
    sizeBytes: number
  }
  out(`Only revision ${revision} is left; the store has ${sizeText(sizeBytes)}.\n`)
  return 0
}

/** Gives space back to the disk: of the embedded store, or of each member of an etcd. */
async function defragment({ paths, existing, out }: StoreCommandContext): Promise<number> {
  const config = existing()
  const location = parseStore(config.store, config.name)
  if (!location) {
    const { before, sizeBytes } = (await askServer(config, paths, storePaths.defragment)) as Record<
      'before' | 'sizeBytes',
      number
    >
    out(`The store has ${sizeText(sizeBytes)}; before it had ${sizeText(before)}.\n`)
    return 0
  }
  const isOwn = hasOwnEtcd(config)
  const endpoints = isOwn ? ownEndpoints(config, paths) : location.endpoints
  const members = await withMembers(isOwn ? ownEtcdTls(paths) : etcdTls(config), all => all.defragment(endpoints))
  out(`The members ${members.join(', ')} have given their free space back.\n`)
  return 0
}

async function migrate({ paths, name, existing, to, out }: StoreCommandContext): Promise<number> {
  const config = existing()
  if (!to?.store) throw new UsageError('kutter store migrate requires --to, which names the store as --store does')
  if (sameStore(to.store, config.store, name)) throw new UsageError('the cluster has that store already')
  await mustBeStopped(paths, name)
  mustBeLastServer(config, paths)
  const { keys, revision, before } = await migrateStore(config, paths, { ...config, ...to })
  out(`Copied and compared ${keys} keys at revision ${revision}. The cluster uses ${to.store} from now on.\n`)
  if (before) out(`A store that was there is in ${before}.\n`)
  out('The store that it had stays as it is; remove it when it is not needed any more.\n')
  return 0
}

/** Servers on other machines would go on with the store that is left. */
function mustBeLastServer(config: ClusterConfig, paths: ClusterPaths): void {
  if (!hasOwnEtcd(config)) return
  const further = ownEndpoints(config, paths).length - 1 - membersHere(config).length
  if (further <= 0) return
  throw new UsageError(
    `the etcd of the cluster has ${further} members on other machines; remove them first with: ${commandLine('kutter', 'member remove NAME', paths)}`,
  )
}

async function mustBeStopped(paths: ClusterPaths, name: string): Promise<void> {
  if (!readConfig(paths) || !(await isUp(paths.socket))) return
  throw new Error(`the cluster ${name} is running; stop it first with: ${commandLine('kutter', 'down', paths)}`)
}

async function askServer(config: ClusterConfig, paths: ClusterPaths, path: string): Promise<unknown> {
  if (!(await isUp(paths.socket)))
    throw new Error(`the cluster ${config.name} is not running; start it with: ${commandLine('kutter', 'up', paths)}`)
  const admin = await adminOf(paths, config)
  try {
    return JSON.parse(await admin.fetch(path, undefined, 'PUT'))
  } catch (error) {
    if (isReason(error, 'NotFound')) throw new Error('the server that runs is an older one; start the cluster again')
    throw error
  } finally {
    admin.close()
  }
}
