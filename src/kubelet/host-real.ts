// The files, mounts and control groups of pods on a real node; see host.ts for where they are.
import { counts } from './metrics.ts'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isReason, messageOf, StatusError } from '../base/errors.ts'
import { allEnded } from '../base/waiters.ts'
import { type Beneath, type Cgroups, openBeneath, realMounts } from '../linux/index.ts'
import { type NodeSettings, messagePathOf, podLogDir } from './config/configs.ts'
import { hostNetworkHosts, podHosts } from './config/dns.ts'
import { expand } from './config/expand.ts'
import type { CsiVolumes } from './csi/index.ts'
import { podCgroup, podCgroupLimits } from './config/resources.ts'
import { ImageMountFailure, type MountRequest, type PodHost, VolumeFailure } from './host.ts'
import type { ContainerConfig, Runtime } from './runtime/runtime.ts'
import { onHostNetwork, type ReadContainer, uidOf } from './pod/spec.ts'
import { type VolumeContext, volumePath, type VolumePlugin } from './volumes/volume.ts'
import { ImageVolumes } from './volumes/image.ts'
import { pluginFor } from './volumes/index.ts'
import { UnservedVolume } from './volumes/served-by.ts'
import { isRecursive } from './volumes/recursive.ts'
import { removeSubpaths, removeVolumes } from './volumes/removal.ts'
import { VolumeUsages } from './volumes/usage.ts'
import type { Pod } from '../kinds/core/pod.ts'

interface RealHostOptions {
  rootDir: string
  settings: NodeSettings
  cgroups: Cgroups
  pidsLimit: number
  volumes: VolumeContext
  csi: Pick<CsiVolumes, 'tearDown'>
  runtime: Runtime
}

type Mount = NonNullable<ContainerConfig['mounts']>[number]

export async function realHost(o: RealHostOptions): Promise<PodHost> {
  const podsDir = join(o.rootDir, 'pods')
  const podDir = (uid: string) => join(podsDir, uid)
  const images = new ImageVolumes(podsDir, o.runtime)
  const usages = new VolumeUsages(o.volumes)
  const cgroupsOf = new Map<string, string>()
  await mkdir(podsDir, { recursive: true, mode: 0o750 })
  await mkdir(o.settings.logRoot, { recursive: true, mode: 0o755 })
  if (!(await realMounts.isMounted(o.volumes.memoryDir))) {
    await mkdir(o.volumes.memoryDir, { recursive: true, mode: 0o750 })
    await realMounts.tmpfs(o.volumes.memoryDir, { mode: 0o750 })
  }
  const removeDir = async (dir: string) => {
    await realMounts.unmountAll(dir)
    await rm(dir, { recursive: true, force: true })
  }
  return {
    async setUp(pod, signal) {
      const uid = uidOf(pod)
      await mkdir(podDir(uid), { recursive: true, mode: 0o750 })
      await mkdir(podLogDir(o.settings.logRoot, pod), { recursive: true, mode: 0o755 })
      const group = podCgroup(o.settings.cgroupRoot, pod)
      cgroupsOf.set(uid, group)
      const volumes = pod.spec.volumes ?? []
      const setUp = (volume: Volume) => setUpVolume(o.volumes, pod, volume, signal)
      const limits = o.cgroups.ensure(group, podCgroupLimits(pod, o.pidsLimit, o.settings.memory))
      // Nothing may be written any more after a failure, since the volumes may be taken down.
      await allEnded([limits, ...volumes.filter(volume => !mayWait(volume)).map(setUp)])
      // A missing ConfigMap is reported at once, and not after minutes of waiting for a disk.
      await allEnded(volumes.filter(mayWait).map(setUp))
    },
    ...podGroup(o),
    hasImage: (pod, volume) => images.has(uidOf(pod), volume),
    mountImage: (pod, volume, ref) => images.mount(uidOf(pod), volume, ref),
    mounts: (pod, container, request) => containerMounts(o, podDir(uidOf(pod)), pod, container, request),
    refresh: (pod, signal) => refreshVolumes(o.volumes, pod, signal),
    volumeUsage: pod => usages.of(pod),
    async tearDown(uid) {
      const [subpaths, volumes] = [join(podDir(uid), 'volume-subpaths'), join(podDir(uid), 'volumes')]
      await realMounts.unmountAll(subpaths)
      await removeSubpaths(subpaths)
      // Drivers undo what they have done; only after that whatever is left is unmounted.
      await o.csi.tearDown(uid)
      await realMounts.unmountAll(volumes)
      await images.release(uid)
      await removeVolumes(volumes)
      await rm(join(o.volumes.memoryDir, uid), { recursive: true, force: true })
      o.volumes.tokens.forget(uid)
      usages.forget(uid)
      const group = cgroupsOf.get(uid)
      for (const path of group
        ? [group]
        : ['', 'burstable/', 'besteffort/'].map(qos => `${o.settings.cgroupRoot}/kubepods/${qos}pod${uid}`)) {
        if (await o.cgroups.exists(path)) await o.cgroups.remove(path, { kill: true })
      }
      cgroupsOf.delete(uid)
    },
    async remove(uid) {
      for (const part of ['volumes', 'volumeDevices', 'volume-subpaths'])
        if (existsSync(join(podDir(uid), part))) throw new Error(`the pod still has ${part}`)
      await removeDir(podDir(uid))
      for (const name of await readdir(o.settings.logRoot))
        if (name.endsWith(`_${uid}`)) await rm(join(o.settings.logRoot, name), { recursive: true, force: true })
    },
    known: () => uidsIn(podsDir, o.settings.logRoot, images),
  }
}

