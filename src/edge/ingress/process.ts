// The processes of HAProxy of one node. Each start is a generation with a directory of its own; a new one takes the
// listening sockets over from the one before, so no connection is refused, and that one ends with its last connection.
//
//   7/haproxy.cfg, 7/cli-7 ── runs                     (asked for its sockets by `-x`, then made to finish by `-sf`)
//   8/haproxy.cfg, 8/cli-8 ── starts ─► answers at its socket: 7 is removed │ ends: 8 is removed, 7 goes on
//
// Processes outlive the agent, which finds them by the path of the configuration on their command lines. They are started
// as root, and become another user, shut in in an empty directory, before the first request.
// Source: HAProxy management guide, 4 (Stopping and restarting).
import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../base/clock.ts'
import { StatusError } from '../../base/errors.ts'
import { replaceFile, textOf, whenThere } from '../../base/files.ts'
import { commandLines, isRunning, run, sendSignal } from '../../linux/index.ts'
import { infoOf } from './cli.ts'
import { configFile, type Files, placeholderFile } from './config.ts'

/** One process that serves. */
export interface Generation {
  number: number
  pid: number
  socket: string
  digest: string
}

const startMs = 30_000
const lookMs = 15
const endMs = 5_000
const maxLogBytes = 1024 * 1024
/** How many processes may be finishing. The oldest ends when there are more. */
const maxFinishing = 8

export class Haproxy {
  readonly #dir: string
  readonly #clock: Clock

  /** @param dir is only for this; its path is at most about 80 characters long, as it is part of that of a socket */
  constructor(dir: string, clock: Clock) {
    this.#dir = dir
    this.#clock = clock
  }

  get #certificates(): string {
    return join(this.#dir, 'certificates')
  }

  #socket(number: number): string {
    return join(this.#dir, String(number), socketOf(number))
  }

