// The way from the servers and certificates that a running HAProxy has to those that it should have, without starting it
// again. What was added or taken away is noted in the same maps, so they always say what HAProxy has.
//
//   not there ──add, enable──► ready ──state maint──► off ──del server, once its last connection has ended──► not there
//                                ▲                     │
//                                └─────state ready─────┘
import { StatusError } from '../../base/errors.ts'
import type { Backend } from './backend.ts'
import { certificateDir } from './config.ts'
import type { ServerState } from './cli.ts'
import { addressOf, nameOf } from './endpoints.ts'

type Ask = (command: string) => Promise<string>
export type Servers = Map<string, Map<string, ServerState>>

/** What to do about one server. */
interface ServerChange {
  backend: string
  server: string
  do: 'add' | 'on' | 'off' | 'remove'
  options: string
}

/** What has to be done in the backends that are there. Those that are missing need another configuration. Pure. */
export function planServers(has: Servers, wanted: readonly Backend[]): ServerChange[] {
  return wanted.flatMap(({ name: backend, servers, serverOptions: options }) => {
    const present = has.get(backend)
    if (!present) return []
    const names = new Set(servers.map(nameOf))
    const change = (server: string, what: ServerChange['do']) => ({ backend, server, do: what, options })
    const gone = [...present].filter(([name]) => !names.has(name))
    return [
      ...[...names].flatMap(name =>
        !present.has(name) ? change(name, 'add') : present.get(name) === 'off' ? change(name, 'on') : [],
      ),
      ...gone.flatMap(([name, state]) => [...(state === 'ready' ? [change(name, 'off')] : []), change(name, 'remove')]),
    ]
  })
}

/**
 * Carries changes out. Returns whether some servers are left that are off and still have connections. Throws when
 * HAProxy refuses a change: it then needs to be started with another configuration.
 */
export async function changeServers(ask: Ask, has: Servers, changes: readonly ServerChange[]): Promise<boolean> {
  let areLeft = false
  for (const { backend, server, do: what, options } of changes) {
    const servers = has.get(backend)!
    const path = `${backend}/${server}`
    if (what === 'add') {
      expect(await ask(`add server ${path} ${addressOf(server)}${options}`), 'New server registered.')
      expect(await ask(`enable server ${path}`), '')
      servers.set(server, 'ready')
    } else if (what === 'remove') {
      if ((await ask(`del server ${path}`)) === 'Server deleted.') servers.delete(server)
      else areLeft = true
    } else {
      expect(await ask(`set server ${path} state ${what === 'on' ? 'ready' : 'maint'}`), '')
      servers.set(server, what === 'on' ? 'ready' : 'off')
    }
  }
  return areLeft
}

/** Gives new servers the values of their cookies, which HAProxy 2.6 leaves out when a server is added. */
export async function refreshCookies(
  ask: Ask,
  backends: readonly Backend[],
  changes: readonly ServerChange[],
): Promise<void> {
  const added = new Set(changes.filter(change => change.do === 'add').map(({ backend }) => backend))
  for (const { name, hasCookie } of backends)
    if (hasCookie && added.has(name)) expect(await ask(`enable dynamic-cookie backend ${name}`), '')
}

/** The most bytes of a certificate that can be sent: HAProxy takes a command in one buffer. */
export const maxSentPem = 15_000

/** Replaces a certificate. Connections that exist keep the old one. */
export async function changeCertificate(ask: Ask, file: string, pem: string): Promise<void> {
  const path = `${certificateDir}/${file}`
  const answer = await ask(`set ssl cert ${path} <<\n${pem.trim()}\n`)
  if (!answer.includes('Transaction')) throw new StatusError('InternalError', `HAProxy: ${answer.slice(0, 300)}`)
  const done = await ask(`commit ssl cert ${path}`)
  if (!done.includes('Success')) throw new StatusError('InternalError', `HAProxy: ${done.slice(0, 300)}`)
}

function expect(answer: string, wanted: string): void {
  if (answer !== wanted) throw new StatusError('InternalError', `HAProxy: ${answer.slice(0, 300) || 'no answer'}`)
}
