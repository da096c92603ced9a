// The steps that the kubelet plans, as tables: a pod, what the runtime has, what is kept in memory → state and steps.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod } from '../../kinds/core/pod.ts'
import type { ContainerSeen, PodSeen } from '../runtime/runtime.ts'
import { backoffKey, nextBackoff, waitUntil } from './backoff.ts'
import type { Ending, Living } from './life.ts'
import { type PodMemory, planPod } from './plan.ts'
import { containerHash } from './spec.ts'
import { phaseOf } from './status.ts'

const now = 1_000_000
type Spec = Record<string, unknown>

function podOf(spec: Spec, status: object = {}, metadata: object = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', namespace: 'd', uid: 'u', ...metadata },
    spec: { containers: [{ name: 'a' }], ...spec },
    status,
  } as unknown as Pod
}

/** Containers, newest first: `a:running`, `a:exited:1`, `a@old:exited:0` (in another sandbox). */
function seenOf(sandboxes: string[], ...containers: string[]): PodSeen {
  return {
    uid: 'u',
    sandboxes: sandboxes.map((text, i) => ({
      id: text.split(':')[0]!,
      attempt: sandboxes.length - 1 - i,
      ready: !text.endsWith(':dead'),
      createdAtMs: 0,
      ips: ['10.0.0.2'],
    })),
    containers: containers.map((text, i): ContainerSeen => {
      const [place = '', state = '', code = '0'] = text.split(':')
      const [name = '', sandboxId = 's'] = place.split('@')
      const base = {
        id: `${name}${containers.length - i}`,
        sandboxId,
        name,
        attempt: containers.slice(i + 1).filter(t => t.startsWith(name)).length,
      }
      const times = { createdAtMs: 0, startedAtMs: 1, finishedAtMs: state === 'exited' ? now - 1000 : 0 }
      return {
        ...base,
        ...times,
        state: state as ContainerSeen['state'],
        exitCode: Number(code),
        reason: '',
        message: '',
        image: '',
        imageRef: '',
        hash: containerHash({ name } as never),
        logPath: '',
      }
    }),
  }
}

const nothing: PodMemory = {
  life: { is: 'alive', finishedAtMs: undefined },
  busy: [],
  backoffs: new Map(),
  failures: new Map(),
  sandboxRetryAt: 0,
  obstacle: '',
  condemned: new Map(),
  notStarted: new Set(),
  hooked: new Set(),
  resize: { applied: new Map(), podPending: false, retryAt: 0 },
}
const deleted: Ending = { why: 'deleted', sinceMs: now - 10_000, graceSeconds: 30, objectGone: false }
const ending = (change: Partial<Ending> = {}): { life: Living } => ({
  life: { is: 'ending', ending: { ...deleted, ...change } as Ending },
})
const init = { initContainers: [{ name: 'i1' }, { name: 'i2' }] }
const sidecar = { initContainers: [{ name: 'side', restartPolicy: 'Always' }, { name: 'i2' }] }

const preStop = { exec: { command: ['drain'] } }
const hookedSidecar = { initContainers: [{ name: 'side', restartPolicy: 'Always', lifecycle: { preStop } }] }
const twoSidecars = { initContainers: ['x', 'y'].map(name => ({ name, restartPolicy: 'Always' })) }
const aKey = backoffKey({ name: 'a' } as never)