/** `NAMESPACE_NAME_UID` */
const logDirName = /^[^_]+_[^_]+_([0-9A-Za-z-]+)$/

/** The uids of the pods that have anything. Logs are removed last, and may be all that is left of a pod. */
async function uidsIn(podsDir: string, logRoot: string, images: ImageVolumes): Promise<string[]> {
  const logged = (await readdir(logRoot)).flatMap(name => logDirName.exec(name)?.[1] ?? [])
  return [...new Set([...(await readdir(podsDir)), ...(await images.pods()), ...logged])]
}

/** The methods about the control group of a whole pod. */
const podGroup = ({ cgroups, settings, pidsLimit }: RealHostOptions): Pick<PodHost, 'limit' | 'memoryUsage'> => ({
  async limit(pod, how) {
    const limits = podCgroupLimits(pod, pidsLimit, settings.memory)
    const loose = { ...limits, cpuQuotaUs: -1, memoryBytes: -1 }
    await cgroups.ensure(podCgroup(settings.cgroupRoot, pod), how === 'loose' ? loose : limits)
  },
  async memoryUsage(pod) {
    return (await cgroups.usage(podCgroup(settings.cgroupRoot, pod)))?.memoryBytes ?? 0
  },
})

type Volume = NonNullable<Pod['spec']['volumes']>[number]

/** Refreshes all volumes at the same time. One that fails does not keep the others from it. */
async function refreshVolumes(context: VolumeContext, pod: Pod, signal: AbortSignal): Promise<number | undefined> {
  const times = await allEnded(
    (pod.spec.volumes ?? []).map(async volume => {
      const plugin = pluginFor(volume)
      if (!plugin?.refresh) return undefined
      const dir = volumePath(context, pod, volume, plugin)
      return guarded(volume.name, () => plugin.refresh!({ pod, volume, dir, context, signal }))
    }),
  )
  const next = Math.min(...times.filter(time => time !== undefined))
  return Number.isFinite(next) ? next : undefined
}

/** Whether a volume may take long to be there: it must be attached, and its driver must answer. */
const mayWait = (volume: Volume) => (volume.persistentVolumeClaim ?? volume.ephemeral ?? volume.csi) !== undefined

async function setUpVolume(context: VolumeContext, pod: Pod, volume: Volume, signal: AbortSignal): Promise<void> {
  const plugin = pluginFor(volume)
  await guarded(volume.name, async () => {
    if (!plugin) throw new UnservedVolume(Object.keys(volume).filter(key => key !== 'name'))
    const from = context.clock.steady()
    const took = (failed: boolean) =>
      counts.volume(context.clock.steady() - from, 'volume_mount', `kubernetes.io/${plugin.name}`, failed)
    await plugin.setUp({ pod, volume, dir: volumePath(context, pod, volume, plugin), context, signal }).then(
      () => took(false),
      (error: unknown) => {
        took(true)
        throw error
      },
    )
  })
}

async function guarded<T>(volume: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof VolumeFailure) throw error
    throw new VolumeFailure(volume, messageOf(error), { step: 'MountVolume.SetUp', cause: error })
  }
}

const propagations = {
  None: 'PROPAGATION_PRIVATE',
  HostToContainer: 'PROPAGATION_HOST_TO_CONTAINER',
  Bidirectional: 'PROPAGATION_BIDIRECTIONAL',
} as const

