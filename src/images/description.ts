// The description an image is built from: `image.json` or `image.yaml` in a directory. Names, Debian packages, files,
// links, and how the container starts.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'
import { messageOf, StatusError } from '../base/errors.ts'

export interface Description {
  /** Every name the image is to have: `busybox`, `docker.io/library/busybox:1.36`. */
  names: readonly string[]
  /** Debian packages, with what they depend on. */
  packages?: readonly string[]
  /** Dependencies to leave out, beside those only maintainer scripts need. */
  skip?: readonly string[]
  /** Put in after the packages; `from` is relative to the description. */
  files?: readonly FileEntry[]
  directories?: readonly { path: string; mode?: string; owner?: number }[]
  /** Symbolic links: where → what it points to. */
  links?: Readonly<Record<string, string>>
  /** A busybox in the image: a link for each of its applets is made where nothing is yet. */
  applets?: string
  /** Lines for /etc/passwd and /etc/group beside root and nobody. */
  users?: readonly { name: string; id: number; home?: string; shell?: string }[]
  user?: string
  env?: Readonly<Record<string, string>>
  workdir?: string
  entrypoint?: readonly string[]
  cmd?: readonly string[]
  /** `80` or `53/udp`. */
  ports?: readonly (number | string)[]
  stopSignal?: string
  labels?: Readonly<Record<string, string>>
}

interface FileEntry {
  to: string
  from?: string
  text?: string
  /** Octal, as `"0755"`. Default 0644. */
  mode?: string
  owner?: number
}

const known: Readonly<Record<keyof Description, 'list' | 'map' | 'text'>> = {
  names: 'list',
  packages: 'list',
  skip: 'list',
  files: 'list',
  directories: 'list',
  links: 'map',
  applets: 'text',
  users: 'list',
  user: 'text',
  env: 'map',
  workdir: 'text',
  entrypoint: 'list',
  cmd: 'list',
  ports: 'list',
  stopSignal: 'text',
  labels: 'map',
}

/** Reads `image.yaml`, `image.yml` or `image.json` in `dir`. Errors name the file and the field. */
export async function readDescription(dir: string): Promise<Description> {
  for (const name of ['image.yaml', 'image.yml', 'image.json']) {
    const file = join(dir, name)
    let text: string
    try {
      text = await readFile(file, 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue
      throw error
    }
    return parseDescription(text, file)
  }
  throw new StatusError('NotFound', `${dir} has no image.yaml or image.json`)
}

export function parseDescription(text: string, file: string): Description {
  let value: unknown
  try {
    value = parse(text)
  } catch (error) {
    throw new StatusError('Invalid', `${file}: ${messageOf(error)}`, { cause: error })
  }
  const invalid = (what: string) => new StatusError('Invalid', `${file}: ${what}`)
  if (!isMap(value)) throw invalid('an image description is a map')
  for (const [field, content] of Object.entries(value)) {
    const kind = known[field as keyof Description]
    if (!kind) throw invalid(`unknown field ${field}; known are ${Object.keys(known).join(', ')}`)
    const fits =
      kind === 'list' ? Array.isArray(content) : kind === 'map' ? isMap(content) : typeof content === 'string'
    if (!fits) throw invalid(`${field}: must be a ${kind}`)
  }
  const description = value as unknown as Description
  if (!description.names?.length) throw invalid('names: at least one is needed')
  for (const [i, entry] of (description.files ?? []).entries()) {
    if (!entry.to?.startsWith('/')) throw invalid(`files[${i}].to: must be an absolute path`)
    if ((entry.from === undefined) === (entry.text === undefined))
      throw invalid(`files[${i}]: needs either from or text`)
    if (entry.mode !== undefined && !/^[0-7]{3,4}$/.test(entry.mode))
      throw invalid(`files[${i}].mode: must be octal in quotes, as "0755"`)
  }
  return description
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
