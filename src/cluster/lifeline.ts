// The end of a life line (link.ts) in a server or an agent. It reports the process and its state to the supervisor, and
// starts a new supervisor when the old one has died.
//
// - A life line is connected from the start until the signal aborts. When it breaks, a new connection is tried every
//   0.1 s. Each one begins with a report of the state as it is then, so reports made in between are not lost, only the
//   ones they replaced.
// - After a number of failed tries `revive` is called, and again after as many. The server is faster than agents, so
//   that usually one process starts the new supervisor. Should several do so, a lock lets one of them live.
// - The report is repeated every 10 s (`beatMs`), by which the supervisor finds a process that hangs.
// - Nothing is read from the socket, and it does not keep the process alive.
//
//   supervisor   running ── killed            starts ── waits 0.4 s for reports ── starts what is missing
//   server       connected ──► try, try, revive ──► connected, reports
//   agents       connected ──► try, try, try, … ──► connected, report
import type { Socket } from 'node:net'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { beatMs, type Hello, sendLine, tryConnect } from './link.ts'

interface LifelineOptions {
  socket: string
  hello: Pick<Hello, 'role' | 'node'>
  clock: Clock
  log: Log
  /** Starts a new supervisor. Called when none answers. */
  revive(): void
  signal: AbortSignal
}

interface Lifeline {
  /** Sets and sends the state of this process. */
  report(state: { ready: boolean; problem?: string }): void
}

const retryMs = 100
/** After how many failed tries a server or an agent starts a new supervisor. */
const patience = { server: 2, agent: 20 }

/** Connects to the supervisor, now and again whenever the connection breaks, until the signal aborts. */
export function keepLifeline(options: LifelineOptions): Lifeline {
  const { hello, clock, log, signal } = options
  let state: { ready: boolean; problem?: string } = { ready: false }
  let current: Socket | undefined
  const send = () => current && sendLine(current, { ...hello, pid: process.pid, beats: true, ...state })
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
        send()
        return
      }
      if (attempt % patience[hello.role] === 0) {
        log.warn('no supervisor answers; starting another')
        options.revive()
      }
      await new Promise<void>(resolve => clock.after(retryMs, resolve))
    }
  }
  const beat = () => {
    if (signal.aborted) return
    send()
    clock.after(beatMs, beat)
  }
  void connectAgain()
  clock.after(beatMs, beat)
  signal.addEventListener('abort', () => current?.destroy(), { once: true })
  return {
    report(next) {
      state = next
      send()
    },
  }
}
