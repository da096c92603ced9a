// The socket by which a running HAProxy is asked and changed: one connection for each command, closed by HAProxy after
// its answer. Source: HAProxy management guide, 9.3 (Unix socket commands).
import { connect } from 'node:net'
import { StatusError } from '../../base/errors.ts'

const answerMs = 10_000
const maxAnswerBytes = 64 * 1024 * 1024

/** The answer to a command. Throws if there is none within 10 seconds, or more than 64 MiB. */
export function ask(socket: string, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const connection = connect(socket)
    const chunks: Buffer[] = []
    let size = 0
    const fail = (why: string) => connection.destroy(new StatusError('InternalError', `HAProxy: ${why}`))
    connection.setTimeout(answerMs, () => fail('no answer'))
    connection.on('connect', () => connection.write(`${command}\n`))
    connection.on('data', chunk => {
      size += chunk.length
      if (size > maxAnswerBytes) fail('the answer is too long')
      else chunks.push(chunk)
    })
    connection.on('error', reject)
    connection.on('close', () => resolve(Buffer.concat(chunks).toString('utf8').trim()))
  })
}

/** Calls `ended` once when the process at the other end has gone, or the connection was closed by the function returned. */
export function hold(socket: string, ended: () => void): () => void {
  const connection = connect(socket)
  connection.unref()
  connection.on('error', () => {})
  connection.once('close', ended)
  return () => connection.destroy()
}

/** What a process says of itself. */
interface Info {
  pid: number
  /** The digest of the configuration that it was started with. */
  digest: string
}

export async function infoOf(socket: string): Promise<Info> {
  const text = await ask(socket, 'show info')
  const value = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(text)?.[1] ?? ''
  return { pid: Number(value('Pid')), digest: value('description') }
}

export type ServerState = 'ready' | 'off'

/** The servers of each backend by their names. One that is off gets no new connections. */
export async function serversAt(socket: string): Promise<Map<string, Map<string, ServerState>>> {
  const found = new Map<string, Map<string, ServerState>>()
  for (const line of (await ask(socket, 'show servers state')).split('\n').slice(2)) {
    const [, backend, , server, , , admin] = line.split(' ')
    if (!backend || !server) continue
    const servers = found.get(backend) ?? new Map<string, ServerState>()
    found.set(backend, servers.set(server, Number(admin) === 0 ? 'ready' : 'off'))
  }
  return found
}
