// The status of pods, as tables: a spec, what the runtime has, and what the former status said → phase and containers.
// The plan is the real one, since the two must fit.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { timeText } from '../../api/time.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import type { ContainerStatus } from '../../kinds/core/podstatus.ts'
import { podOf } from '../../kinds/testing.ts'
import { backoffKey } from './backoff.ts'
import type { PodMemory } from './plan.ts'
import { isReported, replacing } from './status.ts'
import { type Inputs, nothing, now, type Spec, specOf, type StatusDraft, statusOf } from './testing.ts'

/** `a running ready #2`, `a CrashLoopBackOff (Error 1)`, `i1 Completed 0 ready`. */
function wordsOf({ name, state, lastState, ready, restartCount }: ContainerStatus): string {
  const end = ({ terminated: t }: ContainerStatus['state']) => (t ? `${t.reason} ${t.exitCode}` : undefined)
  const last = end(lastState)
  return [
    name,
    state.waiting?.reason ?? end(state) ?? 'running',
    ...(last ? [`(${last})`] : []),
    ...(ready ? ['ready'] : []),
    ...(restartCount ? [`#${restartCount}`] : []),
  ].join(' ')
}

function summaryOf(inputs: Inputs): string {
  const {
    phase,
    initContainerStatuses = [],
    containerStatuses = [],
    ephemeralContainerStatuses = [],
  } = statusOf(inputs)
  const all = [...initContainerStatuses, ...containerStatuses, ...ephemeralContainerStatuses]
  return [`${phase}:`, all.map(wordsOf).join(', ')].join(' ')
}

const never: Spec = { restartPolicy: 'Never' }
const onFailure: Spec = { restartPolicy: 'OnFailure' }
const crashing = (name: string): Partial<PodMemory> => ({
  backoffs: new Map([
    [backoffKey({ name, image: 'x' } as Pod['spec']['containers'][number]), { delayMs: 10_000, updatedAt: now - 2000 }],
  ]),
})

test('the phase and the containers of a pod follow from what the runtime has of it', () => {
  const table: [what: string, spec: Spec, seen: string, summary: string, more?: Partial<Inputs>][] = [
    ['a new pod', specOf('a b'), '', 'Pending: a ContainerCreating, b ContainerCreating', { sandbox: 'none' }],
    ['a new pod with init containers', specOf('i1 a'), '', 'Pending: i1 PodInitializing, a PodInitializing'],
    ['a container is created', specOf('a'), 'a:created', 'Pending: a ContainerCreating'],
    ['one of two runs', specOf('a b'), 'a:running', 'Pending: a running ready, b ContainerCreating'],
    ['both run', specOf('a b'), 'a:running b:running', 'Running: a running ready, b running ready'],
    ['one runs, one is starting again', specOf('a b'), 'a:running b:exited:1', 'Running: a running ready, b Error 1'],
    [
      'one backs off',
      specOf('a b'),
      'a:running b:exited:1',
      'Running: a running ready, b CrashLoopBackOff (Error 1)',
      { memory: crashing('b') },
    ],
    ['one was restarted', specOf('a'), 'a:running a:exited:3', 'Running: a running (Error 3) ready #1'],
    [
      'of several ends the newest counts',
      specOf('a'),
      'a:running a:exited:3 a:exited:4',
      'Running: a running (Error 3) ready #2',
    ],
    ['out of memory', specOf('a'), 'a:exited:137:OOMKilled', 'Running: a OOMKilled 137'],
    ['ended with 0, to be restarted', specOf('a'), 'a:exited:0', 'Running: a Completed 0'],
    ['ended with 0 for good', specOf('a', onFailure), 'a:exited:0', 'Succeeded: a Completed 0'],
    ['ended with 1 for good', specOf('a', never), 'a:exited:1', 'Failed: a Error 1'],
    ['ended with 1, to be restarted', specOf('a', onFailure), 'a:exited:1', 'Running: a Error 1'],
    ['both ended, one badly', specOf('a b', never), 'a:exited:0 b:exited:2', 'Failed: a Completed 0, b Error 2'],
    [
      'one ended for good, one runs',
      specOf('a b', never),
      'a:exited:2 b:running',
      'Running: a Error 2, b running ready',
    ],
    // Init containers.
    ['the first runs', specOf('i1 i2 a'), 'i1:running', 'Pending: i1 running, i2 PodInitializing, a PodInitializing'],
    [
      'the second runs',
      specOf('i1 i2 a'),
      'i2:running i1:exited:0',
      'Pending: i1 Completed 0 ready, i2 running, a PodInitializing',
    ],
    [
      'both have succeeded',
      specOf('i1 i2 a'),
      'i2:exited:0 i1:exited:0',
      'Pending: i1 Completed 0 ready, i2 Completed 0 ready, a PodInitializing',
    ],
    ['one failed, to be restarted', specOf('i1 a'), 'i1:exited:1', 'Pending: i1 Error 1, a PodInitializing'],
    ['one failed for good', specOf('i1 a', never), 'i1:exited:1', 'Failed: i1 Error 1, a PodInitializing'],
    ['the pod runs', specOf('i1 a'), 'a:running i1:exited:0', 'Running: i1 Completed 0 ready, a running ready'],
    // Sidecars.
    ['a sidecar runs', specOf('s1 a'), 's1:running', 'Pending: s1 running ready, a PodInitializing'],
    ['a sidecar and the pod run', specOf('s1 a'), 'a:running s1:running', 'Running: s1 running ready, a running ready'],
    [
      'a sidecar has ended, the pod runs',
      specOf('s1 a'),
      'a:running s1:exited:1',
      'Running: s1 Error 1, a running ready',
    ],
    [
      'only the sidecar runs',
      specOf('s1 a', never),
      'a:exited:0 s1:running',
      'Running: s1 running ready, a Completed 0',
    ],
    [
      'the sidecar ended badly at the end',
      specOf('s1 a', never),
      'a:exited:0 s1:exited:137',
      'Succeeded: s1 Error 137, a Completed 0',
    ],
    // Ephemeral containers do not count.
    ['an ephemeral container', specOf('a e1'), 'e1:running a:running', 'Running: a running ready, e1 running'],
    [
      'an ephemeral container has failed',
      specOf('a e1', never),
      'e1:exited:1 a:running',
      'Running: a running ready, e1 Error 1',
    ],
    [
      'a pod whose ephemeral container still runs',
      specOf('a e1', never),
      'e1:running a:exited:0',
      'Running: a Completed 0, e1 running',
    ],
  ]
  for (const [what, spec, seen, summary, more] of table) assert.equal(summaryOf({ spec, seen, ...more }), summary, what)
})

