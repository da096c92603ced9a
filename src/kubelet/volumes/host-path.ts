// hostPath: a file or directory of the node. The type states what must exist at the path, or is created there.
import { mkdir, stat, writeFile } from 'node:fs/promises'
import type { Stats } from 'node:fs'
import { onNode } from './kubelet-dir.ts'
import type { ReadVolume, VolumePlugin } from './volume.ts'

const checks: Readonly<Record<string, (found: Stats) => boolean>> = {
  Directory: s => s.isDirectory(),
  DirectoryOrCreate: s => s.isDirectory(),
  File: s => s.isFile(),
  FileOrCreate: s => s.isFile(),
  Socket: s => s.isSocket(),
  CharDevice: s => s.isCharacterDevice(),
  BlockDevice: s => s.isBlockDevice(),
}
const words: Readonly<Record<string, string>> = {
  Directory: 'a directory',
  DirectoryOrCreate: 'a directory',
  File: 'a file',
  FileOrCreate: 'a file',
  Socket: 'a socket file',
  CharDevice: 'a character device',
  BlockDevice: 'a block device',
}

export const hostPath: VolumePlugin = {
  name: 'host-path',
  matches: volume => volume.hostPath !== undefined,
  source: (volume, { nodeDir }) => onNode(volume.hostPath!.path, nodeDir),
  setUp: ({ volume, context }) => prepareHostPath(volume.hostPath!, context.nodeDir),
}

/** Creates what its type says, and checks what is there. `nodeDir` is what /var/lib/kubelet stands for. */
export async function prepareHostPath(source: NonNullable<ReadVolume['hostPath']>, nodeDir: string): Promise<void> {
  const { type = '' } = source
  const path = onNode(source.path, nodeDir)
  if (source.path.split('/').includes('..')) throw new Error('hostPath.path must not contain ..')
  const check = checks[type]
  if (!check) {
    // Without a type, anything may be there. A missing path becomes a directory, which containerd would create too.
    if (!(await found(path))) await mkdir(path, { recursive: true, mode: 0o755 })
    return
  }
  if (type === 'DirectoryOrCreate' && !(await found(path))) await mkdir(path, { recursive: true, mode: 0o755 })
  if (type === 'FileOrCreate' && !(await found(path))) await writeFile(path, '', { mode: 0o644, flag: 'a' })
  const stats = await found(path)
  if (!stats || !check(stats)) throw new Error(`hostPath type check failed: ${path} is not ${words[type]}`)
}

async function found(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}