const cases: [string, Spec, PodSeen, Partial<PodMemory>, string][] = [
  ['a new pod gets a sandbox', {}, seenOf([]), {}, 'starting: sandbox#0'],
  ['no second sandbox is created while one is under way', {}, seenOf([]), { busy: [{ do: 'sandbox' }] }, 'starting:'],
  ['no sandbox is created before its retry is due', {}, seenOf([]), { sandboxRetryAt: now + 5 }, 'starting: again+5'],
  ['with a sandbox, the container is started', {}, seenOf(['s']), {}, 'running: start a#0'],
  [
    'only one container is started at a time',
    { containers: [{ name: 'a' }, { name: 'b' }] },
    seenOf(['s']),
    {},
    'running: start a#0',
  ],
  [
    'no container is started while another one is being started',
    { containers: [{ name: 'a' }, { name: 'b' }] },
    seenOf(['s']),
    { busy: [{ do: 'start', name: 'a' }] },
    'running:',
  ],
  ['nothing is done while the container runs', {}, seenOf(['s'], 'a:running'), {}, 'running:'],
  ['init containers are started first', init, seenOf(['s']), {}, 'initializing: start i1#0'],
  ['init containers are started in order', init, seenOf(['s'], 'i1:exited:0'), {}, 'initializing: start i2#0'],
  [
    'the main container is started when the init containers have succeeded',
    init,
    seenOf(['s'], 'i2:exited:0', 'i1:exited:0'),
    {},
    'running: start a#0',
  ],
  ['a failed init container is started again', init, seenOf(['s'], 'i1:exited:1'), {}, 'initializing: start i1#1'],
  [
    'a failed init container ends a pod that may not restart',
    { ...init, restartPolicy: 'Never' },
    seenOf(['s'], 'i1:exited:1'),
    {},
    'ending: settle',
  ],
  [
    'an init container after a sidecar is started while the sidecar runs',
    sidecar,
    seenOf(['s'], 'side:running'),
    {},
    'initializing: start i2#0',
  ],
  [
    'an init container after a sidecar waits until the sidecar has started',
    sidecar,
    seenOf(['s'], 'side:running'),
    { notStarted: new Set(['side1']) },
    'initializing:',
  ],
  [
    'a container is restarted at once after its first failure',
    {},
    seenOf(['s'], 'a:exited:1'),
    {},
    'running: start a#1',
  ],
  [
    'a container is restarted with back-off after later failures',
    {},
    seenOf(['s'], 'a:exited:1'),
    { backoffs: new Map([[aKey, { delayMs: 10_000, updatedAt: now - 2000 }]]) },
    'running: again+9000 a=CrashLoopBackOff',
  ],
  [
    'with OnFailure a container that succeeded is not restarted',
    { restartPolicy: 'OnFailure' },
    seenOf(['s'], 'a:exited:0'),
    {},
    'ending: settle',
  ],
  [
    'with Never a container that failed is not restarted',
    { restartPolicy: 'Never' },
    seenOf(['s'], 'a:exited:1'),
    { life: { is: 'settled', ending: undefined } },
    'ended:',
  ],
  [
    'a rule of the container restarts it even with Never',
    {
      restartPolicy: 'Never',
      containers: [
        { name: 'a', restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [42] } }] },
      ],
    },
    seenOf(['s'], 'a:exited:42'),
    {},
    'running: start a#1',
  ],
  [
    'a condemned container is killed',
    {},
    seenOf(['s'], 'a:running'),
    { condemned: new Map([['a1', { message: 'sick', graceSeconds: 5 }]]) },
    'running: kill a1 5s',
  ],
  [
    'a condemned container without a time of its own has that of the pod',
    { terminationGracePeriodSeconds: 12 },
    seenOf(['s'], 'a:running'),
    { condemned: new Map([['a1', { message: 'sick' }]]) },
    'running: kill a1 12s',
  ],
  [
    'a condemned container may have no time at all',
    {},
    seenOf(['s'], 'a:running'),
    { condemned: new Map([['a1', { message: 'sick', graceSeconds: 0 }]]) },
    'running: kill a1 0s',
  ],
  [
    'a container that was condemned before it was restarted is left alone',
    {},
    seenOf(['s'], 'a:running', 'a:exited:1'),
    { condemned: new Map([['a1', { message: 'sick' }]]) },
    'running:',
  ],
  [
    'a container with a changed image is killed',
    { containers: [{ name: 'a', image: 'new' }] },
    seenOf(['s'], 'a:running'),
    {},
    'running: kill a1 30s',
  ],
  [
    'a container that was created and never started is replaced',
    {},
    seenOf(['s'], 'a:created'),
    {},
    'running: remove a1 start a#0',
  ],
  [
    'the containers of a dead sandbox are killed first',
    {},
    seenOf(['s:dead'], 'a:running'),
    {},
    'starting: kill a1 30s',
  ],
  [
    'a dead sandbox is replaced when its containers have ended',
    {},
    seenOf(['s:dead'], 'a:exited:137'),
    {},
    'starting: sandbox#1',
  ],
  [
    'in a new sandbox everything starts from the first init container',
    init,
    seenOf(['t', 's:dead'], 'a:exited:137', 'i2:exited:0', 'i1:exited:0'),
    {},
    'initializing: start i1#1',
  ],
  [
    'a deleted pod’s container is killed with the rest of the grace period',
    {},
    seenOf(['s'], 'a:running'),
    ending(),
    'ending: kill a1 20s',
  ],
  [
    'a deleted pod is settled when its containers have ended',
    {},
    seenOf(['s'], 'a:exited:0'),
    ending(),
    'ending: settle',
  ],
  [
    'the object of a deleted pod is deleted when the pod is settled',
    {},
    seenOf(['s:dead'], 'a:exited:0'),
    { life: { is: 'settled', ending: { ...deleted, objectGone: true } } },
    'ended: delete',
  ],
  [
    'sidecars are not killed while a main container runs',
    { ...sidecar },
    seenOf(['s'], 'a:running', 'side:running'),
    ending(),
    'ending: kill a2 20s again+20000',
  ],
  [
    'sidecars are killed when the main containers have ended',
    { ...sidecar },
    seenOf(['s'], 'a:exited:0', 'side:running'),
    ending(),
    'ending: kill side1 20s',
  ],
  [
    'preStop hooks of sidecars run while the main containers end',
    hookedSidecar,
    seenOf(['s'], 'a:running', 'side:running'),
    ending(),
    'ending: kill a2 20s preStop side1 20s again+20000',
  ],
  [
    'a preStop hook of a sidecar runs only once',
    hookedSidecar,
    seenOf(['s'], 'a:running', 'side:running'),
    { ...ending(), hooked: new Set(['side1']) },
    'ending: kill a2 20s again+20000',
  ],
  [
    'a sidecar is not killed while its preStop hook runs',
    hookedSidecar,
    seenOf(['s'], 'a:exited:0', 'side:running'),
    { ...ending(), hooked: new Set(['side1']), busy: [{ do: 'preStop', id: 'side1' }] },
    'ending:',
  ],
  [
    'a sidecar whose hook has run is killed without it',
    hookedSidecar,
    seenOf(['s'], 'a:exited:0', 'side:running'),
    { ...ending(), hooked: new Set(['side1']) },
    'ending: kill side1 20s without hook',
  ],
  [
    'sidecars end in the reverse order of their start',
    twoSidecars,
    seenOf(['s'], 'x:running', 'y:running'),
    ending(),
    'ending: kill y1 20s again+20000',
  ],
  [
    'sidecars do not wait for init containers and ephemeral containers',
    { ...sidecar, ephemeralContainers: [{ name: 'e' }] },
    seenOf(['s'], 'e:running', 'i2:running', 'side:running'),
    ending(),
    'ending: kill e3 20s kill i22 20s kill side1 20s',
  ],
  [
    'sidecars wait no longer than the grace period',
    twoSidecars,
    seenOf(['s'], 'a:running', 'x:running', 'y:running'),
    { ...ending({ sinceMs: now - 30_000 }), busy: [{ do: 'kill', id: 'a3' }] },
    'ending: kill x2 1s kill y1 1s',
  ],
  [
    'without a grace period all containers are killed at once',
    twoSidecars,
    seenOf(['s'], 'a:running', 'x:running', 'y:running'),
    ending({ sinceMs: now, graceSeconds: 0 }),
    'ending: kill a3 0s kill x2 0s kill y1 0s',
  ],
  [
    'when the main containers have ended for good, the sidecars end',
    { ...twoSidecars, restartPolicy: 'Never' },
    seenOf(['s'], 'a:exited:0', 'y:running', 'x:running'),
    {},
    'ending: kill y2 30s again+30000',
  ],
  [
    'all sidecars end within one grace period',
    { ...twoSidecars, restartPolicy: 'Never' },
    seenOf(['s'], 'a:exited:0', 'y:exited:0', 'x:running'),
    { life: { is: 'alive', finishedAtMs: now - 12_000 } },
    'ending: kill x1 18s',
  ],
  [
    'dead containers are removed but for one of each name',
    {},
    seenOf(['s'], 'a:running', 'a:exited:1', 'a:exited:1'),
    {},
    'running: remove a1',
  ],
  [
    'a dead sandbox that was replaced is removed once it is empty',
    {},
    seenOf(['s', 'r:dead', 'q:dead'], 'a:running', 'a@r:exited:0'),
    {},
    'running: removeSandbox q',
  ],
  [
    'and the last one of a pod that has ended stays',
    { restartPolicy: 'Never' },
    seenOf(['s:dead'], 'a:exited:0'),
    { life: { is: 'settled', ending: undefined } },
    'ended:',
  ],
  [
    'an ephemeral container is started in a running pod',
    { ephemeralContainers: [{ name: 'e' }] },
    seenOf(['s'], 'a:running'),
    {},
    'running: start e#0',
  ],
  [
    'and is never restarted',
    { ephemeralContainers: [{ name: 'e' }] },
    seenOf(['s'], 'e:exited:1', 'a:running'),
    {},
    'running:',
  ],
]

