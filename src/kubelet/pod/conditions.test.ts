// The conditions that the kubelet writes, as tables: a pod and what the runtime has of it → what it waits for.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { timeText } from '../../api/time.ts'
import { type Inputs, now, type Spec, specOf, statusOf } from './testing.ts'

const never: Spec = { restartPolicy: 'Never' }

/** Each condition as `Ready False ContainersNotReady: message`. */
const conditionsOf = (inputs: Inputs) =>
  statusOf(inputs).conditions!.map(({ type, status, reason, message }) =>
    [type, status, ...(reason ? [`${reason}${message ? `: ${message}` : ''}`] : [])].join(' '),
  )

test('the conditions of a pod say what it waits for', () => {
  const scheduled = 'PodScheduled True'
  const unready = (names: string) => `ContainersNotReady: containers with unready status: [${names}]`
  const incomplete = (names: string) =>
    `Initialized False ContainersNotInitialized: containers with incomplete status: [${names}]`
  const table: [what: string, inputs: Inputs, conditions: string[]][] = [
    [
      'without a sandbox',
      { spec: specOf('a'), seen: '', sandbox: 'none' },
      [
        'PodReadyToStartContainers False',
        'Initialized True',
        `Ready False ${unready('a')}`,
        `ContainersReady False ${unready('a')}`,
      ],
    ],
    [
      'initializing',
      { spec: specOf('i1 i2 a'), seen: 'i2:running i1:exited:0' },
      [
        'PodReadyToStartContainers True',
        incomplete('i2'),
        `Ready False ${unready('a')}`,
        `ContainersReady False ${unready('a')}`,
      ],
    ],
    [
      'a sidecar starts',
      { spec: specOf('s1 a'), seen: 's1:running', memory: { notStarted: new Set(['s1-0']) } },
      [
        'PodReadyToStartContainers True',
        incomplete('s1'),
        `Ready False ${unready('s1 a')}`,
        `ContainersReady False ${unready('s1 a')}`,
      ],
    ],
    [
      'running',
      { spec: specOf('i1 a b'), seen: 'a:running b:running i1:exited:0' },
      ['PodReadyToStartContainers True', 'Initialized True', 'Ready True', 'ContainersReady True'],
    ],
    [
      'one is not ready',
      { spec: specOf('s1 a b'), seen: 'a:running b:running s1:running', notReady: ['b-0'] },
      [
        'PodReadyToStartContainers True',
        'Initialized True',
        `Ready False ${unready('b')}`,
        `ContainersReady False ${unready('b')}`,
      ],
    ],
    [
      // Initialized stays once the pod has begun, although the init container is gone.
      'the init container was collected',
      { spec: specOf('i1 a'), seen: 'a:running' },
      ['PodReadyToStartContainers True', 'Initialized True', 'Ready True', 'ContainersReady True'],
    ],
    [
      'succeeded',
      { spec: specOf('i1 a', never), seen: 'a:exited:0 i1:exited:0', sandbox: 'dead' },
      [
        'PodReadyToStartContainers False',
        'Initialized True PodCompleted',
        'Ready False PodCompleted',
        'ContainersReady False PodCompleted',
      ],
    ],
    [
      'failed',
      { spec: specOf('a', never), seen: 'a:exited:1', sandbox: 'dead' },
      [
        'PodReadyToStartContainers False',
        'Initialized True',
        'Ready False PodFailed',
        'ContainersReady False PodFailed',
      ],
    ],
    [
      'a sandbox without an address',
      { spec: specOf('a'), seen: '', sandbox: 'without address' },
      [
        'PodReadyToStartContainers False',
        'Initialized True',
        `Ready False ${unready('a')}`,
        `ContainersReady False ${unready('a')}`,
      ],
    ],
    [
      'a sandbox on the node’s network',
      { spec: specOf('a', { hostNetwork: true }), seen: 'a:running', sandbox: 'without address' },
      ['PodReadyToStartContainers True', 'Initialized True', 'Ready True', 'ContainersReady True'],
    ],
  ]
  for (const [what, inputs, conditions] of table)
    assert.deepEqual(conditionsOf(inputs), [...conditions, scheduled], what)
})

test('a readiness gate keeps a pod from being ready until others have set its condition to True', () => {
  const gates = ['example.com/one', 'example.com/two']
  const spec = specOf('a', { readinessGates: gates.map(conditionType => ({ conditionType })) })
  const ready = (conditions: { type: string; status: string }[], notReady: string[] = []) =>
    conditionsOf({ spec, seen: 'a:running', before: { conditions }, notReady }).slice(2, 4)
  const missing = (gate: string) => `corresponding condition of pod readiness gate "${gate}" does not exist.`
  assert.deepEqual(ready([]), [
    `Ready False ReadinessGatesNotReady: ${missing(gates[0]!)}, ${missing(gates[1]!)}`,
    'ContainersReady True',
  ])
  assert.deepEqual(
    ready([
      { type: gates[0]!, status: 'True' },
      { type: gates[1]!, status: 'False' },
    ]),
    [
      `Ready False ReadinessGatesNotReady: the status of pod readiness gate "${gates[1]}" is not "True", but False`,
      'ContainersReady True',
    ],
  )
  const both = gates.map(type => ({ type, status: 'True' }))
  assert.deepEqual(ready(both), ['Ready True', 'ContainersReady True'])
  // The containers come first.
  assert.match(ready(both, ['a-0'])[0]!, /^Ready False ContainersNotReady/)
})

test('a condition keeps the time of its last change, and has the generation of the pod', () => {
  const before = {
    conditions: [
      { type: 'Ready', status: 'True', lastTransitionTime: '2020-01-01T00:00:00Z', reason: 'old' },
      { type: 'ContainersReady', status: 'False', lastTransitionTime: '2020-01-01T00:00:00Z' },
      { type: 'PodScheduled', status: 'True' },
    ],
  }
  const { conditions = [] } = statusOf({ spec: specOf('a'), seen: 'a:running', before })
  const of = (type: string) => conditions.find(c => c.type === type)
  assert.deepEqual(of('Ready'), {
    type: 'Ready',
    status: 'True',
    observedGeneration: 3,
    lastProbeTime: null,
    lastTransitionTime: '2020-01-01T00:00:00Z',
  })
  assert.equal(of('ContainersReady')?.lastTransitionTime, timeText(now))
  assert.equal(of('PodScheduled')?.lastTransitionTime, timeText(now))
})
