// From which NUMA nodes containers have their memory, and that nothing is given twice, also by a new kubelet.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { Pod } from '../../kinds/core/pod.ts'
import { podOf } from '../../kinds/testing.ts'
import { readKubeletConfig } from '../kubelet-config.ts'
import type { NumaNode } from '../topology/machine.ts'
import { memoryStock } from '../topology/start.ts'
import { MemoryManager } from './manager.ts'

const gi = 2 ** 30
const isGuaranteed = (memory: string) => ({ requests: { cpu: '1', memory }, limits: { cpu: '1', memory } })

function podWith(name: string, memory: readonly string[], init: readonly string[] = []): Pod {
  const of = (prefix: string) => (amount: string, i: number) => ({
    name: `${prefix}${i}`,
    image: 'x',
    resources: isGuaranteed(amount),
  })
  return podOf({
    metadata: { name, uid: name },
    spec: { containers: memory.map(of('c')), initContainers: init.map(of('i')) },
  })
}

/** A machine with two nodes of 4 Gi for containers each. */
async function managed(t: TestContext) {
  const dir = await mkdtemp(join(tmpdir(), 'memory-'))
  t.after(() => rm(dir, { recursive: true }))
  const file = join(dir, 'memory_manager_state')
  const pods = new Map<string, Pod>()
  const stock = new Map([0, 1].map(node => [node, new Map([['memory', 4 * gi]])]))
  const now = { live: () => new Set(pods.keys()), isComplete: () => true }
  const open = () => new MemoryManager({ file, stock, now, podOf: uid => pods.get(uid) })
  const take = (manager: MemoryManager, pod: Pod) => {
    pods.set(pod.metadata.uid ?? '', pod)
    return manager.admit(pod)
  }
  return { open, take, pods, file }
}

test('a container has its memory from one node, and the next one from the other', async t => {
  const { open, take, pods } = await managed(t)
  const manager = open()
  const [a, b, c] = [podWith('a', ['3Gi']), podWith('b', ['3Gi']), podWith('c', ['2Gi'])]
  assert.equal(take(manager, a), undefined)
  assert.equal(take(manager, b), undefined)
  const memsOf = (pod: Pod, name = 'c0') => manager.memsFor(pod, { name })
  assert.deepEqual([memsOf(a), memsOf(b), memsOf(c)], ['0', '1', ''])
  assert.deepEqual(take(manager, c), {
    reason: 'UnexpectedAdmissionError',
    message:
      'Allocate failed due to [memorymanager] failed to get the default NUMA affinity, no NUMA nodes with enough memory is available, which is unexpected',
  })
  pods.delete('a')
  assert.equal(take(manager, c), undefined)
  assert.equal(memsOf(c), '0')
})

test('nodes that serve a container together serve no other one alone', async t => {
  const { open, take, pods } = await managed(t)
  const manager = open()
  const wide = podWith('wide', ['6Gi'])
  assert.deepEqual(manager.hints(wide, wide.spec.containers).get('memory'), [{ mask: 3, isPreferred: true }])
  assert.equal(take(manager, wide), undefined)
  assert.equal(manager.memsFor(wide, { name: 'c0' }), '0,1')
  const small = podWith('small', ['1Gi'])
  assert.deepEqual(manager.hints(small, small.spec.containers).get('memory'), [{ mask: 3, isPreferred: false }])
  assert.equal(
    manager.allocate(small, small.spec.containers[0]!, 1)?.message.includes('violates NUMA node allocation'),
    true,
  )
  pods.delete('wide')
  assert.equal(take(manager, small), undefined)
  assert.deepEqual(manager.hints(wide, wide.spec.containers).get('memory'), [])
})

test('an init container leaves its memory to those that start after it', async t => {
  const { open, take } = await managed(t)
  const manager = open()
  assert.equal(take(manager, podWith('a', ['1Gi', '2Gi'], ['3Gi', '3Gi'])), undefined)
  assert.equal(take(manager, podWith('b', ['1Gi'])), undefined)
  assert.equal(manager.givenTo('b', 'c0')?.mask, 1)
  assert.equal(take(manager, podWith('c', ['4Gi'])), undefined)
  assert.equal(take(manager, podWith('d', ['1Gi']))?.reason, 'UnexpectedAdmissionError')
})

