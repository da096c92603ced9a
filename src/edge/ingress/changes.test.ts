// Which changes bring a running HAProxy to what is wanted, and what is done about those it refuses.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../../base/testing.ts'
import type { Backend } from './backend.ts'
import { changeServers, planServers, type Servers } from './changes.ts'
import type { ServerState } from './cli.ts'
import { nameOf } from './endpoints.ts'

const backend = (name: string, ips: readonly string[]): Backend => ({
  name,
  lines: [],
  servers: ips.map(ip => ({ ip, port: 80 })),
  serverOptions: ' proto h2',
  hasCookie: false,
})
const has = (states: Record<string, ServerState>): Servers =>
  new Map([['b', new Map(Object.entries(states).map(([ip, state]) => [nameOf({ ip, port: 80 }), state]))]])

/** HAProxy as it answers: what it has, and which servers still have connections. */
function twin(servers: Servers, busy: ReadonlySet<string> = new Set()) {
  const real = new Map([...servers].map(([name, all]) => [name, new Map(all)]))
  const said: string[] = []
  const ask = async (command: string): Promise<string> => {
    said.push(command)
    const [, verb, , path = ''] = /^(\w+)( ssl)? server (\S+)/.exec(command) ?? []
    const [name = '', server = ''] = path.split('/')
    const all = real.get(name)
    if (!all) return 'No such backend.'
    if (verb === 'add') {
      if (all.has(server)) return 'Already exists a server with the same name in backend.'
      all.set(server, 'off')
      return 'New server registered.'
    }
    if (!all.has(server)) return 'No such server.'
    if (verb === 'del') {
      if (all.get(server) !== 'off') return 'Only servers in maintenance mode can be deleted.'
      if (busy.has(server)) return 'Server still has connections attached to it, cannot remove it.'
      all.delete(server)
      return 'Server deleted.'
    }
    all.set(server, verb === 'enable' || command.endsWith('ready') ? 'ready' : 'off')
    return ''
  }
  return { real, said, ask }
}

test('servers are added, brought back, switched off and removed', () => {
  const changes = planServers(has({ a: 'ready', b: 'off', c: 'ready', d: 'off' }), [
    backend('b', ['a', 'b', 'e']),
    backend('new', ['x']),
  ])
  assert.deepEqual(
    changes.map(({ server, do: what }) => `${what} ${server}`),
    ['on b_80', 'add e_80', 'off c_80', 'remove c_80', 'remove d_80'],
  )
})

test('what was done is what HAProxy has, and one change after another leads to what is wanted', async () => {
  const ips = fc.subarray(['1.1.1.1', '2.2.2.2', '3.3.3.3', '4.4.4.4'])
  await fc.assert(
    fc.asyncProperty(ips, fc.array(ips, { minLength: 1, maxLength: 5 }), ips, async (first, steps, busyIps) => {
      const known = has(Object.fromEntries(first.map(ip => [ip, 'ready' as const])))
      const busy = new Set(busyIps.map(ip => nameOf({ ip, port: 80 })))
      const { real, ask } = twin(known, busy)
      for (const wanted of steps) {
        const left = await changeServers(ask, known, planServers(known, [backend('b', wanted)]))
        assert.deepEqual(known, real)
        const ready = [...known.get('b')!].filter(([, state]) => state === 'ready').map(([name]) => name)
        assert.deepEqual(ready.sort(), wanted.map(ip => nameOf({ ip, port: 80 })).sort())
        assert.equal(left, known.get('b')!.size > wanted.length)
      }
    }),
  )
})

test('a change that HAProxy refuses throws, and the options of servers are sent', async () => {
  const known = has({})
  const { ask, said } = twin(known)
  await changeServers(ask, known, planServers(known, [backend('b', ['1.1.1.1'])]))
  assert.deepEqual(said, ['add server b/1.1.1.1_80 1.1.1.1:80 proto h2', 'enable server b/1.1.1.1_80'])
  const wrong = has({})
  await assert.rejects(changeServers(ask, wrong, planServers(wrong, [backend('b', ['1.1.1.1'])])), /Already exists/)
})
