// What is shown of the devices of pods.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { podOf } from '../../kinds/testing.ts'
import { allocatableResources, getResources, listResources } from './pod-resources.ts'

const pod = podOf({
  metadata: { name: 'p', namespace: 'n', uid: 'u' },
  spec: {
    initContainers: [
      { name: 'init', image: 'i' },
      { name: 'side', image: 'i', restartPolicy: 'Always' },
    ],
    containers: [{ name: 'main', image: 'i' }],
  },
})
const allotment = (container: string, ids: string[]) => ({ uid: 'u', container, resource: 'r', ids, answer: undefined })
const now = {
  pods: [pod],
  stocks: new Map([
    [
      'r',
      {
        devices: new Map([
          ['a', { isHealthy: true, numaNodes: [0, 1] }],
          ['b', { isHealthy: false, numaNodes: [] }],
        ]),
        stoppedAt: undefined,
      },
    ],
  ]),
  dynamicOf: (_: unknown, { name }: { name: string }) =>
    name === 'main' ? [{ claimName: 'c', claimNamespace: 'n', claimResources: [] }] : [],
  cpus: {
    givenTo: (uid: string, container: string) => (uid === 'u' && container === 'main' ? [2, 3] : []),
    allocatable: [1, 2, 3],
  },
  memory: {
    givenTo: (_: string, container: string) =>
      container === 'main' ? { mask: 2, amounts: new Map([['memory', 5]]) } : undefined,
    allocatable: new Map([[1, new Map([['memory', 9]])]]),
  },
  allotmentsOf: (uid: string) => (uid === 'u' ? [allotment('init', ['b']), allotment('main', ['b', 'a', 'gone'])] : []),
}
const on = (id: string, node: number) => ({
  resourceName: 'r',
  deviceIds: [id],
  topology: { nodes: [{ ID: node }] },
})
const shown = {
  name: 'p',
  namespace: 'n',
  containers: [
    { name: 'side', devices: [], cpuIds: [], memory: [], dynamicResources: [] },
    {
      name: 'main',
      cpuIds: [2, 3],
      memory: [{ memoryType: 'memory', size: 5, topology: { nodes: [{ ID: 1 }] } }],
      dynamicResources: [{ claimName: 'c', claimNamespace: 'n', claimResources: [] }],
      devices: [
        { resourceName: 'r', deviceIds: ['b'] },
        on('a', 0),
        on('a', 1),
        { resourceName: 'r', deviceIds: ['gone'] },
      ],
    },
  ],
}

test('pods are shown with what the containers have that go on running', () => {
  assert.deepEqual(listResources(now), { podResources: [shown] })
  assert.deepEqual(getResources({ podName: 'p', podNamespace: 'n' }, now), { podResources: shown })
  assert.throws(() => getResources({ podName: 'p', podNamespace: 'm' }, now), /^Error: pod p in namespace m not found$/)
})

test('the devices that can be given out are the healthy ones', () => {
  assert.deepEqual(allocatableResources(now), {
    devices: [on('a', 0), on('a', 1)],
    cpuIds: [1, 2, 3],
    memory: [{ memoryType: 'memory', size: 9, topology: { nodes: [{ ID: 1 }] } }],
  })
  assert.deepEqual(allocatableResources({ ...now, cpus: undefined }).cpuIds, [])
})
