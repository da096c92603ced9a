// The containerd of a node and the images in it. It starts before the rest of the node, and outlives the agent: a new
// agent connects to the one that runs.
import { existsSync } from 'node:fs'
import { mkdir, readdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import {
  buildPause,
  copyImages,
  listImages,
  loadArchive,
  normalizeName,
  pauseImage,
  pinsFileFor,
} from '../images/index.ts'
import { containerdPaths, ensureContainerd, keepContainerd } from '../kubelet/containerd/index.ts'
import { realMounts } from '../linux/index.ts'
import { type ClusterConfig, type ClusterPaths, nodeNames } from './config.ts'
import { nodeDirs } from './node-names.ts'

export interface RuntimeOptions {
  config: ClusterConfig
  paths: ClusterPaths
  nodeName: string
  log: Log
  signal: AbortSignal
}

/**
 * Where containerd finds the configuration of the network, and the plugins. Where the network is left to a CNI plugin,
 * these are the places in which every plugin installs itself, with the plugins of Debian beside them.
 */
async function cniPlaces({ disable }: ClusterConfig, own: string): Promise<{ cniConfDir: string; cniBinDir?: string }> {
  if (!disable?.includes('network')) return { cniConfDir: own }
  await mkdir(commonBinDir, { recursive: true })
  for (const name of await readdir(debianBinDir))
    await symlink(join(debianBinDir, name), join(commonBinDir, name)).catch(unless('EEXIST'))
  return { cniConfDir: commonConfDir, cniBinDir: commonBinDir }
}

const debianBinDir = '/usr/lib/cni'
const commonBinDir = '/opt/cni/bin'
const commonConfDir = '/etc/cni/net.d'
const unless = (code: string) => (error: NodeJS.ErrnoException) => {
  if (error.code !== code) throw error
}

/** Starts containerd unless it runs, and loads the pause image and the images of other nodes. Returns its socket. */
export async function startRuntime({ config, paths, nodeName, log, signal }: RuntimeOptions): Promise<string> {
  const dirs = nodeDirs(paths.node(nodeName))
  await mkdir(dirs.containerd, { recursive: true, mode: 0o711 })
  await mkdir(dirs.registry, { recursive: true })
  // What a driver mounts in its container appears on the node. A node that ran before this was done goes on without.
  await realMounts.share(paths.node(nodeName)).catch((error: unknown) => {
    log.warn("drivers' mounts will not reach this node until it is stopped and started", { why: messageOf(error) })
  })
  const place = {
    dir: dirs.containerd,
    ...(await cniPlaces(config, dirs.cniConf)),
    sandboxImage: pauseImage,
    registryDir: dirs.registry,
    log: log.with({ part: 'containerd' }),
  }
  const archive = ensurePause(dirs.pauseArchive, paths.debs, log)
  await ensureContainerd(place, signal)
  keepContainerd(place, signal, () => log.info('connected to containerd')).catch(error => {
    if (!signal.aborted) log.error('cannot keep containerd running', { error })
  })
  const { socket } = containerdPaths(dirs.containerd)
  const store = { socket, pinsFile: pinsFileFor(socket) }
  if (!(await listImages(store, signal)).some(image => image.name === normalizeName(pauseImage)))
    await loadArchive(await archive, store, { signal })
  for (const other of nodeNames(config)) {
    const from = containerdPaths(nodeDirs(paths.node(other)).containerd).socket
    if (other === nodeName || !existsSync(from)) continue
    // An image that a user loaded must be on every node, also on those that were added later.
    await copyImages({ socket: from, pinsFile: pinsFileFor(from) }, store, { signal }).then(
      names => names.length && log.info('images copied', { from: other, names }),
      error => signal.aborted || log.warn('cannot copy images', { from: other, why: messageOf(error) }),
    )
  }
  return socket
}

async function ensurePause(file: string, cacheDir: string, log: Log): Promise<string> {
  if (!existsSync(file)) {
    await mkdir(cacheDir, { recursive: true })
    await buildPause(file, { cacheDir, log })
  }
  return file
}

/** Loads the archives in the cluster's directory `images`, at every start. Loading an image that exists is cheap. */
export async function loadImages({ paths, log, signal }: RuntimeOptions, socket: string): Promise<void> {
  if (!existsSync(paths.images)) return
  for (const name of await readdir(paths.images)) {
    if (!/\.(tar|tgz|tar\.gz)$/.test(name)) continue
    const { names } = await loadArchive(join(paths.images, name), { socket, pinsFile: pinsFileFor(socket) }, { signal })
    log.info('image loaded', { archive: name, names })
  }
}
