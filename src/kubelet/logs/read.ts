// Reads container logs in the CRI format, with one entry on each line:
//
//   2026-01-02T03:04:05.678901234Z stdout F the text
//                                  stream  F = whole line, P = part of a longer one
//
// A log can be followed while it grows, also beyond its rotation. Source: kubernetes pkg/kubelet/kuberuntime/logs.
import { type FileHandle, open, stat } from 'node:fs/promises'
import { watch } from 'node:fs'
import { basename, dirname } from 'node:path'

interface LogEntry {
  /** The time as it is in the file, with nanoseconds. */
  time: string
  stream: 'stdout' | 'stderr'
  /** False when the line goes on in the next entry. */
  whole: boolean
  text: Buffer
}

/** The entry in a line without its newline. Undefined for any other text. */
export function parseEntry(line: Buffer): LogEntry | undefined {
  const first = line.indexOf(32)
  const second = line.indexOf(32, first + 1)
  const third = line.indexOf(32, second + 1)
  if (first < 0 || second < 0 || third < 0) return undefined
  const stream = line.toString('latin1', first + 1, second)
  if (stream !== 'stdout' && stream !== 'stderr') return undefined
  const [tag] = line.toString('latin1', second + 1, third).split(':')
  return { time: line.toString('latin1', 0, first), stream, whole: tag !== 'P', text: line.subarray(third + 1) }
}

export interface LogOptions {
  follow?: boolean
  tailLines?: number | undefined
  limitBytes?: number | undefined
  /** Entries before this time, in ms since the epoch, are left out. */
  sinceMs?: number | undefined
  timestamps?: boolean
  stream?: 'stdout' | 'stderr' | undefined
  signal?: AbortSignal
}

const chunkBytes = 64 * 1024

/** The container that writes a log. */
interface LogWriter {
  running(): boolean
  /** Calls `changed` whenever `running` may have changed. Returns a function that ends this. */
  listen(changed: () => void): () => void
}

/** The text of a log in the form of `kubectl logs`. With `follow` it ends when the writer has ended. */
export async function* readLog(path: string, o: LogOptions, writer?: LogWriter): AsyncGenerator<Buffer> {
  let file = await open(path, 'r')
  const watcher = o.follow ? new LogWatcher(path, writer, o.signal) : undefined
  const budget = { left: o.limitBytes ?? Number.POSITIVE_INFINITY }
  try {
    let at = o.tailLines === undefined ? 0 : await tailStart(file, o.tailLines)
    for (;;) {
      // The wait begins before the read, so that no change between the two is missed.
      const next = watcher?.next()
      const alive = writer?.running() ?? false
      const lines = new Lines(file, at)
      yield* shown(lines.read(), o, budget)
      at = lines.at
      if (!next || budget.left <= 0 || o.signal?.aborted) return
      if (await isReplaced(file, path)) {
        if ((await file.stat()).size > at) continue
        await file.close()
        file = await open(path, 'r')
        at = 0
        continue
      }
      if (!alive) return
      await next
    }
  } finally {
    watcher?.close()
    await file.close()
  }
}

async function* shown(lines: AsyncIterable<Buffer>, o: LogOptions, budget: { left: number }): AsyncGenerator<Buffer> {
  if (budget.left <= 0) return
  for await (const line of lines) {
    const out = format(line, o)
    if (!out?.length) continue
    yield out.subarray(0, Math.min(out.length, budget.left))
    budget.left -= out.length
    if (budget.left <= 0) return
  }
}

function format(line: Buffer, o: LogOptions): Buffer | undefined {
  const entry = parseEntry(line)
  if (!entry || (o.stream && entry.stream !== o.stream)) return undefined
  if (o.sinceMs !== undefined && Date.parse(entry.time) < o.sinceMs) return undefined
  const parts: Buffer[] = []
  if (o.timestamps) parts.push(Buffer.from(`${entry.time} `))
  parts.push(entry.text)
  if (entry.whole) parts.push(newline)
  return Buffer.concat(parts)
}

const newline = Buffer.from('\n')

/** Reads whole lines from an offset to the present end. */
class Lines {
  at: number
  readonly #file: FileHandle

  constructor(file: FileHandle, at: number) {
    this.#file = file
    this.at = at
  }

  async *read(): AsyncGenerator<Buffer> {
    let rest: Buffer = Buffer.alloc(0)
    let from = this.at
    for (;;) {
      const { buffer, bytesRead } = await this.#file.read(Buffer.alloc(chunkBytes), 0, chunkBytes, from)
      if (bytesRead === 0) return
      from += bytesRead
      let data = rest.length ? Buffer.concat([rest, buffer.subarray(0, bytesRead)]) : buffer.subarray(0, bytesRead)
      for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10)) {
        const line = data.subarray(0, end)
        this.at += end + 1
        data = data.subarray(end + 1)
        yield line
      }
      rest = data
    }
  }
}

// The offset of the last lines. The file is read from its end, block by block, until there are enough.
async function tailStart(file: FileHandle, lines: number): Promise<number> {
  const { size } = await file.stat()
  if (lines <= 0) return size
  let found = 0
  let end = size
  while (end > 0) {
    const from = Math.max(0, end - chunkBytes)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(end - from), 0, end - from, from)
    for (let i = bytesRead - 1; i >= 0; i--) {
      if (buffer[i] !== 10 || from + i === size - 1) continue
      if (++found >= lines) return from + i + 1
    }
    end = from
  }
  return 0
}

async function isReplaced(file: FileHandle, path: string): Promise<boolean> {
  try {
    const [open, now] = await Promise.all([file.stat(), stat(path)])
    return open.ino !== now.ino
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

/** Reports when a log grew or was renamed, or when its writer changed. It uses inotify instead of polling. */
class LogWatcher {
  readonly #stops: (() => void)[] = []
  #waiting: (() => void)[] = []

  constructor(path: string, writer: LogWriter | undefined, signal: AbortSignal | undefined) {
    const wakeAll = () => {
      for (const wake of this.#waiting.splice(0)) wake()
    }
    const watcher = watch(dirname(path), (_, name) => {
      if (name === null || name === basename(path)) wakeAll()
    })
    // The directory may be removed with the pod.
    watcher.on('error', wakeAll)
    signal?.addEventListener('abort', wakeAll, { once: true })
    this.#stops.push(
      () => watcher.close(),
      () => signal?.removeEventListener('abort', wakeAll),
      writer?.listen(wakeAll) ?? (() => {}),
    )
  }

  /** Resolves at the next change after this call. */
  next(): Promise<void> {
    return new Promise(resolve => this.#waiting.push(resolve))
  }

  close(): void {
    for (const stop of this.#stops) stop()
  }
}

/** The end of a log, for termination messages, within the limits. '' when there is no log. */
export async function readLastLines(path: string, limit: { bytes: number; lines: number }): Promise<string> {
  const parts: Buffer[] = []
  try {
    for await (const part of readLog(path, { tailLines: limit.lines })) parts.push(part)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
  const all = Buffer.concat(parts)
  return all.subarray(Math.max(0, all.length - limit.bytes)).toString()
}