test('a container is ready when it has started and its probe succeeds, and an init container when it has succeeded', () => {
  const table: [what: string, spec: Spec, seen: string, summary: string, more?: Partial<Inputs>][] = [
    [
      'not ready by its probe',
      specOf('a b'),
      'a:running b:running',
      'Running: a running, b running ready',
      { notReady: ['a-0'] },
    ],
    ['not started', specOf('a'), 'a:running', 'Running: a running', { memory: { notStarted: new Set(['a-0']) } }],
    [
      'a sidecar that is not ready',
      specOf('s1 a'),
      'a:running s1:running',
      'Running: s1 running, a running ready',
      { notReady: ['s1-0'] },
    ],
    [
      'a sidecar that has not started',
      specOf('s1 a'),
      's1:running',
      'Pending: s1 running, a PodInitializing',
      { memory: { notStarted: new Set(['s1-0']) } },
    ],
    // The result belongs to the container that was probed, not to the one before.
    [
      'of the container before',
      specOf('a'),
      'a:running a:exited:1',
      'Running: a running (Error 1) ready #1',
      { notReady: ['a-0'] },
    ],
  ]
  for (const [what, spec, seen, summary, more] of table) assert.equal(summaryOf({ spec, seen, ...more }), summary, what)
  const started = statusOf({ spec: specOf('a b'), seen: 'a:running', memory: { notStarted: new Set(['a-0']) } })
  assert.deepEqual(
    started.containerStatuses?.map(s => s.started),
    [false, false],
  )
  assert.equal(statusOf({ spec: specOf('a'), seen: 'a:running' }).containerStatuses![0]!.started, true)
})

