// A running `nft -i`, to which small transactions are written one after the other. A new process for each would take
// 5 ms to start, and 15 to 20 ms to end: the kernel waits for its readers before it closes a process's netlink socket.
//
//   first transaction ─► nft -i ─┬─ a line for each transaction, then a line that is no command: the error about that
//                                │  one comes after all others, so it says that the transaction is done
//                                └─ idle for 10 s, or 500 transactions ─► standard input ends, and so does nft
//
// - nft reads commands as they are typed: those of a line are one transaction.
// - When the process dies or does not answer within 30 s the transaction fails, and what is in the kernel is unknown.
// - Where nft has no terminal to read from, it ends before it has answered once, and `works` is false from then on.
// - nft ends with this process, whose end of the pipe the kernel closes.
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { afterIdle, realClock } from '../base/clock.ts'
import { StatusError } from '../base/errors.ts'

interface NftSessionOptions {
  program: string
  args: readonly string[]
}

const idleMs = 10_000
const answerMs = 30_000
/** nft keeps every line as its history, so it is started again before that grows. */
const maxTransactions = 500
const maxErrorBytes = 64 * 1024
/** nft reads its terminal byte by byte, so a process of its own is faster for a long text. */
export const maxSessionBytes = 8 * 1024

type Child = ChildProcessByStdio<Writable, null, Readable>

export class NftSession {
  readonly #o: NftSessionOptions
  #child: Child | undefined
  #count = 0
  #errors = ''
  /** Ends the transaction that is under way. */
  #done: ((failure: string | undefined) => void) | undefined
  #cancelIdle = () => {}
  #hasAnswered = false
  #works = true
  #last: Promise<unknown> = Promise.resolve()

  constructor(options: NftSessionOptions) {
    this.#o = options
  }

  /** Whether nft can be used in this way, as far as is certain. */
  get works(): boolean {
    return this.#works
  }

  /** Applies a text of lines as one transaction, after those before it. Throws a StatusError when it is refused. */
  apply(text: string): Promise<void> {
    const result = this.#last.then(() => this.#apply(text))
    this.#last = result.catch(() => {})
    return result
  }

  async #apply(text: string): Promise<void> {
    this.#cancelIdle()
    if (this.#count >= maxTransactions) this.#end()
    const child = (this.#child ??= this.#start())
    const mark = this.#mark(++this.#count)
    const failure = await new Promise<string | undefined>(resolve => {
      const cancel = realClock.after(answerMs, () => {
        child.kill('SIGKILL')
        this.#done?.(`no answer within ${answerMs / 1000} s`)
      })
      this.#done = why => {
        cancel()
        this.#done = undefined
        resolve(why)
      }
      const line = text.split('\n').filter(Boolean).join(' ; ')
      child.stdin.write(`${line}\n${mark}\n`)
    })
    this.#cancelIdle = afterIdle(idleMs, () => this.#end())
    if (failure === undefined) return
    const said = failure.split('\n').find(line => line.trim()) ?? 'no message'
    throw new StatusError('InternalError', `nft: ${said.trim().slice(0, 500)}`, { cause: failure })
  }

  /** No command of nft, so that a complaint about it follows everything that was said about the commands before it. */
  #mark = (count: number) => `end-of-${count}`

  #start(): Child {
    const { program, args } = this.#o
    this.#count = 0
    this.#errors = ''
    // Without a home nft keeps no history file.
    const env = { ...process.env, HOME: '/nonexistent', TERM: 'dumb' }
    const child = spawn(program, args, { stdio: ['pipe', 'ignore', 'pipe'], env })
    const gone = (why: string) => {
      if (this.#child !== child) return
      this.#child = undefined
      this.#works &&= this.#hasAnswered
      this.#done?.(`${this.#errors}${why}`)
    }
    child.on('error', error => gone(error.message))
    child.on('close', code => gone(`ended with code ${code}`))
    child.stdin.on('error', () => {})
    child.stderr.on('data', (chunk: Buffer) => this.#child === child && this.#collect(chunk.toString('utf8')))
    // It must not keep a process that has nothing else to do.
    child.unref()
    for (const pipe of [child.stdin, child.stderr]) if (pipe instanceof Socket) pipe.unref()
    return child
  }

  #collect(text: string): void {
    if (this.#errors.length < maxErrorBytes) this.#errors += text
    else this.#errors = this.#errors.slice(0, maxErrorBytes / 2) + text
    // The complaint repeats the line, and marks the place in a line below it.
    const mark = this.#mark(this.#count)
    const complaint = new RegExp(`^[^\\n]*Error: [^\\n]*\\n${mark}\\n[ ^]*\\n`, 'm').exec(this.#errors)
    if (!complaint) return
    this.#hasAnswered = true
    const before = this.#errors.slice(0, complaint.index)
    this.#errors = ''
    this.#done?.(before.trim() ? before : undefined)
  }

  #end(): void {
    this.#cancelIdle()
    const child = this.#child
    this.#child = undefined
    child?.stdin.end()
  }
}
