// What a node has of claims, on disk, in the form of Kubernetes. It is written before a driver is asked and after it has
// answered, so that a kubelet that was killed at any moment leaves nothing that the next one does not undo. The file is
// replaced as a whole. One that is damaged counts as none, since a kubelet that does not start is of less use.
//
//   {"Data": "{\"kind\": …, \"apiVersion\": …, \"Entries\": [ … ]}", "Checksum": CRC32 of Data}
//
// Source: pkg/kubelet/cm/dra/state/checkpoint.go.
import { readFile, stat } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { messageOf } from '../../base/errors.ts'
import { replaceFile, whenThere } from '../../base/files.ts'
import type { NodeClaim, PreparedDevice } from './prepared.ts'

/** More than all pods of a node can have. */
const maxBytes = 64 * 1024 * 1024
const about = { kind: 'DRACheckpoint', apiVersion: 'checkpoint.dra.kubelet.k8s.io/v1' }

/** Throws an error when the disk does. */
export async function writeCheckpoint(path: string, claims: Iterable<NodeClaim>): Promise<void> {
  const data = JSON.stringify({ ...about, Entries: Array.from(claims, entryOf) })
  await replaceFile(path, JSON.stringify({ Data: data, Checksum: crc32(data) }), { mode: 0o600, flush: true })
}

const entryOf = ({ uid, name, namespace, pods, drivers }: NodeClaim) => ({
  ClaimUID: uid,
  ClaimName: name,
  Namespace: namespace,
  PodUIDs: Object.fromEntries(Array.from(pods, pod => [pod, {}])),
  DriverState: Object.fromEntries(
    Array.from(drivers, ([driver, devices]) => [driver, { Devices: devices.map(shownDevice) }]),
  ),
})

const shownDevice = ({ pool, device, shareId, requests, cdiIds }: PreparedDevice) => ({
  PoolName: pool,
  DeviceName: device,
  ...(shareId && { ShareID: shareId }),
  RequestNames: requests,
  CDIDeviceIDs: cdiIds,
})

/** `problem` says why a file that is there counts as none. */
export async function readCheckpoint(path: string): Promise<{ claims: NodeClaim[]; problem?: string }> {
  try {
    const claims = await whenThere(async () => {
      const { size } = await stat(path)
      if (size > maxBytes) throw new Error(`it has ${size} bytes, and may have ${maxBytes}`)
      return parseCheckpoint(await readFile(path, 'utf8'))
    }, [])
    return { claims }
  } catch (error) {
    return { claims: [], problem: messageOf(error) }
  }
}

function parseCheckpoint(text: string): NodeClaim[] {
  const fields = fieldsOf(JSON.parse(text))
  const data = fields.get('Data')
  if (typeof data !== 'string') throw new Error('it has no data')
  if (fields.get('Checksum') !== crc32(data)) throw new Error('the checksum is not that of its data')
  return listOf(fieldsOf(JSON.parse(data)).get('Entries')).map(item => {
    const entry = fieldsOf(item)
    const text = (name: string) => {
      const found = entry.get(name)
      if (typeof found !== 'string' || !found) throw new Error(`an entry has no ${name}`)
      return found
    }
    const drivers = Array.from(fieldsOf(entry.get('DriverState')), ([driver, state]): [string, PreparedDevice[]] => [
      driver,
      listOf(fieldsOf(state).get('Devices')).map(readDevice),
    ])
    return {
      uid: text('ClaimUID'),
      name: text('ClaimName'),
      namespace: text('Namespace'),
      pods: new Set(fieldsOf(entry.get('PodUIDs')).keys()),
      drivers: new Map(drivers),
      isPrepared: false,
    }
  })
}

function readDevice(value: unknown): PreparedDevice {
  const fields = fieldsOf(value)
  const text = (name: string) => {
    const found = fields.get(name)
    return typeof found === 'string' ? found : ''
  }
  const texts = (name: string) => listOf(fields.get(name)).filter(item => typeof item === 'string')
  return {
    pool: text('PoolName'),
    device: text('DeviceName'),
    shareId: text('ShareID'),
    requests: texts('RequestNames'),
    cdiIds: texts('CDIDeviceIDs'),
  }
}

const fieldsOf = (value: unknown) =>
  new Map<string, unknown>(typeof value === 'object' && value !== null ? Object.entries(value) : [])
const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])
