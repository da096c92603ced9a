// Which CPUs containers have for themselves, and that nothing is given twice, also by a new kubelet.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { VirtualClock } from '../../base/clock.ts'
import { silentLog } from '../../base/log.ts'
import { fc } from '../../base/testing.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { podOf } from '../../kinds/testing.ts'
import type { ContainerSeen } from '../runtime/runtime.ts'
import { CpuManager, type CpuPolicyOptions } from './manager.ts'
import { type Cpu, cpusetText, cpusIn, exclusiveCpus, reservedCpus, takeCpus } from './plan.ts'

/** Two sockets with two cores each, of two CPUs: 0 and 4 are the first core, 3 and 7 the last. */
const machine: Cpu[] = Array.from({ length: 8 }, (_, id) => {
  const socket = Math.floor((id % 4) / 2)
  return { id, core: id % 4, socket, node: socket }
})

test('sets of CPUs are written as the kernel writes them, and read again', () => {
  const table: [number[], string][] = [
    [[], ''],
    [[0], '0'],
    [[2, 0, 1], '0-2'],
    [[0, 2, 3, 7], '0,2-3,7'],
  ]
  for (const [ids, text] of table) {
    assert.equal(cpusetText(ids), text)
    assert.deepEqual(cpusIn(text)?.sort(), [...ids].sort())
  }
  for (const text of ['a', '1-', '3-1', '1,,2', '0-99999']) assert.equal(cpusIn(text), undefined, text)
})

test('what belongs together is taken together', () => {
  const table: [free: string, count: number, taken: string | undefined][] = [
    ['0-7', 4, '0-1,4-5'],
    ['0-7', 2, '0,4'],
    ['0-7', 1, '0'],
    ['0-7', 3, '0-1,4'],
    ['1-7', 1, '4'],
    ['1-7', 3, '1,4-5'],
    ['1-7', 4, '2-3,6-7'],
    ['2,4,6', 2, '2,6'],
    ['0-7', 8, '0-7'],
    ['0-6', 8, undefined],
  ]
  for (const [free, count, expected] of table) {
    const taken = takeCpus(machine, new Set(cpusIn(free)), count)
    assert.equal(taken && cpusetText(taken), expected, `${count} of ${free}`)
  }
})

test('as many CPUs are taken as are asked for, all of them free', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(7)), fc.integer({ min: 1, max: 8 }), (free, count) => {
      const taken = takeCpus(machine, new Set(free), count)
      if (count > free.length) return taken === undefined
      return taken?.length === count && new Set(taken).size === count && taken.every(id => free.includes(id))
    }),
  )
})

test('the CPUs that are reserved are those that are named, or the first whole ones', () => {
  assert.deepEqual(reservedCpus(machine, [3, 7], 500), [3, 7])
  assert.deepEqual(reservedCpus(machine, [], 500), [0])
  assert.deepEqual(reservedCpus(machine, [], 1500), [0, 4])
})

const guaranteed = (name: string, ...cpus: string[]): Pod =>
  podOf({
    metadata: { name, uid: name },
    spec: {
      containers: cpus.map((cpu, i) => ({
        name: `c${i}`,
        image: 'x',
        resources: { requests: { cpu, memory: '1Gi' }, limits: { cpu, memory: '1Gi' } },
      })),
    },
  })

test('only whole CPUs of guaranteed pods are exclusive', () => {
  const of = (pod: Pod) => pod.spec.containers.map(container => exclusiveCpus(pod, container))
  assert.deepEqual(of(guaranteed('g', '2', '1500m', '1')), [2, 0, 1])
  const burstable = podOf({ spec: { containers: [{ name: 'c', image: 'x', resources: { requests: { cpu: '2' } } }] } })
  assert.deepEqual(of(burstable), [0])
})

