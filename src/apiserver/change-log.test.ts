// The log of changes: which changes a reader gets at once, and what readers share.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Item, type MirrorChange } from '../api/mirror.ts'
import { ChangeLog } from './change-log.ts'

let revision = 0
const change = (textBytes = 10): MirrorChange => {
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data: { a: 'x'.repeat(textBytes) } }
  return { type: 'ADDED', item: new Item(object, ++revision), before: undefined }
}
const logOf = (changes: readonly MirrorChange[]) => {
  const log = new ChangeLog()
  for (const one of changes) log.append([one])
  return log
}

/** The numbers of changes that a reader gets, one after the other. */
function* reads(log: ChangeLog, position: number): Generator<readonly MirrorChange[]> {
  for (let changes = log.from(position)!; changes.length; changes = log.from(position)!) {
    yield changes
    position += changes.length
  }
}

test('readers from all positions get each later change once, in order, and chunks end at the same places', () => {
  const changes = Array.from({ length: 500 }, (_, i) => change(i % 90 === 0 ? 100_000 : (i * 37) % 3000))
  const log = logOf(changes)
  const ends = new Set<number>()
  let end = 0
  for (const chunk of reads(log, 0)) {
    ends.add((end += chunk.length))
    assert.ok(chunk.length <= 64)
    const bytes = chunk.reduce((sum, { item }) => sum + item.storedBytes, 0)
    assert.ok(chunk.length === 1 || bytes <= 64 * 1024, `${bytes} bytes`)
  }
  for (let start = 0; start < changes.length; start += 7) {
    let at = start
    for (const chunk of reads(log, start)) {
      assert.deepEqual(chunk, changes.slice(at, at + chunk.length))
      assert.ok(ends.has((at += chunk.length)), `${at} ends no chunk`)
    }
    assert.equal(at, changes.length)
  }
})

test('what was made of a whole chunk stays for readers that come after later changes', () => {
  const log = logOf(Array.from({ length: 100 }, () => change()))
  let made = 0
  const view = (position: number) => log.view(position, 'all', log.from(position)!, () => ++made)
  assert.deepEqual([view(0), view(64), view(0), view(64)], [1, 2, 1, 2])
  log.append([change()])
  // The newest chunk has one more change.
  assert.deepEqual([view(0), view(64)], [1, 3])
})

test('a reader that has fallen behind is not given changes that follow a gap', () => {
  const log = logOf(Array.from({ length: 6000 }, () => change()))
  assert.equal(log.from(0), undefined)
  const first = log.positionAfter(log.startRevision)!
  const left = [...reads(log, first)].flat()
  assert.equal(left.length, log.endPosition - first)
  assert.equal(left.at(-1)!.item.revision, revision)
})
