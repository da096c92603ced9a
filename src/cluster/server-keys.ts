// What a further server of a cluster gets from one that is there: the configuration and the keys. They are kept in a
// Secret, encrypted by a key that only the join token has, for as long as the token is valid:
//
//   kutter token create --for-server ──▶ Secret kutter-server-keys-ID (encrypted) ──▶ kutter server --join URL --token …
//
// The user of the token may read that one Secret. The objects belong to the Secret of the token, so that they end with it.
// Source: kubeadm's upload-certs, where the key is a second word on the command line.
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'
import { secretBytes } from '../base/random.ts'
import type { Client } from '../client/index.ts'
import { bootstrapTokenNamespace, bootstrapTokenPrefix } from '../kinds/core/bootstrap-token.ts'
import { Secret } from '../kinds/core/secret.ts'
import { Role } from '../kinds/rbac/role.ts'
import { RoleBinding } from '../kinds/rbac/rolebinding.ts'
import { UsageError } from './args.ts'
import { type ClusterConfig, type ClusterPaths, ingressPortsOf, vxlanIdOf } from './config.ts'
import { seal, sealKeyBytes as keyBytes, unseal } from './sealed.ts'
import { hostPort, withMembers } from '../store/index.ts'
import { ownEndpoints } from './etcd-member.ts'
import { ownEtcdTls } from './etcd-pki.ts'
import { localVirtualAddress } from './high-availability.ts'
import { hasOwnEtcd, ownEtcd } from './own-etcd.ts'
import { parseStore } from './store-location.ts'

const namespace = bootstrapTokenNamespace
const nameOf = (id: string) => `kutter-server-keys-${id}`
/** Of all files together: a Secret has at most 1 MiB. */
const maxKeysBytes = 512 << 10

interface ServerKeys {
  config: ClusterConfig
  /** `host:port` of the members of an etcd of the cluster's own. */
  members?: readonly string[]
  files: { path: string; mode: number; base64: string }[]
}

/** Publishes the keys for one token. Returns the word that belongs after the token on the command line. */
export async function publishServerKeys(
  client: Client,
  id: string,
  { config, paths }: { config: ClusterConfig; paths: ClusterPaths },
): Promise<string> {
  const key = secretBytes(keyBytes)
  const keys = Buffer.from(JSON.stringify(await keysOf(config, paths)))
  if (keys.length > maxKeysBytes) throw new Error(`${paths.pki} has ${keys.length} bytes, more than can be handed on`)
  const token = await client.get(Secret, { namespace, name: bootstrapTokenPrefix + id })
  const name = nameOf(id)
  const ownerReferences = [{ apiVersion: 'v1', kind: 'Secret', name: token.metadata.name!, uid: token.metadata.uid! }]
  const metadata = { name, namespace, ownerReferences }
  await client.create(Secret, { metadata, data: { keys: seal(keys, key) } })
  await client.create(Role, {
    metadata,
    rules: [{ apiGroups: [''], resources: ['secrets'], resourceNames: [name], verbs: ['get'] }],
  })
  await client.create(RoleBinding, {
    metadata,
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
    subjects: [{ kind: 'User', name: `system:bootstrap:${id}`, apiGroup: 'rbac.authorization.k8s.io' }],
  })
  return key.toString('base64url')
}

/** Reads the keys as the user of the token. Throws an Error that states why they cannot be read. */
export async function readServerKeys(client: Client, id: string, word: string): Promise<ServerKeys> {
  const key = Buffer.from(word, 'base64url')
  if (key.length !== keyBytes) throw new UsageError('the token is incomplete: use the whole line that was printed')
  const secret = await client.get(Secret, { namespace, name: nameOf(id) })
  try {
    return JSON.parse(unseal(secret.data?.keys ?? '', key).toString()) as ServerKeys
  } catch (cause) {
    throw new Error(`the keys of the cluster cannot be decrypted with the token ${id}; create another one`, { cause })
  }
}

