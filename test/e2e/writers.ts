// Clients of databases that write without end and note what was acknowledged. Each speaks the little of its database's
// protocol that a test needs, over one connection that it makes again when it breaks or falls silent.
import { connect, type Socket } from 'node:net'
import { realClock } from '../../src/base/clock.ts'

/** A connection to a database, on which one request at a time is under way. */
interface Session {
  /** Resolves once the database has acknowledged the number as written. */
  write(n: number): Promise<void>
  /** All numbers that are stored. */
  read(): Promise<number[]>
  close(): void
}

const answerMs = 2000

/** A socket of which answers are read: `ask` sends a request, and resolves with what `whole` finds in the answer. */
class Line {
  readonly #socket: Socket
  #text = ''
  #look: () => void = () => {}

  constructor(host: string, port: number) {
    this.#socket = connect(port, host)
    // One byte is one character, so positions in the text are those in the answer.
    this.#socket.setEncoding('latin1')
    this.#socket.on('data', data => {
      this.#text += String(data)
      this.#look()
    })
    this.#socket.on('error', () => {})
  }

  ask<T>(request: string | Buffer, whole: (text: string) => T | undefined): Promise<T> {
    this.#text = ''
    return new Promise((resolve, reject) => {
      const silent = setTimeout(() => this.#socket.destroy(), answerMs)
      const ended = () => {
        clearTimeout(silent)
        reject(new Error(`no whole answer: ${this.#text.slice(0, 200)}`))
      }
      if (this.#socket.destroyed) return ended()
      this.#socket.once('close', ended)
      this.#look = () => {
        try {
          const found = whole(this.#text)
          if (found === undefined) return
          this.#socket.off('close', ended)
          clearTimeout(silent)
          resolve(found)
        } catch (error) {
          this.#socket.destroy(error instanceof Error ? error : undefined)
        }
      }
      this.#socket.write(request)
    })
  }

  close(): void {
    this.#socket.destroy()
  }
}

/** Redis: each number is a key. Source: the Redis serialization protocol, version 2. */
export async function redis(host: string): Promise<Session> {
  const line = new Line(host, 6379)
  const refused = (text: string) => {
    if (text.startsWith('-')) throw new Error(text)
  }
  return {
    async write(n) {
      await line.ask(`SET ${n} written\r\n`, text => (refused(text), text === '+OK\r\n' || undefined))
    },
    read: () =>
      line.ask('KEYS *\r\n', text => {
        refused(text)
        const count = /^\*(\d+)\r\n/.exec(text)?.[1]
        const keys = [...text.matchAll(/\$\d+\r\n(\d+)\r\n/g)].map(([, key]) => Number(key))
        return keys.length === Number(count) ? keys : undefined
      }),
    close: () => line.close(),
  }
}

/** PostgreSQL: each number is a row. Source: the frontend/backend protocol, version 3, simple queries. */
export async function postgres(host: string): Promise<Session> {
  const line = new Line(host, 5432)
  const ask = (request: Buffer) => line.ask(request, readyRows)
  const query = (sql: string) => ask(message('Q', `${sql}\0`))
  await ask(message('', `\0\x03\0\0user\0postgres\0database\0postgres\0\0`))
  await query('CREATE TABLE IF NOT EXISTS written (n integer PRIMARY KEY)')
  return {
    async write(n) {
      await query(`INSERT INTO written VALUES (${n})`)
    },
    read: async () => (await query('SELECT n FROM written')).map(Number),
    close: () => line.close(),
  }
}

function message(type: string, body: string): Buffer {
  const length = Buffer.alloc(4)
  length.writeInt32BE(body.length + 4)
  return Buffer.concat([Buffer.from(type, 'latin1'), length, Buffer.from(body, 'latin1')])
}

/** The first column of each row, once the server is ready for the next query. Throws what the server reports. */
function readyRows(text: string): string[] | undefined {
  const bytes = Buffer.from(text, 'latin1')
  const rows: string[] = []
  for (let at = 0; at + 5 <= bytes.length; ) {
    const type = text[at]
    const end = at + 1 + bytes.readInt32BE(at + 1)
    if (end > bytes.length) return undefined
    if (type === 'E') throw new Error(text.slice(at + 5, end).replaceAll('\0', ' '))
    // A row has the count of its columns in two bytes, and the length of the first in four.
    if (type === 'D') rows.push(text.slice(at + 11, end))
    if (type === 'Z') return rows
    at = end
  }
  return undefined
}

/** Writes number after number until it is stopped. */
export class Writer {
  readonly #open: () => Promise<Session>
  readonly acknowledged: number[] = []
  /** How many were sent, acknowledged or not. */
  sent = 0
  #running = true
  readonly #done: Promise<void>

  constructor(open: () => Promise<Session>) {
    this.#open = open
    this.#done = this.#run()
  }

  async #run(): Promise<void> {
    while (this.#running) {
      let session: Session | undefined
      try {
        session = await this.#open()
        while (this.#running) {
          // A number whose write was not acknowledged is not written again: it may be there, or not.
          const n = this.sent++
          await session.write(n)
          this.acknowledged.push(n)
          // The machine has other work, too.
          await realClock.sleep(5)
        }
      } catch {
        await realClock.sleep(100)
      } finally {
        session?.close()
      }
    }
  }

  async stop(): Promise<void> {
    this.#running = false
    await this.#done
  }

  /** What was acknowledged and is not there, and what is there and was never sent. */
  async faults(): Promise<{ lost: number[]; madeUp: number[] }> {
    const session = await this.#open()
    try {
      // Writes go on meanwhile: what is acknowledged after the read began need not be in its answer.
      const acknowledged = [...this.acknowledged]
      const stored = new Set(await session.read())
      return {
        lost: acknowledged.filter(n => !stored.has(n)),
        madeUp: [...stored].filter(n => !(n < this.sent)),
      }
    } finally {
      session.close()
    }
  }
}