test('containers of one pod are placed beside each other, and huge pages where there are any', async t => {
  const { open } = await managed(t)
  const manager = open()
  const pod = podWith('p', ['3Gi', '3Gi'])
  const [first, second] = pod.spec.containers
  assert.deepEqual(manager.hints(pod, [first!, second!]).get('memory'), [{ mask: 3, isPreferred: true }])
  assert.equal(manager.allocate(pod, first!, 2), undefined)
  const wanted = [{ mask: 1, isPreferred: true }]
  assert.deepEqual(manager.hints(pod, [second!]).get('memory'), wanted)
  const huge = podOf({
    metadata: { uid: 'h' },
    spec: {
      containers: [
        {
          name: 'c',
          image: 'x',
          resources: {
            requests: { cpu: '1', memory: '1Gi', 'hugepages-2Mi': '2Mi' },
            limits: { cpu: '1', memory: '1Gi', 'hugepages-2Mi': '2Mi' },
          },
        },
      ],
    },
  })
  assert.deepEqual([...manager.hints(huge, huge.spec.containers)].sort(), [
    ['hugepages-2Mi', []],
    ['memory', []],
  ])
  assert.equal(manager.admit(huge)?.reason, 'UnexpectedAdmissionError')
})

test('a new kubelet finds what was given, and does not start with a damaged file', async t => {
  const { open, take, file } = await managed(t)
  const pod = podWith('a', ['3Gi'])
  take(open(), pod)
  const again = open()
  assert.equal(again.memsFor(pod, { name: 'c0' }), '0')
  assert.deepEqual(again.hints(pod, pod.spec.containers).get('memory'), [{ mask: 1, isPreferred: true }])
  assert.equal(take(again, podWith('b', ['3Gi'])), undefined)
  assert.equal(again.memsFor(podWith('b', ['3Gi']), { name: 'c0' }), '1')
  const saved = await readFile(file, 'utf8')
  const wrong: [string, RegExp][] = [
    ['{', /is not the state of the static policy; remove the file/],
    [saved.replace('"numaAffinity":[0]', '"numaAffinity":[4]'), /the machine has no NUMA nodes 4/],
    [saved.replace('"numaAffinity":[0]', '"numaAffinity":[]'), /is no memory of a container/],
    [saved.replace(`"memory":${3 * gi}`, '"memory":-1'), /is no memory of a container/],
  ]
  for (const [text, message] of wrong) {
    await writeFile(file, text)
    assert.throws(open, message)
  }
})

test('what is reserved of the nodes is what the node keeps from pods', () => {
  const nodes: NumaNode[] = [0, 1].map(id => ({
    id,
    cpus: [id],
    bytes: new Map([
      ['memory', 8 * gi],
      ['hugepages-1Gi', 2 * gi],
    ]),
    distances: new Map(),
  }))
  const config = (memory: string, numaNode = 0) =>
    readKubeletConfig(
      {
        apiVersion: 'kubelet.config.k8s.io/v1beta1',
        kind: 'KubeletConfiguration',
        memoryManagerPolicy: 'Static',
        kubeReserved: { memory: '1Gi' },
        evictionHard: { 'memory.available': '1Gi' },
        reservedMemory: [{ numaNode, limits: { memory } }],
      },
      'file',
    )
  const stock = memoryStock(nodes, config('2Gi'))
  assert.deepEqual(
    Array.from(stock, ([id, of]) => [id, Object.fromEntries(of)]),
    [
      [0, { memory: 4 * gi, 'hugepages-1Gi': 2 * gi }],
      [1, { memory: 6 * gi, 'hugepages-1Gi': 2 * gi }],
    ],
  )
  assert.throws(
    () => memoryStock(nodes, config('1Gi')),
    /total amount 1073741824 of type "memory" is not equal to the value 2147483648/,
  )
  assert.throws(() => memoryStock(nodes, config('2Gi', 7)), /reservedMemory: the machine has no NUMA node 7/)
})