/** Writes the files of the keys below `pki`, where there are none yet. */
export async function writeServerKeys({ files }: ServerKeys, paths: ClusterPaths): Promise<void> {
  for (const { path, mode, base64 } of files) {
    const target = join(paths.pki, normalize(path))
    if (!target.startsWith(`${paths.pki}/`))
      throw new Error(`the server has handed on a file at ${path}, where none belongs`)
    await mkdir(dirname(target), { recursive: true, mode: 0o700 })
    await writeFile(target, Buffer.from(base64, 'base64'), { mode: mode & 0o777 })
  }
}

/** Where the files of TLS with etcd are at each server. */
const etcdFiles = { etcdCa: 'etcd/ca.crt', etcdCert: 'etcd/client.crt', etcdKey: 'etcd/client.key' } as const

/** Names the files of TLS as they are on this machine. */
export const etcdFilesOf = (config: ClusterConfig, paths: ClusterPaths): Partial<ClusterConfig> =>
  Object.fromEntries(
    Object.entries(etcdFiles).flatMap(([key, path]) =>
      config[key as keyof typeof etcdFiles] === undefined ? [] : [[key, join(paths.pki, path)]],
    ),
  )

async function keysOf(config: ClusterConfig, paths: ClusterPaths): Promise<ServerKeys> {
  const keys = { config: sharedConfig(config), files: await filesOf(config, paths) }
  if (!hasOwnEtcd(config)) return keys
  const members = await withMembers(ownEtcdTls(paths), all => all.list(ownEndpoints(config, paths)))
  return { ...keys, members: members.flatMap(({ clientUrls }) => clientUrls.map(hostPort)) }
}

/** What all servers have in common, spelled out where it follows from the slot on the first one. */
function sharedConfig(config: ClusterConfig): ClusterConfig {
  const { http, https } = ingressPortsOf(config)
  const { endpoints = [], prefix = '' } = parseStore(config.store, config.name) ?? {}
  const { member: _, virtualAddress, ...rest } = config
  // That of `--ha` is between the nodes of one machine.
  const isShared = virtualAddress && virtualAddress !== localVirtualAddress(config)
  return {
    ...rest,
    ...(isShared && { virtualAddress }),
    store: hasOwnEtcd(config) ? ownEtcd : `etcd://${endpoints.join(',')}${prefix}`,
    nodes: [],
    ingressHttpPort: http,
    ingressHttpsPort: https,
    vxlanId: config.vxlanId ?? vxlanIdOf(config.slot),
  }
}

/** Every server issues its own certificates, so it needs the authorities and the signing keys only. */
const issued =
  /^(apiserver|apiserver-kubelet-client|admin|controller-manager|scheduler|front-proxy-client)(-.+)?\.(crt|key)$/

async function filesOf(config: ClusterConfig, { pki }: ClusterPaths): Promise<ServerKeys['files']> {
  const names = (await readdir(pki, { withFileTypes: true })).filter(
    entry => entry.isFile() && !issued.test(entry.name),
  )
  const own = names.map(({ name }) => ({ path: name, from: join(pki, name) }))
  const etcd = Object.entries(etcdFiles).flatMap(([key, path]): { path: string; from: string }[] => {
    const from = config[key as keyof typeof etcdFiles]
    return from ? [{ path, from }] : []
  })
  if (hasOwnEtcd(config))
    etcd.push(
      ...['etcd/ca.crt', 'etcd/ca.key', 'etcd/ca-chain.crt']
        .filter(path => existsSync(join(pki, path)))
        .map(path => ({ path, from: join(pki, path) })),
    )
  return Promise.all(
    [...own, ...etcd].map(async ({ path, from }) => ({
      path,
      mode: (await stat(from)).mode & 0o777,
      base64: (await readFile(from)).toString('base64'),
    })),
  )
}
