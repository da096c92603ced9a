// The files that describe devices. Those of a later directory count for more; within a directory a device that two files
// describe is none. A file that cannot be read takes nothing but its own devices away.
// Source: container-device-interface pkg/cdi/cache.go.
import { readdir, readFile, stat } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { messageOf } from '../../base/errors.ts'
import { whenThere } from '../../base/files.ts'
import { parseYaml } from '../../base/yaml-file.ts'
import { type CdiSpec, readSpec } from './spec.ts'

/** Where programs describe devices. Source: SPEC.md, and the defaults of containerd. */
const cdiDirs = ['/etc/cdi', '/var/run/cdi']
/** The most files of a directory that are read, and the most bytes of one. */
const [maxFiles, maxBytes] = [1_000, 1024 * 1024]
const extensions = ['.json', '.yaml']

interface Found {
  specs: CdiSpec[]
  /** Why files were not read. */
  problems: string[]
}

/** The files of each directory, in the order of the directories. */
export async function readCdi(dirs: readonly string[] = cdiDirs): Promise<Found[]> {
  const found: Found[] = []
  for (const dir of dirs) {
    const entries = await whenThere(() => readdir(dir), [])
    const names = entries.filter(name => extensions.includes(extname(name)) && !name.startsWith('.')).sort()
    const all: Found = { specs: [], problems: [] }
    if (names.length > maxFiles) all.problems.push(`${dir} has ${names.length} files, of which ${maxFiles} are read`)
    for (const name of names.slice(0, maxFiles)) {
      const path = join(dir, name)
      try {
        const spec = await whenThere(() => readFileOf(path), undefined)
        if (spec) all.specs.push(spec)
      } catch (error) {
        all.problems.push(`${path}: ${messageOf(error)}`)
      }
    }
    found.push(all)
  }
  return found
}

async function readFileOf(path: string): Promise<CdiSpec> {
  const info = await stat(path)
  // A pipe would never end.
  if (!info.isFile()) throw new Error('it is not a file')
  if (info.size > maxBytes) throw new Error(`it has ${info.size} bytes, and may have ${maxBytes}`)
  const text = await readFile(path, 'utf8')
  return readSpec(extname(path) === '.json' ? (JSON.parse(text) as unknown) : parseYaml(text, path))
}
