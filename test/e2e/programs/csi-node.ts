// The node's side of the driver of the end-to-end tests: Identity and Node services, and the registration with the kubelet.
// It mounts directories of the machine, and attaches files as loop devices.
//
// The environment has DRIVER, NODE_NAME, and the paths: STORAGE, SOCKET, REGISTRATION, and ENDPOINT as the kubelet sees it.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Handler, refuse, type Request, serve, status } from './csi-grpc.ts'
import { Storage } from './csi-storage.ts'

const { DRIVER = '', NODE_NAME = '', STORAGE = '', SOCKET = '', REGISTRATION = '', ENDPOINT = '' } = process.env
const storage = new Storage(STORAGE)
const run = (program: string, ...args: string[]) =>
  execFileSync('/bin/busybox', [program, ...args], { encoding: 'utf8' })

const isMounted = (path: string) =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .some(line => line.split(' ')[4] === path)

function bind(source: string, target: string, readOnly: boolean): void {
  if (isMounted(target)) return
  run('mount', '--bind', source, target)
  if (readOnly) run('mount', '-o', 'remount,bind,ro', target)
}

function unbind(target: string): void {
  while (isMounted(target)) run('umount', target)
}

/** The loop device of a file, by what the kernel says of each device. */
function deviceOf(file: string): string | undefined {
  const lines = run('losetup', '-a').split('\n')
  return lines.find(line => line.includes(file))?.split(':')[0]
}

const metaOf = (id: string) => {
  const meta = storage.read(id)
  if (!meta) throw refuse(status.NOT_FOUND, `there is no volume ${id}`)
  return meta
}

/** A volume of one pod has no more than its attributes. */
function makeInline(id: string, attributes: Record<string, string>): string {
  const dir = storage.inlineOf(id)
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, 'attributes.json'), JSON.stringify(attributes))
  return dir
}

const methods: Readonly<Record<string, Handler>> = {
  NodeGetInfo: () => ({
    node_id: `id-of-${NODE_NAME}`,
    max_volumes_per_node: 16,
    accessible_topology: { segments: { [`topology.${DRIVER}/machine`]: 'this' } },
  }),
  // Stage and unstage, statistics, growth.
  NodeGetCapabilities: () => ({ capabilities: [1, 2, 3].map(type => ({ rpc: { type } })) }),
  NodeStageVolume({ volume_id: id, staging_target_path: path, volume_capability, publish_context }: Request) {
    const meta = metaOf(id)
    if (publish_context.attached !== `id-of-${NODE_NAME}`)
      throw refuse(status.FAILED_PRECONDITION, `volume ${id} is not attached to this node`)
    if (meta.isBlock !== (volume_capability.block !== null))
      throw refuse(status.INVALID_ARGUMENT, 'another kind of volume')
    if (!meta.isBlock) bind(storage.dataOf(id), path, false)
    return {}
  },
  NodeUnstageVolume({ staging_target_path: path }: Request) {
    unbind(path)
    return {}
  },
  NodePublishVolume(request: Request) {
    const { volume_id: id, target_path: target, staging_target_path: staging, readonly, volume_context } = request
    if (volume_context['csi.storage.k8s.io/ephemeral'] === 'true') {
      mkdirSync(target, { recursive: true })
      bind(makeInline(id, volume_context), target, readonly)
      return {}
    }
    if (metaOf(id).isBlock) {
      writeFileSync(target, '', { flag: 'a' })
      const file = storage.dataOf(id)
      if (!deviceOf(file)) run('losetup', '-f', file)
      bind(deviceOf(file)!, target, false)
      return {}
    }
    if (!isMounted(staging)) throw refuse(status.FAILED_PRECONDITION, `volume ${id} is not staged`)
    mkdirSync(target, { recursive: true })
    bind(staging, target, readonly)
    return {}
  },
  NodeUnpublishVolume({ volume_id: id, target_path: target }: Request) {
    unbind(target)
    if (existsSync(target)) {
      if (storage.read(id)?.isBlock) rmSync(target)
      else rmdirSync(target)
    }
    rmSync(storage.inlineOf(id), { recursive: true, force: true })
    const device = storage.read(id)?.isBlock ? deviceOf(storage.dataOf(id)) : undefined
    if (device) run('losetup', '-d', device)
    return {}
  },
  NodeGetVolumeStats({ volume_id: id, volume_path: path }: Request) {
    const { bytes } = metaOf(id)
    const { files, ffree } = statfsSync(path)
    return {
      usage: [
        { total: bytes, used: 1024, available: bytes - 1024, unit: 1 },
        { total: files, used: files - ffree, available: ffree, unit: 2 },
      ],
    }
  },
  NodeExpandVolume({ volume_id: id, capacity_range, volume_path }: Request) {
    if (!existsSync(volume_path)) throw refuse(status.NOT_FOUND, `${volume_path} does not exist`)
    storage.write({ ...metaOf(id), nodeBytes: capacity_range.required_bytes })
    return { capacity_bytes: capacity_range.required_bytes }
  },
}

const logged = Object.fromEntries(
  Object.entries(methods).map(([method, work]) => [method, storage.logged(method, NODE_NAME, work)]),
)
await serve(SOCKET, 'csi.proto', {
  'csi.v1.Node': logged,
  'csi.v1.Identity': {
    GetPluginInfo: () => ({ name: DRIVER, vendor_version: '1' }),
    GetPluginCapabilities: () => ({ capabilities: [{ service: { type: 1 } }] }),
    Probe: () => ({ ready: { value: true } }),
  },
})
await serve(REGISTRATION, 'registration.proto', {
  'pluginregistration.Registration': {
    GetInfo: () => ({ type: 'CSIPlugin', name: DRIVER, endpoint: ENDPOINT, supported_versions: ['1.0.0'] }),
    NotifyRegistrationStatus({ plugin_registered, error }: Request) {
      console.log(plugin_registered ? 'registered' : `not registered: ${error}`)
      // As the registrar does: it begins from the start.
      if (!plugin_registered) process.exit(1)
      return {}
    },
  },
})
process.on('SIGTERM', () => {
  for (const path of [REGISTRATION, SOCKET]) rmSync(path, { force: true })
  process.exit(0)
})
