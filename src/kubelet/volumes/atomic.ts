// Writes a set of files so that readers see all of the old or all of the new ones, never a mixture:
//
//   DIR/name ─▶ ..data/name          a symlink for each file, created once
//   DIR/..data ─▶ ..2026_01_02_…     swapped by one rename
//   DIR/..2026_01_02_…/name          the files themselves
//
// Source: kubernetes pkg/volume/util/atomic_writer.go.
import {
  chmod,
  chown,
  mkdir,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { dirname, join } from 'node:path'

export interface FileContent {
  data: Buffer
  mode: number
  /** The user who owns the file, if that is not the kubelet's. */
  owner?: number | undefined
}

/** Files by relative path. */
type Payload = ReadonlyMap<string, FileContent>

/**
 * Replaces the files in `dir` by those of `payload`. Returns false, and writes nothing, if they are the same already.
 * `prepare` is called with the directory of the new files before readers can see them. Only one call per directory may
 * be under way at a time.
 */
export async function writeAtomically(
  dir: string,
  payload: Payload,
  now: number,
  prepare?: (dir: string) => Promise<void>,
): Promise<boolean> {
  for (const path of payload.keys()) checkPath(path)
  await mkdir(dir, { recursive: true, mode: 0o755 })
  await chmod(dir, 0o755)
  const data = join(dir, '..data')
  const current = await linkTarget(data)
  if (current && (await isSame(join(dir, current), payload))) return false
  const name = await unusedName(dir, now)
  const next = join(dir, name)
  await mkdir(next, { mode: 0o755 })
  for (const [path, { data: bytes, mode }] of payload) {
    await mkdir(dirname(join(next, path)), { recursive: true, mode: 0o755 })
    await writeFile(join(next, path), bytes, { mode })
    await chmod(join(next, path), mode)
  }
  await prepare?.(next)
  for (const [path, { owner }] of payload) if (owner !== undefined) await setOwner(join(next, path), owner)
  // A write that was interrupted may have left its link.
  await rm(join(dir, '..data_tmp'), { force: true })
  await symlink(name, join(dir, '..data_tmp'))
  await rename(join(dir, '..data_tmp'), data)
  await link(dir, payload)
  if (current) await rm(join(dir, current), { recursive: true, force: true })
  return true
}

const setOwner = async (path: string, owner: number) => chown(path, owner, (await stat(path)).gid)

// Only the first part of a path is linked: `a/b` and `a/c` share `a`.
async function link(dir: string, payload: Payload): Promise<void> {
  const wanted = new Set(Array.from(payload.keys(), path => path.split('/')[0]!))
  const there = (await readdir(dir)).filter(name => !name.startsWith('..'))
  for (const name of there) if (!wanted.has(name)) await rm(join(dir, name), { recursive: true, force: true })
  for (const name of wanted) if (!there.includes(name)) await symlink(join('..data', name), join(dir, name))
}

function checkPath(path: string): void {
  const parts = path.split('/')
  if (path === '' || path.startsWith('/') || parts.includes('..') || parts[0]!.startsWith('..'))
    throw new Error(`invalid path ${JSON.stringify(path)}: must be relative and not lead upwards`)
}

async function unusedName(dir: string, now: number): Promise<string> {
  const stamp = new Date(now).toISOString().slice(0, 19).replace('T', '_').replaceAll(/[-:]/g, '_')
  const there = new Set(await readdir(dir))
  for (let n = 1; ; n++) {
    const name = `..${stamp}.${String(now % 1000).padStart(3, '0')}${n}`
    if (!there.has(name)) return name
  }
}

async function linkTarget(path: string): Promise<string | undefined> {
  try {
    return await readlink(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

async function isSame(dir: string, payload: Payload): Promise<boolean> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true })
  if (entries.filter(e => e.isFile()).length !== payload.size) return false
  for (const [path, { data }] of payload) {
    try {
      if (!data.equals(await readFile(join(dir, path)))) return false
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
      throw error
    }
  }
  return true
}
