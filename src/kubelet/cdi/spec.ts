// A file of the Container Device Interface: a kind of devices, and the edits of a container that gets one. It is read with
// limits, since drivers write these files. Pure. Source: cncf-tags/container-device-interface SPEC.md, versions 0.3 to 1.0.

interface DeviceNode {
  /** In the container. */
  readonly path: string
  readonly hostPath: string
  /** What the container may do: some of `rwm`. */
  readonly permissions: string
  readonly fileMode: number | undefined
  readonly uid: number | undefined
  readonly gid: number | undefined
}

interface Mount {
  readonly hostPath: string
  readonly containerPath: string
  readonly type: string
  readonly options: readonly string[]
}

/** What changes in a container. */
export interface Edits {
  readonly env: readonly [string, string][]
  readonly deviceNodes: readonly DeviceNode[]
  readonly mounts: readonly Mount[]
  readonly additionalGids: readonly number[]
  /** What cannot be given to a container by way of CRI, in words. */
  readonly impossible: readonly string[]
}

export interface CdiSpec {
  /** `VENDOR/CLASS` */
  readonly kind: string
  /** Edits for every container with a device of the file. */
  readonly edits: Edits
  readonly devices: ReadonlyMap<string, Edits>
}

/** The most devices of a file, and the most entries of a list in it. */
const [maxDevices, maxEntries] = [4_096, 1_024]
const kindPattern = /^[A-Za-z][A-Za-z0-9_.-]*\/[A-Za-z][A-Za-z0-9_.-]*$/
const namePattern = /^[A-Za-z0-9]([A-Za-z0-9_.:-]*[A-Za-z0-9])?$/

/** The parts of `VENDOR/CLASS=NAME`. Throws an error when that is not a device's name. */
export function parseDevice(device: string): { kind: string; name: string } {
  const [kind = '', name = '', ...rest] = device.split('=')
  if (rest.length || !kindPattern.test(kind) || !namePattern.test(name))
    throw new Error(`invalid CDI device name ${JSON.stringify(device.slice(0, 200))}`)
  return { kind, name }
}

/** Reads a file's content. Throws an error that says what is wrong with it. */
export function readSpec(value: unknown): CdiSpec {
  const fields = fieldsOf(value, 'the file')
  const [version, kind] = [fields.get('cdiVersion'), fields.get('kind')]
  if (typeof version !== 'string' || !/^v?(0\.[3-8]|1\.[01])\.\d+$/.test(version))
    throw new Error(`cdiVersion ${shown(version)} is not supported`)
  if (typeof kind !== 'string' || !kindPattern.test(kind)) throw new Error(`kind ${shown(kind)} is not VENDOR/CLASS`)
  const devices = new Map<string, Edits>()
  for (const item of listOf(fields.get('devices'), 'devices', maxDevices)) {
    const device = fieldsOf(item, 'a device')
    const name = device.get('name')
    if (typeof name !== 'string' || !namePattern.test(name))
      throw new Error(`the name ${shown(name)} of a device is invalid`)
    if (devices.has(name)) throw new Error(`the device ${name} is there twice`)
    devices.set(name, readEdits(device.get('containerEdits')))
  }
  return { kind, edits: readEdits(fields.get('containerEdits')), devices }
}

function readEdits(value: unknown): Edits {
  const fields = value === undefined || value === null ? new Map<string, unknown>() : fieldsOf(value, 'containerEdits')
  const items = (name: string) => listOf(fields.get(name), name, maxEntries)
  const impossible = [
    ...(items('hooks').length ? ['hooks'] : []),
    ...(items('netDevices').length ? ['network devices'] : []),
    ...(fields.get('intelRdt') ? ['Intel RDT'] : []),
  ]
  return {
    env: items('env').map(readVariable),
    deviceNodes: items('deviceNodes').map(item => {
      const node = fieldsOf(item, 'a device node')
      const path = pathOf(node.get('path'), 'path')
      return {
        path,
        hostPath: node.get('hostPath') ? pathOf(node.get('hostPath'), 'hostPath') : path,
        permissions: permissionsOf(node.get('permissions')),
        fileMode: numberOf(node.get('fileMode'), 'fileMode'),
        uid: numberOf(node.get('uid'), 'uid'),
        gid: numberOf(node.get('gid'), 'gid'),
      }
    }),
    mounts: items('mounts').map(item => {
      const mount = fieldsOf(item, 'a mount')
      return {
        hostPath: pathOf(mount.get('hostPath'), 'hostPath'),
        containerPath: pathOf(mount.get('containerPath'), 'containerPath'),
        type: mount.get('type') ? String(mount.get('type')) : 'bind',
        options: listOf(mount.get('options'), 'options', maxEntries).map(String),
      }
    }),
    additionalGids: items('additionalGids').map(gid => numberOf(gid, 'additionalGids') ?? 0),
    impossible,
  }
}

function readVariable(value: unknown): [string, string] {
  const at = typeof value === 'string' ? value.indexOf('=') : -1
  if (typeof value !== 'string' || at < 1) throw new Error(`env has ${shown(value)}, which is not NAME=VALUE`)
  return [value.slice(0, at), value.slice(at + 1)]
}

function pathOf(value: unknown, name: string): string {
  if (typeof value !== 'string' || !value.startsWith('/') || value.includes('\0'))
    throw new Error(`${name} ${shown(value)} is not an absolute path`)
  return value
}

function permissionsOf(value: unknown): string {
  if (value === undefined || value === null || value === '') return 'rwm'
  if (typeof value !== 'string' || !/^[rwm]{1,3}$/.test(value))
    throw new Error(`permissions ${shown(value)} are invalid`)
  return value
}

function numberOf(value: unknown, name: string): number | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > 0xffffffff)
    throw new Error(`${name} ${shown(value)} is not a number from 0`)
  return value
}

function fieldsOf(value: unknown, what: string): Map<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${what} is not an object`)
  return new Map<string, unknown>(Object.entries(value))
}

function listOf(value: unknown, name: string, most: number): unknown[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw new Error(`${name} is not a list`)
  if (value.length > most) throw new Error(`${name} has ${value.length} entries, and may have ${most}`)
  return value
}

const shown = (value: unknown): string => String(JSON.stringify(value)).slice(0, 100)
