// fsGroup: makes a group the owner of a volume's files, so that all processes of the pod can use them.
// Source: kubernetes pkg/volume/volume_linux.go.
import type { Pod } from '../../kinds/core/pod.ts'
import { chmod, lchown, lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'

const fileBits = { write: 0o660, read: 0o440 }
const directoryBits = 0o110
const setgid = 0o2000

/** Makes the pod's fsGroup the group of everything in `dir`. Changes nothing if the pod has no fsGroup. */
export async function setOwnership(dir: string, pod: Pod, readOnly: boolean): Promise<void> {
  const { fsGroup, fsGroupChangePolicy } = pod.spec.securityContext ?? {}
  if (fsGroup === undefined) return
  if (fsGroupChangePolicy === 'OnRootMismatch' && (await matches(dir, fsGroup, readOnly))) return
  await setGroup(dir, fsGroup, readOnly ? fileBits.read : fileBits.write)
}

async function matches(dir: string, group: number, readOnly: boolean): Promise<boolean> {
  const { gid, mode } = await lstat(dir)
  const wanted = (readOnly ? fileBits.read : fileBits.write) | directoryBits | setgid
  return gid === group && (mode & wanted) === wanted
}

async function setGroup(path: string, group: number, bits: number): Promise<void> {
  const stats = await lstat(path)
  await lchown(path, stats.uid, group)
  if (stats.isSymbolicLink()) return
  await chmod(path, (stats.mode & 0o7777) | bits | (stats.isDirectory() ? directoryBits | setgid : 0))
  if (stats.isDirectory()) for (const name of await readdir(path)) await setGroup(join(path, name), group, bits)
}
