// The other end of a life line: a server or agent tells the supervisor that it is there and how it is, and starts
// a new supervisor when the old one has died.
import type { Socket } from 'node:net'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { type Hello, sendLine, tryConnect } from './link.ts'

interface LifelineOptions {
  socket: string
  hello: Pick<Hello, 'role' | 'node'>
  clock: Clock
  log: Log
  /** Called when no supervisor answers; the server does so sooner than agents, so that one suffices. */
  revive(): void
  signal: AbortSignal
}

interface Lifeline {
  /** Tells how this process is. */
  tell(state: { ready: boolean; problem?: string }): void
}

const retryMs = 100
/** Tries before a new supervisor is started: the server's, an agent's. */
const patience = { server: 2, agent: 20 }

export function keepLifeline(options: LifelineOptions): Lifeline {
  const { hello, clock, log, signal } = options
  let state: { ready: boolean; problem?: string } = { ready: false }
  let current: Socket | undefined
  const say = () => current && sendLine(current, { ...hello, pid: process.pid, ...state })
  const connectAgain = async () => {
    for (let attempt = 1; !signal.aborted; attempt++) {
      const socket = await tryConnect(options.socket)
      if (socket) {
        current = socket
        socket.unref()
        socket.on('error', error => log.debug('life line failed', { error }))
        socket.on('close', () => {
          current = undefined
          if (!signal.aborted) void connectAgain()
        })
        say()
        return
      }
      if (attempt % patience[hello.role] === 0) {
        log.warn('the supervisor is gone; starting another')
        options.revive()
      }
      await new Promise<void>(resolve => clock.after(retryMs, resolve))
    }
  }
  void connectAgain()
  signal.addEventListener('abort', () => current?.destroy(), { once: true })
  return {
    tell(next) {
      state = next
      say()
    },
  }
}
