// Answers that are kept are those that would be computed: whatever changes, no old one is given.
import { deepStrictEqual, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Item } from '../api/mirror.ts'
import { answer } from './answer.ts'
import { prepare } from './encode.ts'
import { wireOf } from './foreign.ts'
import { types } from './message.ts'
import { PreparedAnswers } from './prepared.ts'
import type { Names } from './records.ts'
import { namesOf, service, slice } from './testing.ts'

type Kind = 'services' | 'slices' | 'namespaces'
let revision = 1
function change(names: Names, kind: Kind, type: 'ADDED' | 'MODIFIED' | 'DELETED', object: object): void {
  names[kind].apply([{ type, item: new Item(object as never, ++revision) as never }], revision)
}

/** The answer as the server gives it: a kept one, or one that is computed and then kept. */
function given(names: Names, answers: PreparedAnswers, name: string, type: number) {
  const wire = wireOf(name)
  const kept = answers.get(wire, type)
  if (kept) return kept
  const { reply, service: of } = answer(names, name.split('.'), type)!
  return answers.prepare(wire, name.split('.'), type, reply, of)
}

const fresh = (names: Names, name: string, type: number) =>
  prepare(answer(names, name.split('.'), type)!.reply, name.split('.'))

test('an answer is kept until its Service, a slice of it, or its namespace changes', () => {
  const names = namesOf([service('db', { clusterIP: 'None' })], [slice('db', [{ addresses: ['10.0.0.1'] }])])
  const answers = new PreparedAnswers(names.domain)
  const stop = answers.follow(names)
  const ask = () => given(names, answers, 'db.shop.svc.cluster.local', types.A)
  const first = ask()
  strictEqual(ask(), first)
  change(names, 'services', 'ADDED', service('other', { clusterIP: 'None' }))
  strictEqual(ask(), first)
  change(names, 'slices', 'MODIFIED', slice('db', [{ addresses: ['10.0.0.1'] }, { addresses: ['10.0.0.2'] }]))
  strictEqual(ask().ends.length, 2)
  change(names, 'services', 'DELETED', service('db', { clusterIP: 'None' }))
  strictEqual(ask().rcode, 3)
  change(names, 'services', 'ADDED', service('db', { clusterIP: 'None' }))
  strictEqual(ask().rcode, 0)
  change(names, 'namespaces', 'DELETED', { metadata: { name: 'shop' } })
  strictEqual(ask().rcode, 3)
  stop()
})

test('names that do not exist share an answer with those of their length', () => {
  const names = namesOf([], [])
  const answers = new PreparedAnswers(names.domain)
  const ask = (name: string) => given(names, answers, `${name}.shop.svc.cluster.local`, types.A)
  strictEqual(ask('aa'), ask('bb'))
  deepStrictEqual(ask('ccc'), fresh(names, 'ccc.shop.svc.cluster.local', types.A))
})

test('under random changes every answer is the one that is computed from scratch', () => {
  const name = fc.constantFrom('a', 'b')
  const step = fc.record({
    kind: fc.constantFrom<'services' | 'slices'>('services', 'slices'),
    type: fc.constantFrom<'MODIFIED' | 'DELETED'>('MODIFIED', 'DELETED'),
    name,
    headless: fc.boolean(),
    endpoints: fc.array(fc.nat(5), { maxLength: 3 }),
  })
  const asked = ['a', 'b', 'x.a', '10-0-0-1.a', '_http._tcp.b'].map(head => `${head}.shop.svc.cluster.local`)
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), steps => {
      const names = namesOf([], [])
      const answers = new PreparedAnswers(names.domain)
      answers.follow(names)
      for (const { kind, type, name: of, headless, endpoints } of steps) {
        const object =
          kind === 'services'
            ? service(of, headless ? { clusterIP: 'None' } : { clusterIP: '10.9.9.9', clusterIPs: ['10.9.9.9'] })
            : slice(
                of,
                endpoints.map(n => ({ addresses: [`10.0.0.${n}`] })),
              )
        change(names, kind, type, object)
        for (const one of asked)
          for (const qtype of [types.A, types.AAAA, types.SRV])
            deepStrictEqual(given(names, answers, one, qtype), fresh(names, one, qtype))
      }
    }),
  )
})