async function containerMounts(
  o: RealHostOptions,
  dir: string,
  pod: Pod,
  container: ReadContainer,
  request: MountRequest,
) {
  const mounts: Mount[] = []
  const own = container.volumeMounts ?? []
  for (const [i, mount] of own.entries()) {
    const volume = (pod.spec.volumes ?? []).find(v => v.name === mount.name)
    const plugin = volume && pluginFor(volume)
    if (!plugin) throw new Error(`volume ${mount.name} of container ${container.name} does not exist`)
    const whole = await hostSource(o.volumes, pod, volume, plugin)
    const part = mount.subPathExpr ? expandPath(mount.subPathExpr, request.env) : mount.subPath
    const target = join(dir, 'volume-subpaths', mount.name, container.name, String(i))
    const hostPath = part
      ? await preparePart(plugin, `"${mount.name}" of container "${container.name}"`, whole, part, target)
      : whole
    mounts.push({
      containerPath: mount.mountPath.startsWith('/') ? mount.mountPath : `/${mount.mountPath}`,
      hostPath,
      readonly: mount.readOnly === true || isReadOnly(plugin, volume),
      propagation: propagations[(mount.mountPropagation ?? 'None') as keyof typeof propagations],
      recursiveReadOnly: isRecursive(mount, request.canBeRecursive),
    })
  }
  if (!own.some(m => m.mountPath === '/etc/hosts'))
    mounts.push({
      containerPath: '/etc/hosts',
      hostPath: await writeHosts(o.settings, dir, pod, request.podIPs),
      readonly: false,
    })
  const messages = join(dir, 'containers', container.name)
  await mkdir(messages, { recursive: true, mode: 0o750 })
  const message = join(messages, String(request.attempt))
  await writeFile(message, '')
  // The container may run as any user, and chmod is not subject to the umask.
  await chmod(message, 0o666)
  mounts.push({ containerPath: messagePathOf(container), hostPath: message, readonly: false })
  return { mounts, devices: await containerDevices(o.volumes, pod, container), async close() {} }
}

/** The block devices of a container, which drivers have published. */
async function containerDevices(context: VolumeContext, pod: Pod, container: ReadContainer) {
  const devices: NonNullable<ContainerConfig['devices']>[number][] = []
  for (const { name, devicePath } of container.volumeDevices ?? []) {
    const volume = (pod.spec.volumes ?? []).find(v => v.name === name)
    const plugin = volume && pluginFor(volume)
    if (!plugin) throw new Error(`volume ${name} of container ${container.name} does not exist`)
    const hostPath = await hostSource(context, pod, volume, plugin)
    devices.push({ containerPath: devicePath, hostPath, permissions: isReadOnly(plugin, volume) ? 'r' : 'mrw' })
  }
  return devices
}

const isReadOnly = ({ readOnly = false }: VolumePlugin, volume: Volume) =>
  typeof readOnly === 'function' ? readOnly(volume) : readOnly

/** The path that is mounted. The volume of a driver behind a claim is found by a link (volumes/claim.ts). */
async function hostSource(context: VolumeContext, pod: Pod, volume: Volume, plugin: VolumePlugin): Promise<string> {
  const source = plugin.source?.(volume, context)
  if (source !== undefined) return source
  const dir = volumePath(context, pod, volume, plugin)
  return plugin.inside === undefined ? readlink(dir).catch(() => dir) : join(dir, plugin.inside)
}

// Unlike in commands, a reference to an unknown variable is an error here.
function expandPath(text: string, env: ReadonlyMap<string, string>): string {
  return expand(text, name => {
    const value = env.get(name)
    if (value === undefined) throw new Error(`missing value for "${name}" in subPathExpr`)
    return value
  })
}

// A part that is created here gets the permissions of the volume.
async function openPart(volume: string, part: string): Promise<Beneath> {
  try {
    return await openBeneath(volume, part)
  } catch (error) {
    if (!isReason(error, 'NotFound')) throw error
  }
  const made = await openBeneath(volume, part, { create: true })
  await chmod(made.path, (await stat(volume)).mode & 0o7777)
  return made
}

// The error names the mount, and not the paths of the node, which are no business of the pod's author.
async function preparePart(
  plugin: VolumePlugin,
  mount: string,
  volume: string,
  part: string,
  target: string,
): Promise<string> {
  try {
    return await bindPart(await (plugin.openPart ?? openPart)(volume, part), target)
  } catch (cause) {
    if (cause instanceof ImageMountFailure) throw cause
    throw new StatusError('InternalError', `failed to prepare subPath for volumeMount ${mount}`, { cause })
  }
}

// The file that was opened beneath the volume is mounted, so that a change of the path in the meantime has no effect.
async function bindPart(beneath: Beneath, target: string): Promise<string> {
  try {
    await realMounts.unmountAll(target)
    await rm(target, { recursive: true, force: true })
    if (beneath.isDirectory) await mkdir(target, { recursive: true, mode: 0o750 })
    else {
      await mkdir(join(target, '..'), { recursive: true, mode: 0o750 })
      await writeFile(target, '')
    }
    await realMounts.bind(beneath.path, target, { recursive: true })
    return target
  } finally {
    await beneath.close()
  }
}

async function writeHosts(settings: NodeSettings, dir: string, pod: Pod, podIPs: readonly string[]): Promise<string> {
  const path = join(dir, 'etc-hosts')
  const text = onHostNetwork(pod)
    ? hostNetworkHosts(pod, await readFile('/etc/hosts', 'utf8'))
    : podHosts(pod, podIPs, settings.clusterDomain)
  await writeFile(path, text, { mode: 0o644 })
  return path
}
