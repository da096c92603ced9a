// What the status of a pod shows for containers that the runtime does not have.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ContainerSeen, PodSeen } from '../runtime/runtime.ts'
import type { PodPlan } from './plan.ts'
import { podStatus } from './status.ts'
import { nothing } from './testing.ts'
import type { Pod } from '../../kinds/core/pod.ts'

const seenOf = (names: readonly string[]): PodSeen => ({
  uid: 'u',
  sandboxes: [],
  containers: names.map(text => {
    const [name = '', code = '0'] = text.split(':')
    const state = code === 'created' ? code : 'exited'
    return { id: name, name, state, exitCode: Number(code), startedAtMs: 1, finishedAtMs: 2 } as ContainerSeen
  }),
})

/** Returns `name state reason` of every container, and the phase. */
function wordsOf(init: readonly string[], seen: readonly string[], state: PodPlan['state']): string[] {
  const spec = {
    restartPolicy: 'Never',
    initContainers: init.map(name => ({ name })),
    containers: [{ name: 'main' }],
  }
  const status = podStatus({
    pod: { metadata: { name: 'p', namespace: 'd', uid: 'u' }, spec, status: {} } as unknown as Pod,
    seen: seenOf(seen),
    plan: { state, steps: [], againAt: undefined, waiting: new Map(), unequal: [] },
    memory: {
      life: { is: 'alive', finishedAtMs: undefined },
      notStarted: new Set(),
      resize: nothing.resize,
      obstacle: '',
    },
    resize: [],
    holdsClaims: false,
    healthOf: () => [],
    notReady: new Set(),
    startedAtMs: 0,
    nodeIPs: [],
    runtimeName: 'r',
    now: 0,
  })
  return [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])]
    .map(({ name, state: s }) => `${name} ${s.waiting?.reason ?? s.terminated?.reason}`)
    .concat(status.phase ?? '')
}

test('of a pod that ended, containers that had no turn stay waiting, and missing ones that had count as lost', () => {
  const ended = { state: 'ended' } as const
  const initializing = { state: 'initializing', at: 'one' } as const
  const ending = { state: 'ending' } as const
  for (const [init, seen, state, expected] of [
    [[], [], { state: 'starting' }, 'main ContainerCreating, Pending'],
    [['one'], [], initializing, 'one PodInitializing, main PodInitializing, Pending'],
    [['one'], ['one:1'], ending, 'one Error, main PodInitializing, Failed'],
    [['one'], ['one:1'], ended, 'one Error, main PodInitializing, Failed'],
    [['one', 'two'], ['one:1'], ended, 'one Error, two PodInitializing, main PodInitializing, Failed'],
    [['one', 'two'], ['two:1'], ended, 'one ContainerStatusUnknown, two Error, main PodInitializing, Failed'],
    [['one'], ['one:0'], ended, 'one Completed, main ContainerStatusUnknown, Failed'],
    [['one'], ['main:0'], ended, 'one ContainerStatusUnknown, main Completed, Failed'],
    [[], [], ending, 'main ContainerCreating, Pending'],
    [[], [], ended, 'main ContainerStatusUnknown, Failed'],
    [[], ['main:created'], ending, 'main ContainerCreating, Pending'],
    [[], ['main:created'], ended, 'main ContainerStatusUnknown, Failed'],
  ] as [string[], string[], PodPlan['state'], string][])
    assert.equal(wordsOf(init, seen, state).join(', '), expected, `${init} ${seen}`)
})