for (const [what, spec, seen, memory, expected] of cases) {
  test(what, () => {
    const plan = planPod(podOf(spec), seen, { ...nothing, ...memory }, now)
    const steps = plan.steps.map(step => {
      if (step.do === 'sandbox') return `sandbox#${step.attempt}`
      if (step.do === 'start') return `start ${step.name}#${step.attempt}`
      if (step.do === 'kill')
        return `kill ${step.id} ${step.graceSeconds}s${memory.hooked?.has(step.id) ? ' without hook' : ''}${memory.hooked?.has(step.id) === step.preStop ? ' (wrong)' : ''}`
      if (step.do === 'preStop') return `preStop ${step.id} ${step.graceSeconds}s`
      return 'id' in step ? `${step.do} ${step.id}` : step.do
    })
    const again = plan.againAt === undefined ? [] : [`again+${plan.againAt - now}`]
    const waiting = Array.from(plan.waiting, ([name, { reason }]) => `${name}=${reason}`)
    assert.equal([`${plan.state.state}:`, ...steps, ...again, ...waiting].join(' '), expected)
  })
}

test('a pod with a deadline is planned again when it is over, and one without never', () => {
  const startTime = new Date(now - 4000).toISOString()
  const at = (spec: Spec, status: object) =>
    planPod(podOf(spec, status), seenOf(['s'], 'a:running'), nothing, now).againAt
  assert.equal(at({ activeDeadlineSeconds: 10 }, { startTime }), Math.floor((now - 4000) / 1000) * 1000 + 10_000)
  assert.equal(at({ activeDeadlineSeconds: 10 }, {}), undefined)
  assert.equal(at({}, { startTime }), undefined)
})