test('a phase that is final stays, and one is final only when nothing runs any more', () => {
  const stays = (phase: 'Succeeded' | 'Failed' | 'Running' | 'Pending', spec: Spec, seen: string) =>
    statusOf({ spec, seen, before: { phase } }).phase
  assert.equal(stays('Failed', specOf('a'), 'a:running'), 'Failed')
  assert.equal(stays('Succeeded', specOf('a', never), 'a:exited:1'), 'Succeeded')
  assert.equal(stays('Pending', specOf('a'), 'a:running'), 'Running')
  assert.equal(stays('Running', specOf('i1 a', never), 'i1:exited:1'), 'Failed')
  // The failed init container has decided, but the sidecar beside it still runs.
  assert.equal(stays('Pending', specOf('s1 i2 a', never), 'i2:exited:1 s1:running'), 'Pending')
  assert.equal(stays('Pending', specOf('s1 i2 a', never), 'i2:exited:1 s1:exited:0'), 'Failed')
})

test('a pod that the kubelet ends is Failed with the reason once its containers have ended', () => {
  const ending = {
    why: 'failed',
    reason: 'DeadlineExceeded',
    message: 'too long',
    sinceMs: now,
    graceSeconds: 30,
    objectGone: false,
  } as const
  const memory: Partial<PodMemory> = { life: { is: 'ending', ending } }
  const running = statusOf({ spec: specOf('a'), seen: 'a:running', memory })
  assert.deepEqual([running.phase, running.reason, running.message], ['Running', 'DeadlineExceeded', 'too long'])
  const ended = statusOf({ spec: specOf('a'), seen: 'a:exited:0', memory })
  assert.deepEqual([ended.phase, ended.reason, ended.message], ['Failed', 'DeadlineExceeded', 'too long'])
  // A deleted pod whose containers ended well has succeeded.
  const deleted: Partial<PodMemory> = {
    life: { is: 'ending', ending: { why: 'deleted', sinceMs: now, graceSeconds: 30, objectGone: false } },
  }
  assert.equal(statusOf({ spec: specOf('a'), seen: 'a:exited:0', memory: deleted }).phase, 'Succeeded')
  assert.equal(statusOf({ spec: specOf('a'), seen: 'a:exited:143', memory: deleted }).phase, 'Failed')
  assert.equal(statusOf({ spec: specOf('a'), seen: 'a:running', memory: deleted }).reason, undefined)
})

test('a pod that the node did not take has only the reason', () => {
  const ending = {
    why: 'rejected',
    reason: 'OutOfcpu',
    message: 'no room',
    sinceMs: now,
    graceSeconds: 0,
    objectGone: false,
  } as const
  const inputs: Inputs = {
    spec: specOf('i1 a'),
    seen: '',
    sandbox: 'none',
    memory: { life: { is: 'ending', ending } },
    before: { phase: 'Pending', qosClass: 'Burstable' },
  }
  assert.deepEqual(statusOf(inputs), {
    phase: 'Failed',
    reason: 'OutOfcpu',
    message: 'no room',
    startTime: timeText(now),
    qosClass: 'Burstable',
    observedGeneration: 3,
  })
})

test('a container has the image, id, restarts and times that the runtime reports', () => {
  const [status] = statusOf({ spec: specOf('a', never), seen: 'a:exited:5:Error a:exited:0' }).containerStatuses!
  assert.deepEqual(status, {
    name: 'a',
    image: 'docker.io/library/x:latest',
    imageID: 'sha256:1',
    containerID: 'containerd://a-1',
    ready: false,
    started: false,
    restartCount: 1,
    resources: {},
    state: {
      terminated: {
        exitCode: 5,
        reason: 'Error',
        startedAt: timeText(1000),
        finishedAt: timeText(now - 1000),
        containerID: 'containerd://a-1',
      },
    },
    lastState: {
      terminated: {
        exitCode: 0,
        reason: 'Completed',
        startedAt: timeText(1000),
        finishedAt: timeText(now - 1000),
        containerID: 'containerd://a-0',
      },
    },
  })
  const waiting = statusOf({ spec: specOf('a'), seen: '', before: {} }).containerStatuses![0]!
  assert.deepEqual([waiting.image, waiting.imageID, waiting.containerID, waiting.restartCount], ['x', '', undefined, 0])
})

