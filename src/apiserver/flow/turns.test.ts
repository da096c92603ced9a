import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Turns } from './turns.ts'

function setUp() {
  const later: (() => void)[] = []
  const turns = new Turns(run => later.push(run))
  const begun: string[] = []
  return {
    begun,
    ask(flow: string, seats = 1) {
      const turn = turns.next(flow, seats)
      if (turn) void turn.then(() => begun.push(flow))
      else begun.push(flow)
    },
    /** Ends the turn; returns whether there is a next one. */
    async turn() {
      const run = later.shift()
      run?.()
      await Promise.resolve()
      return run !== undefined
    },
  }
}

test('a few requests begin at once, further ones in the next turns', async () => {
  const { ask, begun, turn } = setUp()
  for (let i = 0; i < 10; i++) ask('a')
  assert.equal(begun.length, 4)
  await turn()
  assert.equal(begun.length, 8)
  await turn()
  assert.equal(begun.length, 10)
  await turn()
  assert.equal(await turn(), false)
})

test('flows take turns: one request does not wait for all of another flow', async () => {
  const { ask, begun, turn } = setUp()
  for (let i = 0; i < 100; i++) ask('flood')
  ask('calm')
  await turn()
  assert.deepEqual(begun.slice(4), ['flood', 'calm', 'flood', 'flood'])
})

test('a wide request is alone in its turn', async () => {
  const { ask, begun, turn } = setUp()
  ask('wide', 10)
  ask('wide', 10)
  ask('calm')
  assert.deepEqual(begun, ['wide'])
  await turn()
  assert.deepEqual(begun, ['wide', 'wide'])
  await turn()
  assert.deepEqual(begun, ['wide', 'wide', 'calm'])
})
