// Where static pods come from: the files of a directory, which is watched, and a URL, which is asked now and then. Both
// are read again after a while in any case, since a watch may miss a change.
// Source: kubernetes pkg/kubelet/config/file.go, file_linux.go, http.go.
import { type FSWatcher, watch } from 'node:fs'
import { open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { Chore } from '../../base/chore.ts'
import type { Clock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { joined } from '../../base/waiters.ts'
import { every } from '../node/node.ts'
import type { StaticDocument } from './read.ts'

/** The border between static pods and where they are written. Tests have another one. */
export interface StaticSource {
  /** Calls `changed` with all documents, first now and then whenever they may have changed, until the signal aborts. */
  follow(changed: (documents: readonly StaticDocument[]) => void, signal: AbortSignal): void
}

/** Source: maxConfigLength upstream. */
const maxBytes = 10 * 2 ** 20
const maxFiles = 500
const answerMs = 10_000

interface SourceOptions {
  everyMs: number
  clock: Clock
  log: Log
}

/** The files of a directory, or one file. Names that begin with a dot are left out, and so is what is no file. */
export function directorySource(path: string, { everyMs, clock, log }: SourceOptions): StaticSource {
  return {
    follow(changed, signal) {
      let watcher: FSWatcher | undefined
      const chore = new Chore({ signal }, async () => {
        try {
          changed(await readAll(path, log))
        } catch (error) {
          log.warn('static pods could not be read', { path, why: messageOf(error) })
        }
      })
      const close = () => {
        watcher?.close()
        watcher = undefined
      }
      signal.addEventListener('abort', close, { once: true })
      const watchAgain = () => {
        // A directory that was removed and made again is another one.
        close()
        try {
          watcher = watch(path, { persistent: false }, () => chore.wake()).on('error', close)
        } catch {
          // The directory may be made later; until then it is looked at as often as any other.
        }
      }
      void every(clock, everyMs, signal, async () => {
        watchAgain()
        chore.wake()
        await chore.settled()
      })
    },
  }
}

async function readAll(path: string, log: Log): Promise<StaticDocument[]> {
  const documents: StaticDocument[] = []
  for (const file of await filesOf(path)) {
    try {
      const text = await readLimited(file)
      if (text !== undefined) documents.push({ source: file, kind: 'file', text })
    } catch (error) {
      log.warn('a file of static pods could not be read', { file, why: messageOf(error) })
    }
  }
  return documents
}

async function filesOf(path: string): Promise<string[]> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (!found) return []
  if (!found.isDirectory()) return [path]
  const names = (await readdir(path)).filter(name => !name.startsWith('.')).sort()
  return names.slice(0, maxFiles).map(name => join(path, name))
}

/** The text of a file; undefined for a directory, a FIFO and the like, which are not opened. */
async function readLimited(path: string): Promise<string | undefined> {
  if (!(await stat(path)).isFile()) return undefined
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    if (size > maxBytes) throw new Error(`has more than ${maxBytes} bytes`)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size), 0, size, 0)
    return buffer.toString('utf8', 0, bytesRead)
  } finally {
    await file.close()
  }
}

/** What a URL answers. While it answers nothing, or with an error, the documents stay as they were. */
export function urlSource(
  url: string,
  headers: ReadonlyMap<string, readonly string[]>,
  { everyMs, clock, log }: SourceOptions,
): StaticSource {
  return {
    follow(changed, signal) {
      void every(clock, everyMs, signal, async () => {
        const { signal: limit, release } = joined(signal, AbortSignal.timeout(answerMs))
        try {
          changed([{ source: url, kind: 'http', text: await fetchText(url, headers, limit) }])
        } catch (error) {
          if (!signal.aborted) log.warn('static pods could not be fetched', { url, why: messageOf(error) })
        } finally {
          release()
        }
      })
    },
  }
}

async function fetchText(
  url: string,
  headers: ReadonlyMap<string, readonly string[]>,
  signal: AbortSignal,
): Promise<string> {
  const response = await fetch(url, {
    headers: [...headers].flatMap(([k, all]) => all.map((v): [string, string] => [k, v])),
    signal,
  })
  if (!response.ok || !response.body) {
    await response.body?.cancel()
    throw new Error(`${url} answers with ${response.status}`)
  }
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of response.body) {
    bytes += part.length
    // Leaving the loop cancels the answer.
    if (bytes > maxBytes) throw new Error(`${url} answers with more than ${maxBytes} bytes`)
    parts.push(part)
  }
  if (bytes === 0) throw new Error(`${url} answers with nothing`)
  return Buffer.concat(parts).toString('utf8')
}