async function managed(t: TestContext) {
  const dir = await mkdtemp(join(tmpdir(), 'cpus-'))
  t.after(() => rm(dir, { recursive: true }))
  const file = join(dir, 'cpu_manager_state')
  const pods = new Map<string, { pod: Pod; over: boolean; running: string[] }>()
  const moves: string[] = []
  const clock = new VirtualClock()
  const stop = new AbortController()
  t.after(() => stop.abort())
  const open = (options: Partial<CpuPolicyOptions> = {}) =>
    new CpuManager({
      ...options,
      file,
      cpus: machine,
      reserved: [0],
      pods: () =>
        Array.from(pods.values(), ({ pod, over, running }) => ({
          pod,
          over,
          seen: {
            uid: pod.metadata.uid ?? '',
            sandboxes: [],
            containers: running.map(
              name => ({ id: `${pod.metadata.name}/${name}`, name, state: 'running' }) as ContainerSeen,
            ),
          },
        })),
      now: {
        live: () =>
          new Set(Array.from(pods.values()).flatMap(({ pod, over }) => (over ? [] : [pod.metadata.uid ?? '']))),
        isComplete: () => true,
      },
      runtime: { updateContainer: async (id, { cpusetCpus }) => void moves.push(`${id} ${cpusetCpus}`) },
      clock,
      log: silentLog,
      signal: stop.signal,
    })
  const add = (pod: Pod, running: string[] = []) => pods.set(pod.metadata.uid ?? '', { pod, over: false, running })
  return { open, add, pods, moves, clock, file }
}

test('a pod has its CPUs until it is over, and the others move out of the way and back', async t => {
  const { open, add, pods, moves, clock } = await managed(t)
  const manager = open()
  const other = podOf({ metadata: { name: 'other', uid: 'other' }, spec: { containers: [{ name: 'c', image: 'x' }] } })
  add(other, ['c'])
  const [first, second] = [guaranteed('first', '2', '1'), guaranteed('second', '4')]
  assert.equal(manager.admit(first), undefined)
  add(first)
  assert.deepEqual([manager.cpusetFor(first, { name: 'c0' }), manager.cpusetFor(first, { name: 'c1' })], ['1,5', '4'])
  assert.equal(manager.cpusetFor(other, { name: 'c' }), '0,2-3,6-7')
  await clock.forward(10)
  assert.deepEqual(moves.splice(0), ['other/c 0,2-3,6-7'])
  assert.equal(manager.admit(second), undefined)
  add(second)
  assert.deepEqual(manager.admit(guaranteed('third', '1')), {
    reason: 'UnexpectedAdmissionError',
    message:
      'Allocate failed due to not enough cpus available to satisfy request: requested=1, available=0, which is unexpected',
  })
  await clock.forward(10)
  assert.deepEqual(moves.splice(0), ['other/c 0'])
  pods.get('first')!.over = true
  manager.changed()
  await clock.forward(10)
  assert.deepEqual(moves.splice(0), ['other/c 0-1,4-5'])
  assert.equal(manager.admit(guaranteed('third', '3')), undefined)
})

test('a new kubelet gives nothing twice, and refuses a file that it cannot trust', async t => {
  const { open, add, file } = await managed(t)
  const pod = guaranteed('first', '2')
  open().admit(pod)
  add(pod)
  const again = open()
  assert.equal(again.cpusetFor(pod, { name: 'c0' }), '1,5')
  assert.equal(again.admit(pod), undefined)
  assert.equal(again.cpusetFor(pod, { name: 'c0' }), '1,5')
  const saved = await readFile(file, 'utf8')
  const wrong: [string, RegExp][] = [
    ['{', /is not the state of the static policy; remove the file/],
    ['{"policyName":"none","entries":{}}', /is not the state of the static policy/],
    [saved.replace('"1,5"', '"x"'), /"x" is no set of CPUs/],
    [saved.replace('"1,5"', '"0"'), /CPU 0 cannot be given/],
    [saved.replace('"1,5"', '"99"'), /CPU 99 cannot be given/],
    [saved.replace('"entries":{', '"entries":{"other":{"c":"1"},'), /CPU 1 is given twice/],
  ]
  for (const [text, message] of wrong) {
    await writeFile(file, text)
    assert.throws(open, message)
  }
})

