// What the meter reads of a machine, and which node of a machine uses most, on cgroups of a table.
import { plainMemory } from '../config/memory.ts'
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { test, type TestContext } from 'node:test'
import { VirtualClock } from '../../base/clock.ts'
import type { Cgroups } from '../../linux/index.ts'
import { SimulatedRuntime } from '../runtime/simulated.ts'
import { RealMeter } from './meter.ts'

/** @param memory the bytes of memory that the pods of each node use */
async function meterOf(t: TestContext, memory: Record<string, number>, cgroupRoot = '/kutter-x/mine') {
  const rootDir = await mkdtemp(`${tmpdir()}/meter-`)
  t.after(() => rm(rootDir, { recursive: true }))
  const clock = new VirtualClock()
  const unused = async (): Promise<never> => assert.fail('only usage is read')
  const cgroups: Cgroups = {
    version: 2,
    limitsSwap: async () => false,
    ensure: unused,
    exists: unused,
    detail: unused,
    processes: unused,
    remove: unused,
    children: async () => Object.keys(memory),
    async usage(path) {
      const bytes = memory[path.split('/').at(-2) ?? '']
      if (bytes === undefined) return undefined
      return {
        cpuNs: 0,
        memoryBytes: bytes,
        workingSetBytes: bytes,
        rssBytes: 0,
        pageFaults: 0,
        majorPageFaults: 0,
        pids: bytes,
      }
    },
  }
  const settings = {
    clusterDNS: '',
    clusterDomain: '',
    hostResolvConf: '',
    logRoot: rootDir,
    cgroupRoot,
    seccompRoot: rootDir,
    memory: plainMemory(1),
  }
  return new RealMeter({ rootDir, runtime: new SimulatedRuntime({ clock }), cgroups, settings, clock })
}

test('a node is measured by memory, disk and process ids, each with its capacity', async t => {
  const observed = await (await meterOf(t, {})).observe()
  for (const signal of ['memory.available', 'nodefs.available', 'imagefs.available', 'pid.available'] as const) {
    const { available, capacity } = observed.get(signal)!
    assert.ok(capacity > 0 && available > 0 && available <= capacity, `${signal}: ${available} of ${capacity}`)
  }
})

test('a directory of a larger disk is shared', async t => {
  const meter = await meterOf(t, {})
  assert.equal(await meter.hasOwnDisk(), false)
  assert.equal(await meter.hasImageFs(), false)
})

const nodes: [string, Record<string, number>, string, boolean][] = [
  ['the only node', { mine: 5 }, '/kutter-x/mine', true],
  ['the largest of several', { mine: 5, other: 4 }, '/kutter-x/mine', true],
  ['as large as another', { mine: 5, other: 5 }, '/kutter-x/mine', true],
  ['smaller than another', { mine: 5, other: 6 }, '/kutter-x/mine', false],
  ['without pods beside a node that has some', { other: 1 }, '/kutter-x/mine', false],
  ['with a group of its own', { other: 9 }, '/mine', true],
]

for (const [what, memory, root, expected] of nodes)
  test(`whether a node evicts before others: ${what}`, async t => {
    const meter = await meterOf(t, memory, root)
    assert.deepEqual([await meter.isLargest('memory'), await meter.isLargest('pids')], [expected, expected])
    assert.equal(await meter.isLargest('ephemeral-storage'), true)
  })
