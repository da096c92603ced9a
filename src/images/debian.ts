// Debian packages as parts of an image: finds the dependencies of a package in apt's own lists, downloads each .deb
// file once, and provides its files as a tar file. Nothing is installed, and no maintainer script runs.
import { createHash } from 'node:crypto'
import { access, mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { replaceFile } from '../base/files.ts'
import { messageOf, StatusError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { run } from '../linux/index.ts'

/** A downloaded package. `tar` is the path of a tar file with its files. */
interface Deb {
  name: string
  version: string
  tar: string
}

// Packages that only maintainer scripts need, which do not run here, or that only serve to administer a machine.
const notForImages = (
  'debconf debconf-2.0 cdebconf dpkg perl-base init-system-helpers lsb-base sysvinit-utils adduser passwd base-passwd ' +
  'ucf sensible-utils install-info systemd tar gcc-12-base'
).split(' ')

/**
 * Downloads packages and their dependencies into `cacheDir`. Dependencies are those of Depends and Pre-Depends, without
 * Essential packages, which are included only by name. A second call with the same packages needs neither apt nor a
 * network. Throws NotFound for a package that apt does not have, ServiceUnavailable when a download fails.
 */
export async function fetchPackages(
  packages: readonly string[],
  o: { cacheDir: string; skip?: readonly string[]; log: Log; signal?: AbortSignal },
): Promise<Deb[]> {
  if (packages.length === 0) return []
  await mkdir(o.cacheDir, { recursive: true })
  const key = createHash('sha256')
    .update(JSON.stringify([packages, o.skip ?? [], process.arch]))
    .digest('hex')
    .slice(0, 16)
  const closureFile = join(o.cacheDir, `closure-${key}.json`)
  const cached = await readClosure(closureFile)
  if (cached) return cached
  const stanzas = await closure(packages, new Set([...notForImages, ...(o.skip ?? [])]), o.signal)
  const debs: Deb[] = []
  for (const stanza of stanzas) debs.push(await fetchDeb(stanza, o))
  await replaceFile(closureFile, JSON.stringify(debs))
  return debs
}

/** The fields of a package in the output of `apt-cache show`. */
interface Stanza {
  name: string
  version: string
  essential: boolean
  /** The dependencies, each a list of alternatives. */
  depends: string[][]
}

/** Parses the output of `apt-cache show`. */
export function parseStanzas(text: string): Stanza[] {
  return text.split(/\n\n+/).flatMap(part => {
    const fields = new Map<string, string>()
    for (const line of part.split('\n')) {
      const match = /^([A-Za-z-]+): (.*)$/.exec(line)
      if (match) fields.set(match[1]!, match[2]!)
    }
    const name = fields.get('Package')
    if (!name) return []
    const depends = [fields.get('Pre-Depends'), fields.get('Depends')].flatMap(readDepends)
    return [{ name, version: fields.get('Version') ?? '', essential: fields.get('Essential') === 'yes', depends }]
  })
}

// Parses `libc6 (>= 2.36), debconf (>= 0.5) | debconf-2.0`. Versions are ignored, since the archive is consistent.
function readDepends(text: string | undefined): string[][] {
  if (!text) return []
  return text.split(',').map(item => item.split('|').map(choice => choice.trim().replace(/[ :(].*$/s, '')))
}

const maxPackages = 500

/** Follows dependencies until no new package is found, taking the first of several alternatives. */
async function closure(
  packages: readonly string[],
  skip: ReadonlySet<string>,
  signal?: AbortSignal,
): Promise<Stanza[]> {
  const found = new Map<string, Stanza>()
  let wanted = [...packages]
  while (wanted.length > 0) {
    const stanzas = await show(wanted, signal)
    const next = new Set<string>()
    for (const name of wanted) {
      const stanza = stanzas.get(name) ?? (await provider(name, signal))
      if (found.has(stanza.name)) continue
      if (stanza.essential && !packages.includes(name)) continue
      found.set(stanza.name, stanza)
      for (const choices of stanza.depends) {
        if (choices.some(choice => skip.has(choice) || found.has(choice))) continue
        next.add(choices[0]!)
      }
    }
    if (found.size > maxPackages)
      throw new StatusError('Invalid', `${packages.join(', ')} depend on more than ${maxPackages} packages`)
    wanted = [...next]
  }
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

async function show(names: readonly string[], signal?: AbortSignal): Promise<Map<string, Stanza>> {
  const result = await run('apt-cache', ['show', '--no-all-versions', ...names], {
    accept: 'any',
    ...(signal ? { signal } : {}),
  })
  return new Map(parseStanzas(result.stdout).map(stanza => [stanza.name, stanza]))
}

/** The first package that provides a virtual one. */
async function provider(name: string, signal?: AbortSignal): Promise<Stanza> {
  const result = await run('apt-cache', ['showpkg', name], { accept: 'any', ...(signal ? { signal } : {}) })
  const first = /Reverse Provides: *\n(\S+)/.exec(result.stdout)?.[1]
  const stanza = first ? (await show([first], signal)).get(first) : undefined
  if (stanza) return stanza
  throw new StatusError('NotFound', `apt has no package ${name}; check the name, or run apt-get update`)
}

async function fetchDeb(stanza: Stanza, o: { cacheDir: string; log: Log; signal?: AbortSignal }): Promise<Deb> {
  const file = `${stanza.name}_${stanza.version.replaceAll(':', '%3a')}`
  const tar = join(o.cacheDir, `${file}.tar`)
  const deb: Deb = { name: stanza.name, version: stanza.version, tar }
  if (await exists(tar)) return deb
  o.log.info('downloading a package', { package: stanza.name, version: stanza.version })
  const download = join(o.cacheDir, `${file}.download`)
  await mkdir(download, { recursive: true })
  try {
    const wanted = `${stanza.name}=${stanza.version}`
    // apt's sandbox user may not write into this directory.
    await run('apt-get', ['-q', '-o', 'APT::Sandbox::User=root', 'download', wanted], {
      cwd: download,
      timeoutMs: 300_000,
      ...(o.signal ? { signal: o.signal } : {}),
    })
  } catch (error) {
    throw new StatusError('ServiceUnavailable', await downloadError(stanza, error), { cause: error })
  }
  // A shell connects dpkg-deb to a file, since its output is binary and may be large.
  const unpack = 'set -e; dpkg-deb --fsys-tarfile "$1"/*.deb > "$2.part"; mv "$2.part" "$2"; rm -r "$1"'
  await run('sh', ['-c', unpack, 'unpack', download, tar], { label: `dpkg-deb ${stanza.name}` })
  return deb
}

async function downloadError({ name, version }: Stanza, error: unknown): Promise<string> {
  const installed = await run('dpkg-query', ['-W', '-f', '${Version}', name], { accept: 'any' })
  const here =
    installed.code === 0
      ? ` (version ${installed.stdout} is installed here, but an image is built from the .deb file)`
      : ''
  return `cannot download the package ${name} ${version}${here}: ${messageOf(error)}`
}

async function readClosure(path: string): Promise<Deb[] | undefined> {
  if (!(await exists(path))) return undefined
  const debs = JSON.parse(await readFile(path, 'utf8')) as Deb[]
  for (const { tar } of debs) if (!(await exists(tar))) return undefined
  return debs
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
