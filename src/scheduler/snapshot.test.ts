// What always holds of the snapshot, whatever is set and removed in whatever order.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../base/random.ts'
import type { Node } from '../kinds/core/node.ts'
import { nodeOf, podOf } from '../kinds/testing.ts'
import { type NodeInfo, PodInfo } from './info.ts'
import { Snapshot } from './snapshot.ts'

const cluster = { namespaceLabels: () => ({}), ownSelector: () => undefined }
const node = (name: string, cpu = '4') => nodeOf({ metadata: { name }, status: { allocatable: { cpu } } })
/** A node as an older or faulty writer may have stored it. */
const malformed = (name: string) => JSON.parse(JSON.stringify({ ...node(name), status: { images: 5 } })) as Node
const pod = (name: string, labels: Record<string, string> = {}) => {
  const containers = [{ name: 'c', image: 'i', resources: { requests: { cpu: '100m' } } }]
  return podOf({ metadata: { name, namespace: 'd', uid: name, labels }, spec: { containers } })
}

/** `n1: a b` for each node, then the pods without a node, with `?` for assumed ones. */
function text(snapshot: Snapshot, uids: readonly string[]): string {
  const mark = (uid: string) => uid + (snapshot.where(uid)?.assumed ? '?' : '')
  const nodes = snapshot.nodes.map(
    ({ name, pods }) => `${name}:${[...pods.keys()].map(uid => ` ${mark(uid)}`).join('')}`,
  )
  const placed = new Set(snapshot.nodes.flatMap(({ pods }) => [...pods.keys()]))
  const without = uids.filter(uid => snapshot.where(uid) && !placed.has(uid)).map(mark)
  return [...nodes, ...(without.length ? [`without: ${without.join(' ')}`] : [])].join(', ')
}

test('the worked example of the contract comes out as it says', () => {
  const snapshot = new Snapshot(cluster)
  const counted = () => snapshot.counter('all', () => true).total
  const now = () => `${text(snapshot, ['a', 'b'])}; ${counted()}`
  const a = new PodInfo(pod('a'))
  snapshot.setNode(node('n1'))
  const before = snapshot.node('n1')!.generation
  snapshot.setPod(a, 'n1', true)
  const { generation, slot } = snapshot.node('n1')!
  assert.ok(generation > before)
  assert.equal(now(), 'n1: a?; 1')
  snapshot.setPod(new PodInfo(pod('b')), 'n2')
  assert.equal(now(), 'n1: a?, without: b; 1')
  assert.ok(snapshot.confirm('a', pod('a')))
  assert.equal(now(), 'n1: a, without: b; 1')
  assert.equal(snapshot.node('n1')!.generation, generation)
  snapshot.setNode(node('n2'))
  assert.equal(now(), 'n1: a, n2: b; 2')
  snapshot.removeNode('n1')
  assert.equal(now(), 'n2: b, without: a; 1')
  assert.equal(snapshot.removePod('a'), a)
  snapshot.setNode(node('n3'))
  assert.equal(now(), 'n2: b, n3:; 1')
  assert.equal(snapshot.node('n3')!.slot, slot)
})

test('a bound state that may matter to a plugin is not taken for the assumed one', () => {
  const snapshot = new Snapshot(cluster)
  snapshot.setNode(node('n'))
  snapshot.setPod(new PodInfo(pod('a')), 'n', true)
  assert.equal(snapshot.confirm('a', pod('a', { app: 'x' })), false)
  assert.equal(snapshot.confirm('b', pod('b')), false)
  assert.equal(text(snapshot, ['a']), 'n: a?')
})

test('sums, counters and slots are right after any changes', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = seededRandom(seed)
    const pick = (of: readonly string[]) => of[Math.floor(random.float() * of.length)]!
    const [nodes, pods] = ['n1 n2 n3 n4 n5', 'a b c d e f g h'].map(names => names.split(' ')) as [string[], string[]]
    const snapshot = new Snapshot(cluster)
    const marked = (info: PodInfo) => info.labels.app === 'x'
    for (let step = 0; step < 200; step++) {
      const [name, uid] = [pick(nodes), pick(pods)]
      // The counter is made at some step, and kept from then on.
      const counter = step < 20 ? undefined : snapshot.counter('x', marked)
      const what = random.float()
      if (what < 0.2) snapshot.setNode(node(name, pick(['1', '2'])))
      else if (what < 0.3) snapshot.removeNode(name)
      else if (what < 0.4) snapshot.removePod(uid)
      else if (what < 0.5) snapshot.confirm(uid, pod(uid))
      else if (what < 0.6) assert.throws(() => snapshot.setNode(malformed('broken')))
      else snapshot.setPod(new PodInfo(pod(uid, random.float() < 0.5 ? { app: 'x' } : {})), name, random.float() < 0.5)
      const where = `seed ${seed}, step ${step}`
      for (const info of snapshot.nodes) {
        assert.equal(info.requested[0], 100 * info.pods.size, where)
        for (const other of info.pods.keys()) assert.equal(snapshot.where(other)?.node, info.name, where)
      }
      const onNodes = snapshot.nodes.flatMap(({ pods: there }) => [...there.values()])
      assert.equal(new Set(onNodes.map(info => info.uid)).size, onNodes.length, where)
      if (counter) assert.equal(counter.total, onNodes.filter(marked).length, where)
      const slots = snapshot.nodes.map(info => info.slot)
      assert.equal(new Set(slots).size, slots.length, where)
      assert.ok(snapshot.slots <= nodes.length && slots.every(slot => slot < snapshot.slots), where)
    }
  }
})

test('what is taken off a node for a moment is put back, and nothing is put or taken twice', () => {
  const snapshot = new Snapshot(cluster)
  snapshot.setNode(node('n'))
  const [a, b] = [new PodInfo(pod('a')), new PodInfo(pod('b'))]
  snapshot.setPod(a, 'n')
  const n: NodeInfo = snapshot.node('n')!
  const counter = snapshot.counter('all', () => true)
  assert.equal(
    snapshot.with([b], n, () => [n.pods.size, n.requested[0], counter.total].join()),
    '2,200,2',
  )
  assert.throws(() => snapshot.with([b, a], n, () => {}), /pod d\/a \(a\) is on node n already/)
  assert.throws(() => snapshot.take(b, n), /pod d\/b \(b\) is not on node n/)
  assert.throws(() => snapshot.take(new PodInfo(pod('a')), n), /or changed there/)
  assert.equal([n.pods.size, n.requested[0], counter.total].join(), '1,100,1')
})
