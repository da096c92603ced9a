// What counts as in use while decisions are being written and the mirror is behind.
import { strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../../base/log.ts'
import { VirtualClock } from '../../base/clock.ts'
import { type AnyMirror, Item, Mirror } from '../../api/mirror.ts'
import { Client } from '../../client/index.ts'
import { ResourceClaim } from '../../kinds/resource/resourceclaim.ts'
import type { AllocationResult } from '../../kinds/resource/resourceclaimstatus.ts'
import { objectOf } from '../../kinds/testing.ts'
import { driver } from './fixtures.ts'
import { Ledger } from './ledger.ts'

const key = `${driver}/p/a`
const allocationOf = (device: string, more: object = {}): AllocationResult => ({
  devices: { results: [{ request: 'r', driver, pool: 'p', device, ...more }] },
})
const allocation = allocationOf('a')
const only = (of = allocation) => new Map([['uid-c', of]])

function open() {
  const claims = new Mirror<ResourceClaim>()
  claims.reset([], 1)
  const client = new Client({
    serve: () => Promise.reject(new Error('there is no API server')),
    user: { name: 'test', groups: [] },
    userAgent: 'test',
    clock: new VirtualClock(),
    log: silentLog,
    shared: kind => ((kind as unknown) === ResourceClaim ? (claims as AnyMirror) : new Mirror()) as never,
  })
  const ledger = new Ledger({ client, signal: new AbortController().signal })
  const claim = (status: object, uid = 'uid-c') => objectOf(ResourceClaim, { metadata: { name: 'c', uid }, status })
  const change = (type: 'ADDED' | 'MODIFIED' | 'DELETED', revision: number, status: object, uid?: string) =>
    claims.apply([{ type, item: new Item(claim(status, uid), revision) }], revision)
  return { ledger, change, isUsed: () => ledger.usage.isUsed(key) }
}

test('what the mirror has is in use, until it has not', () => {
  const { change, isUsed } = open()
  change('ADDED', 2, { allocation })
  strictEqual(isUsed(), true)
  change('MODIFIED', 3, {})
  strictEqual(isUsed(), false)
  change('MODIFIED', 4, { allocation })
  change('DELETED', 5, { allocation })
  strictEqual(isUsed(), false)
  change('ADDED', 6, { allocation })
  // Another claim of the name took its place while nobody looked.
  change('MODIFIED', 7, {}, 'another')
  strictEqual(isUsed(), false)
})

test('what was decided is in use from then on, and given once', () => {
  const { ledger, change, isUsed } = open()
  change('ADDED', 2, {})
  strictEqual(ledger.hold(only()), true)
  strictEqual(isUsed(), true)
  strictEqual(ledger.isHeld('uid-c'), true)
  strictEqual(ledger.hold(only()), false)
  strictEqual(ledger.hold(new Map([['uid-d', allocation]])), false)
  strictEqual(ledger.hold(new Map([['uid-d', allocationOf('a', { adminAccess: true })]])), true)
  // A change from before the write arrives late.
  change('MODIFIED', 3, {})
  ledger.settle('uid-c', 5)
  strictEqual(ledger.isHeld('uid-c'), false)
  change('MODIFIED', 4, {})
  strictEqual(isUsed(), true)
  change('MODIFIED', 5, { allocation })
  strictEqual(isUsed(), true)
  change('MODIFIED', 6, {})
  strictEqual(isUsed(), false)
})

test('the mirror may have the write before its answer has come', () => {
  const { ledger, change, isUsed } = open()
  change('ADDED', 2, {})
  ledger.hold(only())
  change('MODIFIED', 5, { allocation })
  ledger.settle('uid-c', 5)
  strictEqual(isUsed(), true)
  change('MODIFIED', 6, {})
  strictEqual(isUsed(), false)
})

test('what is not written is free again', () => {
  const { ledger, change, isUsed } = open()
  change('ADDED', 2, {})
  ledger.hold(only())
  ledger.drop('uid-c')
  strictEqual(isUsed(), false)
  strictEqual(ledger.hold(only()), true)
  // What was written is not dropped.
  ledger.settle('uid-c', 9)
  ledger.drop('uid-c')
  strictEqual(isUsed(), true)
  change('DELETED', 10, {})
  strictEqual(isUsed(), false)
})

test('a claim that is made later takes over what was held for it', () => {
  const { ledger, change, isUsed } = open()
  ledger.hold(new Map([['later', allocation]]))
  change('ADDED', 3, {})
  ledger.rename('later', 'uid-c')
  ledger.settle('uid-c', 4)
  change('MODIFIED', 4, { allocation })
  strictEqual(isUsed(), true)
  change('DELETED', 5, { allocation })
  strictEqual(isUsed(), false)
})

test('shares add up, and go one by one', () => {
  const { ledger } = open()
  const share = (shareID: string, m: string) => allocationOf('a', { shareID, consumedCapacity: { m } })
  ledger.hold(new Map([['x', share('1', '1Gi')]]))
  ledger.hold(new Map([['y', share('2', '500Mi')]]))
  strictEqual(ledger.usage.sharesOf(key)?.get('m'), (1024n + 500n) * 1024n * 1024n * 1_000_000_000n)
  strictEqual(ledger.hold(only()), false)
  ledger.drop('x')
  strictEqual(ledger.usage.isUsed(key), true)
  ledger.drop('y')
  strictEqual(ledger.usage.isUsed(key), false)
})
