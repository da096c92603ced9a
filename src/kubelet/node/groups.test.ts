// The limits of the control groups above those of pods.
import { plainMemory } from '../config/memory.ts'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../../base/clock.ts'
import { silentLog } from '../../base/log.ts'
import { podOf } from '../../kinds/testing.ts'
import type { CgroupLimits, Cgroups } from '../../linux/index.ts'
import { groupLimits, NodeGroups } from './groups.ts'

const capacity = { cpuMilli: 4000, memoryBytes: 1000, pids: 500 }
const memory = plainMemory(1000)
const nothing = { cpuMilli: 0, memoryBytes: 0, storageBytes: 0, pids: 0 }
const pod = (name: string, requests: object, limits: object = {}) =>
  podOf({
    metadata: { name, uid: name },
    spec: { containers: [{ name: 'c', image: 'x', resources: { requests, limits } }] },
  })
const guaranteed = pod('g', { cpu: '1', memory: '1' }, { cpu: '1', memory: '1' })

test('pods have together what is not reserved, and classes share CPU time by what they request', () => {
  assert.deepEqual(
    [...groupLimits(capacity, nothing, [], memory)],
    [
      ['', { cpuShares: 4096, memoryBytes: 1000 }],
      ['burstable', { cpuShares: 2 }],
      ['besteffort', { cpuShares: 2 }],
    ],
  )
  const reserved = { cpuMilli: 1000, memoryBytes: 300, storageBytes: 7, pids: 100 }
  const pods = [guaranteed, pod('a', { cpu: '500m' }), pod('b', { cpu: '250m' }), pod('c', {})]
  assert.deepEqual(
    [...groupLimits(capacity, reserved, pods, memory)],
    [
      ['', { cpuShares: 3072, memoryBytes: 700, pids: 400 }],
      ['burstable', { cpuShares: 768 }],
      ['besteffort', { cpuShares: 2 }],
    ],
  )
})

test('the groups are written once for several changes, and again after a failure', async () => {
  const clock = new VirtualClock()
  const writes: string[] = []
  let failing = false
  const cgroups: Pick<Cgroups, 'ensure'> = {
    async ensure(path: string, limits: CgroupLimits = {}) {
      if (failing) throw new Error('busy')
      writes.push(`${path} ${limits.cpuShares}`)
    },
  }
  let pods = [pod('a', { cpu: '1' })]
  const stop = new AbortController()
  const groups = new NodeGroups({
    cgroups: cgroups as Cgroups,
    cgroupRoot: '/r',
    capacity,
    reserved: nothing,
    memory,
    pods: () => pods,
    clock,
    log: silentLog,
    signal: stop.signal,
  })
  groups.changed()
  await clock.forward(10)
  assert.deepEqual(writes.splice(0), ['/r/kubepods 4096', '/r/kubepods/burstable 1024', '/r/kubepods/besteffort 2'])
  for (let i = 0; i < 5; i++) groups.changed()
  await clock.forward(5000)
  assert.deepEqual(writes, [])
  failing = true
  pods = [...pods, pod('b', { cpu: '1' })]
  groups.changed()
  await clock.forward(2000)
  failing = false
  groups.changed()
  await clock.forward(2000)
  assert.deepEqual(writes, ['/r/kubepods/burstable 2048'])
  stop.abort()
})