test('the object of a pod in deletion is deleted in the end', () => {
  const pod = podOf({}, {}, { deletionTimestamp: '2026-01-01T00:00:00Z' })
  const plan = planPod(pod, seenOf(['s:dead']), { ...nothing, life: { is: 'settled', ending: deleted } }, now)
  assert.deepEqual(plan.steps, [{ do: 'delete' }])
})

test('back-off doubles up to five minutes and starts again after ten minutes without a failure', () => {
  let backoff = nextBackoff(0, undefined)
  const delays = [backoff.delayMs]
  for (let i = 0; i < 6; i++) delays.push((backoff = nextBackoff(0, backoff)).delayMs)
  assert.deepEqual(delays, [10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000])
  assert.equal(waitUntil(5000, 1000, backoff), 301_000)
  assert.equal(waitUntil(302_000, 1000, backoff), undefined)
  assert.equal(waitUntil(700_000, 699_000, backoff), undefined)
  assert.equal(nextBackoff(700_000, backoff, 699_000).delayMs, 10_000)
})

test('the phase of a pod follows from its containers', () => {
  const run = { state: { running: {} }, lastState: {}, started: true }
  const wait = { state: { waiting: {} }, lastState: {} }
  const ok = { state: { terminated: { exitCode: 0 } }, lastState: {} }
  const bad = { state: { terminated: { exitCode: 1 } }, lastState: {} }
  const crash = { state: { waiting: {} }, lastState: { terminated: { exitCode: 1 } } }
  const phase = (restartPolicy: string, main: object[], initial: object[] = [], over = false) =>
    phaseOf(
      podOf({ restartPolicy, initContainers: initial.map((_, i) => ({ name: `i${i}` })) }),
      initial as never,
      main as never,
      over,
    )
  const table: [string, string][] = [
    [phase('Always', [wait]), 'Pending'],
    [phase('Always', [run, wait]), 'Pending'],
    [phase('Always', [run, crash]), 'Running'],
    [phase('Always', [crash]), 'Running'],
    [phase('Always', [ok]), 'Running'],
    [phase('OnFailure', [ok, ok]), 'Succeeded'],
    [phase('OnFailure', [ok, bad]), 'Running'],
    [phase('Never', [ok, bad]), 'Failed'],
    [phase('Never', [wait], [bad]), 'Failed'],
    [phase('Always', [wait], [bad]), 'Pending'],
    [phase('Always', [wait], [run]), 'Pending'],
    [phase('Always', [ok], [], true), 'Succeeded'],
    [phase('Always', [bad], [], true), 'Failed'],
  ]
  assert.deepEqual(
    table.map(([got]) => got),
    table.map(([, expected]) => expected),
  )
})
