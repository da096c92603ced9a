// What is done about the address of an etcd member whose machine has another one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planAddress } from './etcd-address.ts'

const [old, now] = ['https://192.0.2.7:2380', 'https://192.0.2.9:2380']
const at = (...peerUrls: string[]) => ({ id: 'abc', peerUrls })

test('list and program follow the present address, each by itself', () => {
  const table: readonly (readonly [about: string, seen: Partial<Parameters<typeof planAddress>[0]>, plan: object])[] = [
    ['all agree', {}, { isDone: true }],
    ['both are old', { listens: old, listed: at(old) }, { update: 'abc', restart: true, isDone: false }],
    ['the list is old', { listed: at(old) }, { update: 'abc', isDone: false }],
    ['the list has more than one', { listed: at(old, now) }, { update: 'abc', isDone: false }],
    ['the program is old', { listens: old }, { restart: true, isDone: false }],
    ['the program does not run', { listens: undefined }, { isDone: false }],
    ['nobody answers', { listed: undefined }, { isDone: false }],
    ['nobody answers, and the program is old', { listed: undefined, listens: old }, { restart: true, isDone: false }],
    ['the first look', { before: undefined, listens: old, listed: at(old) }, { isDone: false }],
    ['it changes', { before: old, listens: old, listed: at(old) }, { isDone: false }],
  ]
  for (const [about, seen, plan] of table)
    assert.deepEqual(planAddress({ wanted: now, before: now, listens: now, listed: at(now), ...seen }), plan, about)
})

test('a machine without a network changes nothing', () => {
  for (const wanted of ['https://127.0.0.1:2380', 'https://[::1]:2380'])
    assert.deepEqual(planAddress({ wanted, before: wanted, listens: old, listed: at(old) }), { isDone: false })
})
