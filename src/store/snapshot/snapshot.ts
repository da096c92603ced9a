// A snapshot: the whole state of a store at one revision, in one file that is its own proof. It is gzip of
//
//   {"format":"kutter-snapshot/1","name":"default","revision":812,"createdAt":"2026-01-02T03:04:05Z"}
//   {"file":"pki/ca.crt","mode":384,"bytes":1103}     and so many bytes, for each file that goes with the state
//   {"key":"/registry/…","revision":7,"created":3,"bytes":812}     and so many bytes, for each key
//   {"end":true,"keys":142,"sha256":"…"}              of everything before
//
// A file with another sum, or without its end, is refused before anything of it is used.
import { createHash, type Hash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import { messageOf } from '../../base/errors.ts'
import { entriesAt } from '../pages.ts'
import { type Entry, type Revision, type Store, storeLimits } from '../store.ts'

const format = 'kutter-snapshot/1'
/** Of one line, and of one file that goes with the state. */
const maxLineBytes = 64 << 10
const maxFileBytes = 1 << 20

interface SnapshotHead {
  /** Of the cluster. */
  name: string
  revision: Revision
  /** RFC 3339. */
  createdAt: string
}

interface SnapshotInfo extends SnapshotHead {
  keys: number
  sha256: string
}

/** A file that goes with the state, such as a key without which it cannot be read. */
export interface SnapshotFile {
  /** Relative to the directory of the cluster. */
  path: string
  mode: number
  bytes: Buffer
}

/** What a snapshot has after its first line. */
type SnapshotPart = { type: 'file'; file: SnapshotFile } | { type: 'entry'; entry: Entry }

/** A file that is no snapshot, or not a whole one. */
export class SnapshotError extends Error {}

/**
 * Writes the state of the store as it is now to a file of mode 0600, which is there only when it is complete and on the
 * disk. Returns what it has.
 */
export async function saveSnapshot(
  store: Store,
  file: string,
  { files = [], ...head }: Omit<SnapshotHead, 'revision'> & { files?: readonly SnapshotFile[] },
): Promise<SnapshotInfo> {
  const revision = await store.revision()
  const sum = createHash('sha256')
  const info = { ...head, revision, keys: 0, sha256: '' }
  const partial = `${file}.partial`
  try {
    const lines = linesOf(store, { ...head, revision }, files, sum, info)
    await pipeline(Readable.from(lines), createGzip(), createWriteStream(partial, { mode: 0o600 }))
    const handle = await open(partial, 'r+')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(partial, file)
  } catch (error) {
    await rm(partial, { force: true })
    throw error
  }
  return info
}

async function* linesOf(
  store: Store,
  head: SnapshotHead,
  files: readonly SnapshotFile[],
  sum: Hash,
  info: SnapshotInfo,
): AsyncGenerator<Buffer> {
  const summed = (bytes: Buffer) => (sum.update(bytes), bytes)
  const part = (line: object, bytes: Uint8Array) =>
    summed(Buffer.concat([Buffer.from(`${JSON.stringify({ ...line, bytes: bytes.byteLength })}\n`), bytes]))
  yield summed(Buffer.from(`${JSON.stringify({ format, ...head })}\n`))
  for (const { path, mode, bytes } of files) yield part({ file: path, mode }, bytes)
  for await (const { key, revision, created, value } of entriesAt(store, head.revision)) {
    yield part({ key, revision, created }, value)
    info.keys++
  }
  info.sha256 = sum.digest('hex')
  yield Buffer.from(`${JSON.stringify({ end: true, keys: info.keys, sha256: info.sha256 })}\n`)
}

/** Reads a whole file and checks it. Throws SnapshotError when it is not what was written. */
export async function checkSnapshot(file: string): Promise<SnapshotInfo> {
  const reader = new Reader(file)
  for await (const part of reader.parts()) void part
  return reader.info!
}

/** Only what a snapshot says of itself at its beginning; the rest is not looked at. */
export async function snapshotHead(file: string): Promise<SnapshotHead> {
  const reader = new Reader(file)
  for await (const part of reader.parts()) {
    void part
    break
  }
  return reader.head!
}

/** The parts of a snapshot in their order. Throws SnapshotError at the end when the sum is wrong: check it before. */
export const snapshotParts = (file: string): AsyncGenerator<SnapshotPart> => new Reader(file).parts()

class Reader {
  readonly #file: string
  #sum = createHash('sha256')
  #rest: Buffer = Buffer.alloc(0)
  head: SnapshotHead | undefined
  info: SnapshotInfo | undefined

  constructor(file: string) {
    this.#file = file
  }

  async *parts(): AsyncGenerator<SnapshotPart> {
    const source = createReadStream(this.#file)
    const chunks = source.pipe(createGunzip())
    source.on('error', error => chunks.destroy(error))
    try {
      const input = (chunks as AsyncIterable<Buffer>)[Symbol.asyncIterator]()
      const first = await this.#line(input)
      this.#sum.update(first.text)
      this.head = readHead(first.line)
      for (let keys = 0; ; ) {
        const { text, line } = await this.#line(input)
        if (line.end === true) return this.#end(line, keys, this.#sum.digest('hex'))
        this.#sum.update(text)
        const bytes = await this.#bytes(input, line)
        if (typeof line.key === 'string') keys++
        yield partOf(line, bytes)
      }
    } catch (error) {
      if (error instanceof SnapshotError) throw this.#named(error.message)
      throw this.#named(messageOf(error), error)
    } finally {
      source.destroy()
      chunks.destroy()
    }
  }

  #end({ keys, sha256 }: Record<string, unknown>, found: number, sum: string): void {
    if (sha256 !== sum || keys !== found) throw new SnapshotError('its sum is wrong')
    this.info = { ...this.head!, keys: found, sha256: sum }
  }

  #named(why: string, cause?: unknown): SnapshotError {
    return new SnapshotError(`${this.#file} is no whole snapshot: ${why}`, { cause })
  }

  async #line(input: AsyncIterator<Buffer>): Promise<{ text: Buffer; line: Record<string, unknown> }> {
    let end = this.#rest.indexOf(10)
    while (end < 0) {
      if (this.#rest.length > maxLineBytes) throw new SnapshotError('it has a line that is too long')
      await this.#more(input)
      end = this.#rest.indexOf(10)
    }
    const text = this.#take(end + 1)
    const line: unknown = JSON.parse(text.toString())
    if (typeof line !== 'object' || line === null) throw new SnapshotError('it has a line that is no object')
    return { text, line: line as Record<string, unknown> }
  }

  async #bytes(input: AsyncIterator<Buffer>, { bytes: count, file }: Record<string, unknown>): Promise<Buffer> {
    const limit = typeof file === 'string' ? maxFileBytes : storeLimits.valueBytes
    if (!Number.isInteger(count) || (count as number) < 0 || (count as number) > limit)
      throw new SnapshotError('it has a part without a valid size')
    const parts = [this.#rest]
    for (let have = this.#rest.length; have < (count as number); ) {
      const { value, done } = await input.next()
      if (done) throw new SnapshotError('its end is missing')
      parts.push(value as Buffer)
      have += (value as Buffer).length
    }
    this.#rest = Buffer.concat(parts)
    const bytes = this.#take(count as number)
    this.#sum.update(bytes)
    return bytes
  }

  #take(count: number): Buffer {
    // A copy, since what is read later would otherwise keep the whole chunk.
    const taken = Buffer.from(this.#rest.subarray(0, count))
    this.#rest = this.#rest.subarray(count)
    return taken
  }

  async #more(input: AsyncIterator<Buffer>): Promise<void> {
    const { value, done } = await input.next()
    if (done) throw new SnapshotError('its end is missing')
    this.#rest = Buffer.concat([this.#rest, value as Buffer])
  }
}

function readHead({ format: is, name, revision, createdAt }: Record<string, unknown>): SnapshotHead {
  if (is !== format) throw new SnapshotError(`its format is not ${format}`)
  if (typeof name !== 'string' || !isRevision(revision) || typeof createdAt !== 'string')
    throw new SnapshotError('its first line is incomplete')
  return { name, revision, createdAt }
}

function partOf({ key, revision, created, file, mode }: Record<string, unknown>, bytes: Buffer): SnapshotPart {
  if (typeof key === 'string' && isRevision(revision) && isRevision(created))
    return { type: 'entry', entry: { key, revision, created, value: bytes } }
  if (typeof file === 'string' && Number.isInteger(mode))
    return { type: 'file', file: { path: file, mode: mode as number, bytes } }
  throw new SnapshotError('it has a part that is neither a key nor a file')
}

const isRevision = (value: unknown): value is Revision => Number.isSafeInteger(value) && (value as number) >= 0
