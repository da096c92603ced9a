// Directories of NFS servers, which the kernel mounts. What the node lacks for that is said before mount(8) fails on it
// with a message that does not help. Source: kubernetes pkg/volume/nfs, mount.nfs(8), nfs(5).
import { access, mkdir, readFile } from 'node:fs/promises'
import { realMounts, run } from '../../linux/index.ts'
import type { VolumePlugin } from './volume.ts'

interface NfsSource {
  server: string
  path: string
  readOnly?: boolean
}

/** What a node needs for NFS. */
interface NfsTools {
  /** The types of file systems that the kernel has now. Source: proc_filesystems(5). */
  fileSystems(): Promise<string>
  /** Loads a module. Throws when there is none. */
  load(module: string): Promise<void>
  hasProgram(): Promise<boolean>
}

const realTools: NfsTools = {
  fileSystems: () => readFile('/proc/filesystems', 'utf8'),
  load: async module => void (await run('modprobe', [module])),
  hasProgram: async () => {
    try {
      await access('/sbin/mount.nfs')
      return true
    } catch {
      return false
    }
  },
}

/** What is missing on the node for NFS. Undefined if nothing is. */
export async function missingForNfs(tools: NfsTools = realTools): Promise<string | undefined> {
  const isKnown = async () => /^nodev\s+nfs4?$/m.test(await tools.fileSystems())
  if (!(await isKnown())) {
    // Without the module the list stays as it is, and says the rest.
    await tools.load('nfs').catch(() => {})
    if (!(await isKnown())) return 'the kernel of the node has no NFS client (the module nfs)'
  }
  return (await tools.hasProgram())
    ? undefined
    : 'the program mount.nfs is missing on the node; install the package nfs-common'
}

export const nfsOptions = ({ readOnly }: NfsSource, given: readonly string[]): string[] =>
  readOnly ? [...new Set([...given, 'ro'])] : [...given]

/** `SERVER:PATH`, with an IPv6 address in brackets. */
export const nfsName = ({ server, path }: NfsSource): string =>
  `${server.includes(':') && !server.startsWith('[') ? `[${server}]` : server}:${path}`

/** Mounts it at `dir`, unless that has happened before. Throws an error that says what the node lacks. */
export async function mountNfs(source: NfsSource, dir: string, options: readonly string[]): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o750 })
  if (await realMounts.isMounted(dir)) return
  const missing = await missingForNfs()
  if (missing !== undefined) throw new Error(`cannot mount ${nfsName(source)}: ${missing}`)
  await realMounts.mount('nfs', nfsName(source), dir, nfsOptions(source, options))
}

export const nfs: VolumePlugin = {
  name: 'nfs',
  isMount: true,
  matches: volume => volume.nfs !== undefined,
  readOnly: volume => volume.nfs?.readOnly === true,
  setUp: ({ volume, dir }) => mountNfs(volume.nfs!, dir, []),
}
