// Plugins that throw, at every extension point: the pod or node on which they throw is set aside, and all others are
// scheduled.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../../src/base/log.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { ServiceAccount } from '../../src/kinds/core/serviceaccount.ts'
import { apiVersion, kind, readConfig } from '../../src/scheduler/config.ts'
import type { Plugin } from '../../src/scheduler/framework.ts'
import { definePlugin, type NodeInfo, type PodInfo, startScheduler } from '../../src/scheduler/index.ts'
import { type Sim, simulate } from './cluster.ts'

const namespace = 'default'

const fail = (pod: PodInfo): void => {
  if (pod.pod.metadata.name === 'bad') throw new Error('no')
}
const failOn = (node: NodeInfo): void => {
  if (node.name === 'node-0') throw new Error('no')
}

const podFailures: { point: string; plugin: Partial<Plugin>; message: string }[] = [
  {
    point: 'preEnqueue',
    plugin: { preEnqueue: pod => (fail(pod), true) },
    message: 'running PreEnqueue plugin "T": no',
  },
  { point: 'prepare', plugin: { prepare: pod => (fail(pod), {}) }, message: 'running PreFilter plugin "T": no' },
  { point: 'filter', plugin: { filter: (_, __, pod) => (fail(pod), true) }, message: 'running "T" filter plugin: no' },
  { point: 'reserve', plugin: { reserve: pod => (fail(pod), true) }, message: 'running Reserve plugin "T": no' },
  { point: 'permit', plugin: { permit: pod => (fail(pod), 'allow') }, message: 'running Permit plugin "T": no' },
  { point: 'preBind', plugin: { preBind: async pod => fail(pod) }, message: 'running PreBind plugin "T": no' },
]

for (const { point, plugin, message } of podFailures)
  test(`a pod that ${point} throws on says so, and the next is scheduled`, () =>
    withPlugin(plugin, async sim => {
      await create(sim, 'bad')
      await create(sim, 'good')
      await sim.until('the good pod has a node', () => nodeOf(sim, 'good') !== undefined)
      await sim.until('the bad pod says why not', () => condition(sim, 'bad') !== undefined)
      const { status, reason, message: told } = condition(sim, 'bad')!
      assert.deepEqual({ status, reason, told }, { status: 'False', reason: 'SchedulerError', told: message })
      // Nothing stays reserved for the pod.
      assert.equal(nodeOf(sim, 'bad'), undefined)
    }))

const nodeFailures: { point: string; plugin: Partial<Plugin> }[] = [
  { point: 'filter', plugin: { filter: (_, node) => (failOn(node), true) } },
  { point: 'score', plugin: { score: (_, node) => (failOn(node), 1) } },
  { point: 'unreserve', plugin: { reserve: () => true, unreserve: (_, node) => failOn(node) } },
  { point: 'postBind', plugin: { postBind: (_, node) => failOn(node) } },
]

for (const { point, plugin } of nodeFailures)
  test(`a node that ${point} throws on keeps no pod from another node`, () =>
    withPlugin(plugin, async sim => {
      for (const name of ['a', 'b', 'c']) await create(sim, name)
      const names = ['a', 'b', 'c']
      await sim.until('all have nodes', () => names.every(name => nodeOf(sim, name) !== undefined))
    }))

const get = (sim: Sim, name: string) => sim.client.mirror(Pod).get(namespace, name)
const nodeOf = (sim: Sim, name: string) => get(sim, name)?.spec.nodeName
const condition = (sim: Sim, name: string) => get(sim, name)?.status.conditions?.find(c => c.type === 'PodScheduled')

const create = (sim: Sim, name: string) =>
  sim.client.create(Pod, { metadata: { name, namespace }, spec: { containers: [{ name: 'c', image: 'app:1' }] } })

function withPlugin(plugin: Partial<Plugin>, run: (sim: Sim) => Promise<void>): Promise<void> {
  return simulate({ nodes: 2, controllers: false, scheduler: false }, async sim => {
    await sim.client.create(ServiceAccount, { metadata: { name: 'default', namespace } })
    const made = definePlugin({ name: 'T', ...plugin })
    const maker = { name: 'T', read: () => () => made }
    const profiles = [{ plugins: { multiPoint: { enabled: [{ name: 'T' }] } } }]
    const config = readConfig({ apiVersion, kind, profiles }, 'test.yaml', [maker])
    const ending = new AbortController()
    const { clock, random } = sim
    const client = sim.plane.client('system:kube-scheduler')
    await startScheduler({ client, clock, random, log: silentLog, signal: ending.signal, config })
    try {
      await run(sim)
    } finally {
      ending.abort()
    }
  })
}
