// Profiles of this process, as the tools of Node.js and of browsers read them: where the time goes (.cpuprofile), and what
// has been allocated and is still held (.heapprofile). Only one is taken at a time, since each slows the process down.
import { Session } from 'node:inspector/promises'
import type { Clock } from './clock.ts'
import { StatusError } from './errors.ts'

type ProfileKind = 'cpu' | 'heap'

/** The longest time of a profile, below that which a request has. */
const maxSeconds = 50
const defaultSeconds = 10

let isTaken = false

/** Reads how long a profile is to last. Throws BadRequest for what is no whole number of seconds from 1 to 50. */
export function profileSeconds(text: string | null): number {
  const seconds = text === null || text === '' ? defaultSeconds : Number(text)
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > maxSeconds)
    throw new StatusError('BadRequest', `seconds must be a whole number from 1 to ${maxSeconds}, not ${text}`)
  return seconds
}

/** Takes a profile, and resolves to its JSON. Throws TooManyRequests while another is taken. */
export async function takeProfile(
  kind: ProfileKind,
  seconds: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<string> {
  if (isTaken) throw new StatusError('TooManyRequests', 'another profile is being taken, try again later')
  isTaken = true
  const session = new Session()
  try {
    session.connect()
    const wait = () => clock.sleep(seconds * 1000, signal)
    return JSON.stringify(kind === 'cpu' ? await cpu(session, wait) : await heap(session, wait))
  } finally {
    session.disconnect()
    isTaken = false
  }
}

async function cpu(session: Session, wait: () => Promise<void>): Promise<object> {
  await session.post('Profiler.enable')
  await session.post('Profiler.start')
  await wait()
  return (await session.post('Profiler.stop')).profile
}

async function heap(session: Session, wait: () => Promise<void>): Promise<object> {
  await session.post('HeapProfiler.startSampling')
  await wait()
  return (await session.post('HeapProfiler.stopSampling')).profile
}
