// Transactions of a ruleset that changes while they are applied: what the kernel has in the end is what is wanted.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../../base/testing.ts'
import { Ruleset } from './ruleset.ts'

const setDefinition = 'set { type ipv4_addr ; }'

test('what changes while a transaction is applied is in the next one', () => {
  const ruleset = new Ruleset('inet t')
  ruleset.set('s', setDefinition)
  ruleset.chain('c', ['accept'])
  const first = ruleset.transaction()
  ruleset.element('s', '10.0.0.1', '')
  ruleset.chain('c', ['drop'])
  ruleset.chain('d', ['drop'])
  first.applied()
  assert.equal(
    ruleset.transaction().text,
    [
      'add chain inet t c',
      'flush chain inet t c',
      'add chain inet t d',
      'add rule inet t c drop',
      'add rule inet t d drop',
      'add element inet t s { 10.0.0.1 }',
      '',
    ].join('\n'),
  )
})

test('a set that is removed and added again has none of its former elements', () => {
  const ruleset = new Ruleset('inet t')
  ruleset.set('s', setDefinition)
  ruleset.element('s', '10.0.0.1', '')
  ruleset.transaction().applied()
  ruleset.removeSet('s')
  ruleset.set('s', setDefinition)
  assert.equal(ruleset.transaction().text, 'delete element inet t s { 10.0.0.1 }\n')
})

/** Carries out the elements of a transaction. */
function carryOut(kernel: Map<string, Set<string>>, text: string): void {
  for (const line of text.split('\n').filter(Boolean)) {
    const [verb, what, , , name = ''] = line.split(' ')
    const set = kernel.get(name)
    if (what === 'set' && verb === 'add') kernel.set(name, new Set())
    else if (what === 'set') assert.ok(kernel.delete(name), line)
    else
      for (const key of /\{ (.*) \}/.exec(line)?.[1]?.split(', ') ?? []) {
        assert.ok(set, line)
        if (verb === 'add') set.add(key)
        else assert.ok(set.delete(key), line)
      }
  }
}

test('sets are what they should be, whenever changes come', () => {
  const change = fc.record({
    what: fc.constantFrom('add', 'remove', 'element', 'element', 'no element', 'send', 'applied'),
    set: fc.constantFrom('s', 't'),
    key: fc.constantFrom('1', '2', '3'),
  })
  fc.assert(
    fc.property(fc.array(change, { maxLength: 40 }), changes => {
      const [ruleset, wanted, kernel] = [new Ruleset('inet t'), new Map<string, Set<string>>(), new Map()]
      let sent: { text: string; applied: () => void } | undefined
      const land = () => {
        if (sent) carryOut(kernel, sent.text)
        sent?.applied()
        sent = undefined
      }
      for (const { what, set, key } of changes)
        if (what === 'add') {
          ruleset.set(set, setDefinition)
          if (!wanted.has(set)) wanted.set(set, new Set())
        } else if (what === 'remove') {
          if (wanted.delete(set)) ruleset.removeSet(set)
        } else if (what === 'send') sent ??= ruleset.transaction()
        else if (what === 'applied') land()
        else {
          const isThere = what === 'element'
          ruleset.element(set, key, isThere ? '' : undefined)
          if (isThere) wanted.get(set)?.add(key)
          else wanted.get(set)?.delete(key)
        }
      land()
      sent = ruleset.transaction()
      land()
      assert.deepEqual(kernel, wanted)
      assert.equal(ruleset.isChanged, false)
    }),
  )
})
