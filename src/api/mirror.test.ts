import { deepStrictEqual, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeObject } from './kind.ts'
import { Item, Mirror, type MirrorFailure } from './mirror.ts'

test('the revision is put into stored bytes at its place and nowhere else', () => {
  const at = (resourceVersion: string) =>
    ({
      kind: 'ConfigMap',
      apiVersion: 'v1',
      metadata: { name: 'ä', resourceVersion, annotations: { last: '{"resourceVersion":"0"}' } },
      data: { other: '"resourceVersion":"0"' },
    }) as unknown as KubeObject
  const stored = Buffer.from(JSON.stringify(at('0')))
  const item = new Item(at('1234'), 1234, stored)
  strictEqual(item.bytes.toString(), JSON.stringify(at('1234')))
  strictEqual(new Item(at('7'), 7, Buffer.from('{}')).bytes.toString(), JSON.stringify(at('7')))
})

const item = (name: string, revision: number, more: Partial<KubeObject['metadata']> = {}) =>
  new Item({ kind: 'K', apiVersion: 'v1', metadata: { name, ...more } } as KubeObject, revision)

function brokenMirror() {
  const failures: string[] = []
  const mirror = new Mirror(({ of, key, error }: MirrorFailure) =>
    failures.push(`${of} ${key}: ${(error as Error).message}`),
  )
  return { mirror, failures }
}

test('when a listener throws, other listeners, waits and the source still get all changes', async () => {
  const { mirror, failures } = brokenMirror()
  const seen: string[] = []
  mirror.subscribe(() => {
    throw new Error('no')
  }, 'bad')
  mirror.subscribe(changes => seen.push(...changes.map(c => c.item.object.metadata.name!)), 'good')
  mirror.reset([item('a', 1)], 1)
  mirror.apply([{ type: 'ADDED', item: item('b', 2) }], 2)
  await mirror.waitFor(2)
  deepStrictEqual(seen, ['a', 'b'])
  deepStrictEqual(failures, ['bad a: no', 'bad b: no'])
})

test('a listener of single changes misses only those for which it throws', () => {
  const { mirror, failures } = brokenMirror()
  const seen: string[] = []
  mirror.reset([item('a', 1), item('b', 1)], 1)
  mirror.follow(({ type, item: { object } }) => {
    if (object.metadata.name === 'b') throw new Error('no')
    seen.push(`${type} ${object.metadata.name}`)
  }, 'picky')
  const changes = ['b', 'c', 'a'].map(name => ({ type: 'MODIFIED' as const, item: item(name, 2) }))
  mirror.apply(changes, 2)
  deepStrictEqual(seen, ['ADDED a', 'ADDED c', 'MODIFIED a'])
  deepStrictEqual(failures, ['picky b: no', 'picky b: no'])
})

test('an object whose key function throws is absent from that index only, until it changes', () => {
  const { mirror, failures } = brokenMirror()
  const byApp = (value: string) =>
    mirror.byIndex('app', object => [object.metadata.labels!.app!], value).map(o => o.metadata.name)
  mirror.reset([item('a', 1, { labels: { app: 'x' } }), item('b', 1)], 1)
  deepStrictEqual(byApp('x'), ['a'])
  strictEqual(failures.length, 1)
  strictEqual(mirror.get(undefined, 'b')?.metadata.name, 'b')
  mirror.apply([{ type: 'MODIFIED', item: item('b', 2, { labels: { app: 'x' } }) }], 2)
  deepStrictEqual(byApp('x'), ['a', 'b'])
  mirror.apply([{ type: 'MODIFIED', item: item('a', 3) }], 3)
  deepStrictEqual(byApp('x'), ['b'])
})