test('an init container leaves its CPUs to those that start after it', async t => {
  const { open, add } = await managed(t)
  const manager = open()
  const resources = (cpu: string) => ({ requests: { cpu, memory: '1Gi' }, limits: { cpu, memory: '1Gi' } })
  const of = (name: string, cpu: string, more: object = {}) => ({
    name,
    image: 'x',
    resources: resources(cpu),
    ...more,
  })
  const pod = podOf({
    metadata: { name: 'p', uid: 'p' },
    spec: {
      initContainers: [of('i', '4'), of('s', '1', { restartPolicy: 'Always' }), of('j', '3')],
      containers: [of('c', '2'), of('d', '2')],
    },
  })
  assert.equal(manager.admit(pod), undefined)
  add(pod)
  const cpusOf = (...names: string[]) => names.flatMap(name => [...manager.givenTo('p', name)])
  assert.equal(new Set(cpusOf('s', 'c', 'd')).size, 5)
  for (const passing of ['i', 'j'])
    for (const id of cpusOf(passing)) assert.ok(passing === 'i' || !cpusOf('s').includes(id), `${passing} ${id}`)
  // Two are left: what the init containers had is with the others.
  assert.equal(manager.admit(guaranteed('q', '3'))?.reason, 'UnexpectedAdmissionError')
  assert.equal(manager.admit(guaranteed('q', '2')), undefined)
})

test('whole cores are given only to those that ask for whole cores', async t => {
  const { open, add } = await managed(t)
  const manager = open({ fullCores: true })
  assert.deepEqual(manager.admit(guaranteed('odd', '3')), {
    reason: 'SMTAlignmentError',
    message: 'SMT Alignment Error: requested 3 cpus not multiple cpus per core = 2',
  })
  const pod = guaranteed('first', '4')
  assert.equal(manager.admit(pod), undefined)
  add(pod)
  // CPU 4 shares a core with the one that is reserved.
  assert.deepEqual(manager.admit(guaranteed('second', '4')), {
    reason: 'SMTAlignmentError',
    message:
      'SMT Alignment Error: not enough free physical CPUs: available physical CPUs = 2, requested CPUs = 4, CPUs per core = 2',
  })
})

test('reserved CPUs are left alone where that is asked for', async t => {
  const other = podOf({ metadata: { name: 'o', uid: 'o' }, spec: { containers: [{ name: 'c', image: 'x' }] } })
  const { open } = await managed(t)
  assert.equal(open().cpusetFor(other, { name: 'c' }), '0-7')
  assert.equal(open({ strictReservation: true }).cpusetFor(other, { name: 'c' }), '1-7')
})

test('hints are the NUMA nodes that have enough CPUs, and CPUs are taken near to them', async t => {
  const { open, add } = await managed(t)
  const manager = open()
  const hintsOf = (pod: Pod) => manager.hints(pod, pod.spec.containers).get('cpu')
  const both = { mask: 3, isPreferred: false }
  // Node 0 has the CPUs 0, 1, 4 and 5, of which 0 is reserved.
  assert.deepEqual(hintsOf(guaranteed('p', '3')), [
    { mask: 1, isPreferred: true },
    { mask: 2, isPreferred: true },
    both,
  ])
  assert.deepEqual(hintsOf(guaranteed('p', '4')), [{ mask: 2, isPreferred: true }, both])
  assert.deepEqual(hintsOf(guaranteed('p', '5')), [{ mask: 3, isPreferred: true }])
  assert.deepEqual(hintsOf(guaranteed('p', '3', '2')), [{ mask: 3, isPreferred: true }])
  assert.deepEqual(hintsOf(guaranteed('p', '8')), [])
  assert.deepEqual(hintsOf(guaranteed('p', '500m')), undefined)
  const pod = guaranteed('near', '3')
  assert.equal(manager.allocate(pod, pod.spec.containers[0]!, 2), undefined)
  add(pod)
  assert.deepEqual(manager.givenTo('near', 'c0'), [2, 3, 6])
  assert.deepEqual(hintsOf(pod), [{ mask: 2, isPreferred: true }])
  const wide = guaranteed('wide', '2')
  assert.equal(manager.allocate(wide, wide.spec.containers[0]!, 2), undefined)
  assert.ok(manager.givenTo('wide', 'c0').includes(7))
})
