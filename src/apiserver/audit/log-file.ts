// The backend that writes events into a file, one on a line. The file is renamed when it has its full size, and old files
// are removed by number and age.
//
//   audit.log ─► audit-2026-11-29T06-00-00.000.log ─► removed
//
// - Lines of one turn of the event loop are one write. What waits has at most `maxWaitingBytes`; more is dropped and
//   counted, as is what cannot be written.
// - Files are readable by their owner only.
import { type FileHandle, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import type { Clock } from '../../base/clock.ts'
import type { Log } from '../../base/log.ts'
import { counter } from '../../base/metrics.ts'
import type { AuditBackend } from './auditor.ts'

interface LogFileOptions {
  readonly path: string
  readonly maxBytes: number
  /** The number of old files that are kept, and their age; 0 keeps all. */
  readonly maxBackups: number
  readonly maxAgeMs: number
  readonly clock: Clock
  readonly log: Log
}

const maxWaitingBytes = 32 << 20

/** Events that no backend has written. */
export const dropped = counter('apiserver_audit_error_total', 'Audit events that were dropped, by backend')

export class AuditLogFile implements AuditBackend {
  readonly #options: LogFileOptions
  #waiting: string[] = []
  #waitingBytes = 0
  #file: FileHandle | undefined
  #size = 0
  #writing: Promise<void> | undefined
  #isFailing = false

  constructor(options: LogFileOptions) {
    this.#options = options
  }

  write(line: string): void {
    if (this.#waitingBytes + line.length > maxWaitingBytes) return dropped.add({ plugin: 'log' })
    this.#waiting.push(line)
    this.#waitingBytes += line.length + 1
    this.#writing ??= this.#drain().finally(() => (this.#writing = undefined))
  }

  async close(): Promise<void> {
    while (this.#writing) await this.#writing
    await this.#file?.close()
    this.#file = undefined
  }

  async #drain(): Promise<void> {
    // Later lines of this turn go into the same write.
    await new Promise<void>(resolve => void setImmediate(resolve))
    while (this.#waiting.length) {
      const lines = this.#waiting
      this.#waiting = []
      this.#waitingBytes = 0
      try {
        await this.#append(Buffer.from(`${lines.join('\n')}\n`))
        this.#isFailing = false
      } catch (error) {
        dropped.add({ plugin: 'log' }, lines.length)
        if (!this.#isFailing) this.#options.log.error('the audit log cannot be written', { error })
        this.#isFailing = true
        await this.#file?.close().catch(() => {})
        this.#file = undefined
      }
    }
  }

  async #append(bytes: Buffer): Promise<void> {
    const { path, maxBytes } = this.#options
    let file = this.#file ?? (await this.#open())
    if (this.#size > 0 && this.#size + bytes.length > maxBytes) {
      await file.close()
      this.#file = undefined
      await rename(path, this.#backupName())
      file = await this.#open()
      await this.#removeOld()
    }
    await file.appendFile(bytes)
    this.#size += bytes.length
  }

  async #open(): Promise<FileHandle> {
    const { path } = this.#options
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    const file = await open(path, 'a', 0o600)
    this.#size = (await file.stat()).size
    this.#file = file
    return file
  }

  #backupName(): string {
    const { path, clock } = this.#options
    const time = new Date(clock.now()).toISOString().slice(0, -1).replaceAll(':', '-')
    return join(dirname(path), `${this.#stem()}-${time}${extname(path)}`)
  }

  #stem(): string {
    const { path } = this.#options
    return basename(path, extname(path))
  }

  async #removeOld(): Promise<void> {
    const { path, maxBackups, maxAgeMs, clock } = this.#options
    const start = `${this.#stem()}-`
    const times = (await readdir(dirname(path))).flatMap(name => {
      const match = /^(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d\.\d{3})$/.exec(
        name.startsWith(start) && name.endsWith(extname(path)) ? name.slice(start.length, -extname(path).length) : '',
      )
      return match ? [{ name, at: Date.parse(`${match[1]}T${match[2]}:${match[3]}:${match[4]}Z`) }] : []
    })
    const newestFirst = times.sort((a, b) => b.at - a.at)
    const old = newestFirst.filter(
      ({ at }, i) => (maxBackups > 0 && i >= maxBackups) || (maxAgeMs > 0 && clock.now() - at > maxAgeMs),
    )
    for (const { name } of old) await rm(join(dirname(path), name), { force: true })
  }
}