  get emptyDir(): string {
    return join(this.#dir, 'empty')
  }

  async prepare(): Promise<void> {
    await mkdir(this.#certificates, { recursive: true, mode: 0o700 })
    await mkdir(this.emptyDir, { recursive: true, mode: 0o755 })
  }

  /** The process that serves at present, with the text of its configuration. */
  async current(): Promise<(Generation & { config: string }) | undefined> {
    for (const { number, pid } of await this.#processes()) {
      const socket = this.#socket(number)
      const info = await infoOf(socket).catch(() => undefined)
      if (info?.pid !== pid) continue
      return {
        number,
        pid,
        socket,
        digest: info.digest,
        config: await textOf(join(this.#dir, String(number), configFile)),
      }
    }
    return undefined
  }

  /** Starts the next generation in place of `before`. Throws with HAProxy's words if it does not start; `before` goes on. */
  async start(files: Files, before: Generation | undefined, signal: AbortSignal): Promise<Generation> {
    const number = 1 + Math.max(0, ...(await this.#numbers()), ...(await this.#processes()).map(one => one.number))
    const dir = await this.#write(number, files)
    const log = join(this.#dir, 'haproxy.log')
    const size = (await whenThere(() => stat(log), undefined))?.size ?? 0
    if (size > maxLogBytes) await rename(log, `${log}.1`)
    const from = size > maxLogBytes ? 0 : size
    const pid = await this.#spawn(dir, log, before)
    try {
      const generation = await this.#answering(number, pid, signal)
      await this.#clear(number)
      return generation
    } catch (error) {
      sendSignal(pid, 'SIGKILL')
      await rm(dir, { recursive: true, force: true })
      const said = Buffer.from(await textOf(log))
        .subarray(from)
        .toString('utf8')
      throw new StatusError('InternalError', alerts(said) || String(error), { cause: error })
    }
  }

  /** Whether HAProxy would take these files. */
  async accepts(files: Files, signal: AbortSignal): Promise<boolean> {
    const dir = await this.#write('check', files)
    try {
      const args = ['-c', '-q', '-f', join(dir, configFile)]
      return (await run('haproxy', args, { cwd: dir, accept: 'any', signal, env: searchPath() })).code === 0
    } finally {
      await rm(dir, { recursive: true, force: true })
    }
  }

  async certificate(file: string): Promise<string> {
    return textOf(join(this.#certificates, file))
  }

  async writeCertificate(file: string, pem: string): Promise<void> {
    await replaceFile(join(this.#certificates, file), pem, { mode: 0o600 })
  }

  /** Removes the certificates that are not among these. */
  async keepCertificates(files: ReadonlySet<string>): Promise<void> {
    for (const file of await whenThere(() => readdir(this.#certificates), []))
      if (!files.has(file) && file !== placeholderFile) await rm(join(this.#certificates, file), { force: true })
  }

  /** Lets go of the ports at once, and of connections when they end or after ten minutes. */
  async finish(): Promise<void> {
    for (const { pid } of await this.#processes()) sendSignal(pid, 'SIGUSR1')
    await rm(this.#dir, { recursive: true, force: true })
  }

  /** Ends all processes, with their connections, and removes the files. */
  async stop(): Promise<void> {
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const processes = await this.#processes()
      for (const { pid } of processes) sendSignal(pid, signal)
      for (let waitedMs = 0; waitedMs < endMs && processes.some(({ pid }) => isRunning(pid)); waitedMs += lookMs)
        await this.#clock.sleep(lookMs)
    }
    await rm(this.#dir, { recursive: true, force: true })
  }

  async #write(name: number | string, { textsFor }: Files): Promise<string> {
    const dir = join(this.#dir, String(name))
    await rm(dir, { recursive: true, force: true })
    await mkdir(dir, { recursive: true, mode: 0o700 })
    for (const [file, text] of textsFor(socketOf(name))) await writeFile(join(dir, file), text, { mode: 0o600 })
    return dir
  }

  async #spawn(dir: string, log: string, before: Generation | undefined): Promise<number> {
    // Processes that a killed agent left behind are made to finish, too.
    const others = (await this.#processes()).map(({ pid }) => String(pid))
    const takeOver = before ? ['-x', before.socket] : []
    const out = openSync(log, 'a', 0o600)
    try {
      const args = ['-db', '-q', '-f', join(dir, configFile), ...takeOver, ...(others.length ? ['-sf', ...others] : [])]
      const child = spawn('haproxy', args, {
        cwd: dir,
        detached: true,
        stdio: ['ignore', out, out],
        env: { ...process.env, ...searchPath() },
      })
      await new Promise<void>((resolve, reject) => {
        child.once('spawn', resolve)
        child.once('error', cause => {
          const missing = 'haproxy: program not found; install the package haproxy'
          reject(new StatusError('InternalError', missing, { cause }))
        })
      })
      child.unref()
      return child.pid!
    } finally {
      closeSync(out)
    }
  }

  async #answering(number: number, pid: number, signal: AbortSignal): Promise<Generation> {
    const socket = this.#socket(number)
    for (let waitedMs = 0; waitedMs < startMs; waitedMs += lookMs) {
      signal.throwIfAborted()
      const info = await infoOf(socket).catch(() => undefined)
      if (info?.pid === pid) return { number, pid, socket, digest: info.digest }
      if (!isRunning(pid)) throw new StatusError('InternalError', 'HAProxy ended at once')
      await this.#clock.sleep(lookMs, signal)
    }
    throw new StatusError('Timeout', `HAProxy does not answer after ${startMs / 1000} seconds`)
  }

  /** Removes what earlier generations have left, and ends the oldest of too many that are finishing. */
  async #clear(current: number): Promise<void> {
    for (const number of await this.#numbers())
      if (number !== current) await rm(join(this.#dir, String(number)), { recursive: true, force: true })
    for (const { pid } of (await this.#processes()).slice(1 + maxFinishing)) sendSignal(pid, 'SIGTERM')
  }

  async #numbers(): Promise<number[]> {
    const names = await whenThere(() => readdir(this.#dir), [])
    return names.filter(name => /^\d+$/.test(name)).map(Number)
  }

  /** All processes that run, the newest first. */
  async #processes(): Promise<{ number: number; pid: number }[]> {
    const found: { number: number; pid: number }[] = []
    for (const { pid, words } of await commandLines()) {
      const config = words[words.indexOf('-f') + 1] ?? ''
      if (!words[0]?.endsWith('haproxy') || words.includes('-c') || !config.startsWith(`${this.#dir}/`)) continue
      const number = Number(config.slice(this.#dir.length + 1).split('/')[0])
      if (number && isRunning(pid)) found.push({ number, pid })
    }
    return found.sort((a, b) => b.number - a.number)
  }
}

/** The names differ, since a process that takes sockets over would take over one with the same name, too. */
const socketOf = (generation: number | string) => `cli-${generation}`

const searchPath = () => ({ PATH: `${process.env.PATH ?? ''}:/usr/sbin:/usr/bin:/sbin:/bin` })

const maxAlerts = 3

/** The lines in which HAProxy says why it does not start. */
function alerts(text: string): string {
  const lines = [...text.matchAll(/^\[ALERT\]\s+\(\d+\) : (.*)$/gm)].map(([, line]) => line!)
  // Paths of the node are nobody's business in an event.
  return lines
    .slice(0, maxAlerts)
    .join('; ')
    .replace(/\/\S+\/(?=haproxy\.cfg)/g, '')
}