test('what the runtime has lost comes from the former status', () => {
  const ended = { terminated: { exitCode: 3, reason: 'Error', containerID: 'containerd://a-0' } }
  const former = (fields: object) => ({
    containerStatuses: [
      {
        name: 'a',
        image: 'x',
        imageID: '',
        ready: true,
        restartCount: 4,
        started: true,
        state: {},
        lastState: {},
        ...fields,
      },
    ],
  })
  const table: [what: string, seen: string, before: StatusDraft, summary: string][] = [
    // The container has ended, and was removed before the sandbox could be made again.
    ['an ended one', '', former({ state: ended }), 'Running: a Error 3 ready #4'],
    [
      'the end before',
      'a:running',
      former({ lastState: ended, containerID: 'containerd://a-0' }),
      'Running: a running (Error 3) ready',
    ],
    // The last state of another container is not that of this one.
    [
      'the end of another',
      'a:running',
      former({ lastState: ended, containerID: 'containerd://z' }),
      'Running: a running ready',
    ],
    [
      'a running one',
      '',
      former({ state: { running: {} } }),
      'Running: a ContainerCreating (ContainerStatusUnknown 137) #5',
    ],
    [
      'a waiting one',
      '',
      former({ state: { waiting: { reason: 'x' } }, lastState: ended }),
      'Running: a ContainerCreating (Error 3) #4',
    ],
  ]
  for (const [what, seen, before, summary] of table)
    assert.equal(summaryOf({ spec: specOf('a'), seen, before, sandbox: seen ? 'ready' : 'none' }), summary, what)
})

test('a pod has the addresses of its sandbox, or those of its node, and an ended one those it had', () => {
  const addresses = (inputs: Partial<Inputs>) => {
    const { podIP, podIPs, hostIP, hostIPs } = statusOf({ spec: specOf('a'), seen: '', ...inputs })
    return [podIP, podIPs?.map(p => p.ip), hostIP, hostIPs?.map(h => h.ip)]
  }
  const host = ['10.0.0.1', ['10.0.0.1', 'fd00::1']]
  assert.deepEqual(addresses({}), ['10.1.1.1', ['10.1.1.1'], ...host])
  assert.deepEqual(addresses({ sandbox: 'none' }), [undefined, undefined, ...host])
  const onNode = specOf('a', { hostNetwork: true })
  assert.deepEqual(addresses({ spec: onNode }), ['10.0.0.1', ['10.0.0.1', 'fd00::1'], ...host])
  assert.deepEqual(addresses({ spec: onNode, sandbox: 'none' }), [undefined, undefined, ...host])
  const before = { podIP: '10.9.9.9', podIPs: [{ ip: '10.9.9.9' }] }
  // Without a sandbox, an address belongs to the pod only if it has ended.
  assert.deepEqual(addresses({ sandbox: 'none', before })[0], undefined)
  const life = { is: 'settled', ending: undefined } as const
  assert.deepEqual(addresses({ sandbox: 'none', before, memory: { life } })[0], '10.9.9.9')
})

test('no status is written for an object that is gone, while containers are removed, and for pods rejected before', () => {
  const alive = { life: nothing.life, busy: [] }
  const running = podOf({ spec: {}, status: { phase: 'Running' } })
  const rejected = podOf({ spec: {}, status: { phase: 'Failed', reason: 'OutOfcpu' } })
  const failed = podOf({ spec: {}, status: { phase: 'Failed', containerStatuses: [{ name: 'c' }] } })
  const ending = { why: 'deleted', sinceMs: 0, graceSeconds: 0, objectGone: false } as const
  assert.equal(isReported(running, alive), true)
  assert.equal(isReported(rejected, alive), false)
  assert.equal(isReported(failed, alive), true)
  // The rejection itself is written.
  assert.equal(isReported(rejected, { life: { is: 'ending', ending }, busy: [] }), true)
  assert.equal(
    isReported(running, { life: { is: 'settled', ending: { ...ending, objectGone: true } }, busy: [] }),
    false,
  )
  assert.equal(isReported(running, { ...alive, busy: [{ do: 'delete' }] }), false)
  assert.equal(isReported(running, { ...alive, busy: [{ do: 'sandbox' }] }), true)
})

test('a list of a strategic patch replaces the list that there is, and needs no directive where there is none', () => {
  const list = [{ ip: '1' }]
  assert.deepEqual(replacing(list, undefined), list)
  assert.deepEqual(replacing(list, []), list)
  assert.deepEqual(replacing(list, [{ ip: '2' }]), [{ ip: '1' }, { $patch: 'replace' }])
  assert.deepEqual(replacing([], [{ ip: '2' }]), [{ $patch: 'replace' }])
})
