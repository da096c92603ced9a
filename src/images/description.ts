// The description from which an image is built, in `image.yaml` or `image.json` of a directory: names, Debian packages,
// files, links, and how its containers start. Examples are in examples/images.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'
import { messageOf, StatusError } from '../base/errors.ts'

export interface Description {
  /** All names of the image, such as `busybox` or `docker.io/library/busybox:1.36`. */
  names: readonly string[]
  /** Debian packages to include, with their dependencies. */
  packages?: readonly string[]
  /** Dependencies to leave out, in addition to those that only maintainer scripts need. */
  skip?: readonly string[]
  /** Files to add after the packages, which they may replace. `from` is relative to the description. */
  files?: readonly (FilePlace & FileEntry)[]
  directories?: readonly { path: string; mode?: string; owner?: number }[]
  /** Symbolic links, by path, with their targets. */
  links?: Readonly<Record<string, string>>
  /** The path of a busybox in the image. Each of its applets gets a link, unless there is a file of that name. */
  applets?: string
  /** Users and groups for /etc/passwd and /etc/group, in addition to root and nobody. */
  users?: readonly { name: string; id: number; home?: string; shell?: string }[]
  user?: string
  env?: Readonly<Record<string, string>>
  workdir?: string
  entrypoint?: readonly string[]
  cmd?: readonly string[]
  /** Exposed ports, such as `80` or `53/udp`. */
  ports?: readonly (number | string)[]
  stopSignal?: string
  labels?: Readonly<Record<string, string>>
}

/** A file with the content of another, or with a text. */
type FileEntry = { from: string; text?: undefined } | { text: string; from?: undefined }
interface FilePlace {
  to: string
  /** The permissions in octal, such as `"0755"`. Default 0644. */
  mode?: string
  owner?: number
}

const fieldKinds: Readonly<Record<keyof Description, 'list' | 'map' | 'text'>> = {
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

/** Reads the first of `image.yaml`, `image.yml` and `image.json` in `dir`. Throws NotFound when there is none. */
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

/** Parses and checks a description. Throws Invalid with the file and the field. */
export function parseDescription(text: string, file: string): Description {
  let value: unknown
  try {
    value = parse(text)
  } catch (error) {
    throw new StatusError('Invalid', `${file}: ${messageOf(error)}`, { cause: error })
  }
  const invalid = (what: string) => new StatusError('Invalid', `${file}: ${what}`)
  if (!isMap(value)) throw invalid('an image description must be a map')
  for (const [field, content] of Object.entries(value)) {
    const kind = fieldKinds[field as keyof Description]
    if (!kind) throw invalid(`unknown field ${field}; the fields are ${Object.keys(fieldKinds).join(', ')}`)
    const fits =
      kind === 'list' ? Array.isArray(content) : kind === 'map' ? isMap(content) : typeof content === 'string'
    if (!fits) throw invalid(`${field}: must be a ${kind}`)
  }
  const description = value as Partial<Description>
  const { names } = description
  if (!names?.length) throw invalid('names: must have at least one name')
  for (const [i, entry] of (description.files ?? []).entries()) {
    if (!entry.to?.startsWith('/')) throw invalid(`files[${i}].to: must be an absolute path`)
    if ((entry.from === undefined) === (entry.text === undefined))
      throw invalid(`files[${i}]: must have either from or text`)
    if (entry.mode !== undefined && !/^[0-7]{3,4}$/.test(entry.mode))
      throw invalid(`files[${i}].mode: must be octal in quotes, such as "0755"`)
  }
  return { ...description, names }
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
