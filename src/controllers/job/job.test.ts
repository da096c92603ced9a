import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSettled, planCount, planStart, raise } from './count.ts'
import { judge } from './failure-policy.ts'
import { planCompletion, planPods, planVerdict } from './plan.ts'
import { jobPod, namePrefix } from './pod.ts'
import { endOf, nextCounts, tally } from './tally.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { Job } from '../../kinds/batch/job.ts'
import { timeText } from '../../api/time.ts'
import { objectOf, podOf } from '../../kinds/testing.ts'

const now = Date.UTC(2026, 0, 1, 12)
const ago = (seconds: number) => timeText(now - seconds * 1000)

const job = (spec: { indexes?: number; [field: string]: unknown }, status: object = {}): Job =>
  objectOf(Job, {
    metadata: { name: 'work' },
    spec: {
      parallelism: 2,
      backoffLimit: 6,
      completionMode: 'indexes' in spec ? 'Indexed' : 'NonIndexed',
      template: { metadata: {}, spec: { restartPolicy: 'Never', containers: [{ name: 'c' }] } },
      ...('indexes' in spec && { completions: spec.indexes }),
      ...(spec as object),
    },
    status,
  })

interface Given {
  index?: number
  /** Seconds since the end. */
  end?: number
  tracked?: boolean
  deleting?: boolean
  failures?: number
  ignored?: number
  code?: number
  restarts?: number
  node?: string
  condition?: { type: string; status?: string }
}
const pod = (name: string, phase: Pod['status']['phase'], given: Given = {}): Pod => {
  const { index, end, tracked = true, deleting, failures, ignored, code, restarts = 0, condition, node } = given
  const annotations = {
    ...(index !== undefined && { 'batch.kubernetes.io/job-completion-index': String(index) }),
    ...(failures !== undefined && { 'batch.kubernetes.io/job-index-failure-count': String(failures) }),
    ...(ignored !== undefined && { 'batch.kubernetes.io/job-index-ignored-failure-count': String(ignored) }),
  }
  const terminated = { exitCode: code ?? 1, finishedAt: ago(end ?? 0) }
  return podOf({
    metadata: {
      name,
      uid: name,
      annotations,
      creationTimestamp: ago(900),
      ...(tracked && { finalizers: ['batch.kubernetes.io/job-tracking'] }),
      ...(deleting && { deletionTimestamp: ago(0), deletionGracePeriodSeconds: 0 }),
    },
    spec: { nodeName: node ?? 'n' },
    status: {
      phase,
      ...(condition && { conditions: [{ status: 'True', ...condition }] }),
      containerStatuses: [
        { name: 'c', restartCount: restarts, state: phase === 'Running' || phase === 'Pending' ? {} : { terminated } },
      ],
    },
  })
}
const running = (name: string, given?: Given) => pod(name, 'Running', given)
const failed = (name: string, given?: Given) => pod(name, 'Failed', given)
const done = (name: string, given?: Given) => pod(name, 'Succeeded', given)

const policy = (...rules: object[]) => ({ podFailurePolicy: { rules }, podReplacementPolicy: 'Failed' })
const disrupted = { onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }

const tallies: [string, Job, Pod[], [succeeded: number, failed: number]][] = [
  ['ended pods', job({}), [done('a'), failed('b'), running('c')], [1, 1]],
  ['not those that were counted', job({}, { succeeded: 3, failed: 1 }), [done('a', { tracked: false })], [3, 1]],
  ['nor those that are noted', job({}, { uncountedTerminatedPods: { failed: ['a'] } }), [failed('a')], [0, 1]],
  ['pods taken away count as failed', job({}), [running('a', { deleting: true })], [0, 1]],
  [
    'unless their end is waited for',
    job({ podReplacementPolicy: 'Failed' }),
    [running('a', { deleting: true })],
    [0, 0],
  ],
  ['or judged', job(policy({ action: 'Count', ...disrupted })), [running('a', { deleting: true })], [0, 0]],
  [
    'indexes once each',
    job({ indexes: 3 }, { completedIndexes: '0' }),
    [done('a', { index: 0 }), done('b', { index: 2 })],
    [2, 0],
  ],
  ['no index that is not wanted', job({ indexes: 2 }, { completedIndexes: '1-5' }), [done('a', { index: 7 })], [1, 0]],
  [
    'ignored failures not',
    job(policy({ action: 'Ignore', ...disrupted })),
    [failed('a', { condition: { type: 'DisruptionTarget' } })],
    [0, 0],
  ],
]
for (const [what, given, pods, [succeeded, failures]] of tallies)
  test(`a job counts ${what}`, () => {
    const counted = tally(given, pods)
    assert.deepEqual([counted.totalSucceeded, counted.totalFailed], [succeeded, failures])
  })

const exit = (operator: string, ...values: number[]) => ({ onExitCodes: { operator, values } })
const judgements: [string, object, Pod, string][] = [
  ['no rule', { action: 'FailJob', ...exit('In', 3) }, failed('p', { code: 4 }), 'Count'],
  ['In', { action: 'FailJob', ...exit('In', 3, 4) }, failed('p', { code: 4 }), 'FailJob'],
  ['NotIn', { action: 'Ignore', ...exit('NotIn', 3) }, failed('p', { code: 4 }), 'Ignore'],
  ['success is no exit code', { action: 'FailJob', ...exit('NotIn', 3) }, failed('p', { code: 0 }), 'Count'],
  [
    'a container',
    { action: 'FailJob', onExitCodes: { containerName: 'other', operator: 'In', values: [1] } },
    failed('p'),
    'Count',
  ],
  [
    'a condition',
    { action: 'Ignore', ...disrupted },
    failed('p', { condition: { type: 'DisruptionTarget' } }),
    'Ignore',
  ],
  [
    'a condition that is not so',
    { action: 'Ignore', ...disrupted },
    failed('p', { condition: { type: 'DisruptionTarget', status: 'False' } }),
    'Count',
  ],
  ['an index', { action: 'FailIndex', ...exit('In', 1) }, failed('p'), 'FailIndex'],
]
for (const [what, rule, given, action] of judgements)
  test(`a failure is judged: ${what}`, () => assert.equal(judge(given, job(policy(rule)).spec).action, action))

test('a rule that fails the job says which', () => {
  const counted = tally(job(policy({ action: 'Ignore', ...disrupted }, { action: 'FailJob', ...exit('In', 42) })), [
    failed('p', { code: 42 }),
  ])
  assert.equal(
    counted.failJob,
    'Container c for pod default/p failed with exit code 42 matching FailJob rule at index 1',
  )
})

const success = (...rules: object[]) => ({ successPolicy: { rules } })
const verdicts: [string, Job, Pod[], string | undefined][] = [
  ['nothing', job({}), [running('a'), failed('b')], undefined],
  ['too many failures', job({ backoffLimit: 1 }), [failed('a'), failed('b')], 'BackoffLimitExceeded'],
  ['as many as allowed', job({ backoffLimit: 2 }), [failed('a'), failed('b')], undefined],
  [
    'restarts in place',
    job({ backoffLimit: 2, template: { spec: { restartPolicy: 'OnFailure', containers: [] } } }),
    [running('a', { restarts: 2 })],
    'BackoffLimitExceeded',
  ],
  ['a deadline', job({ activeDeadlineSeconds: 10 }, { startTime: ago(10) }), [], 'DeadlineExceeded'],
  ['not while suspended', job({ activeDeadlineSeconds: 10, suspend: true }, { startTime: ago(10) }), [], undefined],
  [
    'the policy first',
    job({ backoffLimit: 0, ...policy({ action: 'FailJob', ...exit('In', 1) }) }),
    [failed('a')],
    'PodFailurePolicy',
  ],
  [
    'success that was met before',
    job({ backoffLimit: 0 }, { conditions: [{ type: 'SuccessCriteriaMet', status: 'True', reason: 'SuccessPolicy' }] }),
    [failed('a')],
    'SuccessPolicy',
  ],
  [
    'failure that was met before',
    job({}, { conditions: [{ type: 'FailureTarget', status: 'True', reason: 'DeadlineExceeded' }] }),
    [],
    'DeadlineExceeded',
  ],
  [
    'an index too often',
    job({ indexes: 2, backoffLimitPerIndex: 1 }),
    [failed('a', { index: 0, failures: 1 })],
    undefined,
  ],
  [
    'all indexes done or given up',
    job({ indexes: 2, backoffLimitPerIndex: 1 }, { completedIndexes: '1' }),
    [failed('a', { index: 0, failures: 1 })],
    'FailedIndexes',
  ],
  [
    'too many given up',
    job({ indexes: 5, backoffLimitPerIndex: 0, maxFailedIndexes: 1 }, { failedIndexes: '0' }),
    [failed('a', { index: 3 })],
    'MaxFailedIndexesExceeded',
  ],
  [
    'a rule of success',
    job({ indexes: 5, ...success({ succeededIndexes: '1-2' }) }, { completedIndexes: '1,2' }),
    [],
    'SuccessPolicy',
  ],
  [
    'part of one',
    job({ indexes: 5, ...success({ succeededIndexes: '1-3', succeededCount: 2 }) }, { completedIndexes: '1,3' }),
    [],
    'SuccessPolicy',
  ],
  [
    'too little of one',
    job({ indexes: 5, ...success({ succeededIndexes: '1-3' }) }, { completedIndexes: '1,3' }),
    [],
    undefined,
  ],
  [
    'any three',
    job({ indexes: 5, ...success({ succeededCount: 3 }) }, { completedIndexes: '0,2,4' }),
    [],
    'SuccessPolicy',
  ],
]
for (const [what, given, pods, reason] of verdicts)
  test(`what settles a job: ${what}`, () =>
    assert.equal(planVerdict(given, pods, tally(given, pods), now)?.reason, reason))

test('a job is complete when enough have succeeded and none runs', () => {
  const counted = (given: Job, ...pods: Pod[]) => tally(given, pods)
  const fixed = job({ completions: 1 })
  assert.equal(planCompletion(fixed, counted(fixed, done('a')), 0)?.reason, 'CompletionsReached')
  assert.equal(planCompletion(fixed, counted(fixed, done('a')), 1), undefined)
  assert.equal(planCompletion(job({}), counted(job({})), 0), undefined)
  assert.equal(planCompletion(job({}), counted(job({}), done('a')), 0)?.type, 'Complete')
})

type Plan = [create: number | (number | undefined)[], remove: string[], again?: number]
const plans: [string, Job, Pod[], Plan][] = [
  ['as many as run at a time', job({ completions: 5 }), [], [2, []]],
  ['no more than are missing', job({ completions: 5, parallelism: 4 }, { succeeded: 3 }), [], [2, []]],
  ['none after the first success of an open job', job({}), [done('a'), running('b')], [0, []]],
  ['none while suspended', job({ suspend: true }), [running('a')], [0, ['a']]],
  [
    'less when it is made smaller',
    job({ completions: 5, parallelism: 1 }),
    [running('a'), pod('b', 'Pending', { node: '' })],
    [0, ['b']],
  ],
  [
    'indexes that are free',
    job({ indexes: 5, parallelism: 3 }, { completedIndexes: '0,2' }),
    [running('a', { index: 1 })],
    [[3, 4], []],
  ],
  [
    'not those that were given up',
    job({ indexes: 3, backoffLimitPerIndex: 0 }, { failedIndexes: '0' }),
    [],
    [[1, 2], []],
  ],
  [
    'one pod for each index',
    job({ indexes: 2 }),
    [running('a', { index: 0 }), pod('b', 'Pending', { index: 0, node: '' })],
    [0, ['b']],
  ],
  [
    'no pod beyond the indexes',
    job({ indexes: 1 }),
    [running('a', { index: 0 }), running('b', { index: 1 })],
    [0, ['b']],
  ],
  ['ten seconds after a failure', job({ completions: 2 }), [failed('a', { end: 4 })], [0, [], 6000]],
  [
    'twenty after the next',
    job({ completions: 2 }),
    [failed('a', { end: 30 }), failed('b', { end: 4 })],
    [0, [], 16_000],
  ],
  ['at once after a success', job({ completions: 3 }), [failed('a', { end: 4 }), done('b', { end: 2 })], [2, []]],
  [
    'pods that the job stopped are no failures',
    job({ completions: 2 }),
    [failed('a', { tracked: false, deleting: true })],
    [2, []],
  ],
  [
    'a failed index waits for itself',
    job({ indexes: 3, backoffLimitPerIndex: 5, parallelism: 3 }),
    [failed('a', { index: 0, failures: 2, end: 10 }), running('b', { index: 1 })],
    [[2], []],
  ],
  [
    'and alone sets the time',
    job({ indexes: 2, backoffLimitPerIndex: 5 }),
    [failed('a', { index: 0, failures: 2, end: 10 }), running('b', { index: 1 })],
    [0, [], 30_000],
  ],
  [
    'no substitute before the end',
    job({ indexes: 2, podReplacementPolicy: 'Failed' }),
    [running('a', { index: 0, deleting: true })],
    [[1], []],
  ],
  ['a substitute at once', job({ indexes: 2, backoffLimitPerIndex: 3 }), [running('b', { index: 1 })], [[0], []]],
]
for (const [what, given, pods, [create, remove, again]] of plans)
  test(`a job makes and stops pods: ${what}`, () => {
    const plan = planPods(given, pods, tally(given, pods), now)
    assert.deepEqual(typeof create === 'number' ? plan.create.length : plan.create, create)
    assert.deepEqual(
      plan.remove.map(p => p.metadata.name),
      remove,
    )
    assert.equal(plan.again, again)
  })

const numbers = { active: 0, ready: 0, terminating: 0 }
const countOf = (given: Job, pods: Pod[], outcome?: Parameters<typeof planCount>[3]) =>
  planCount(given, pods, tally(given, pods), outcome, numbers, now)

test('pods are noted, untracked, and counted only then', () => {
  const pods = [done('a'), failed('b'), running('c')]
  const { status, untrack } = countOf(job({ completions: 3 }), pods)
  assert.deepEqual(status.uncountedTerminatedPods, { succeeded: ['a'], failed: ['b'] })
  assert.deepEqual([status.succeeded, status.failed], [0, 0])
  assert.deepEqual(
    untrack.map(p => p.metadata.name),
    ['a', 'b'],
  )
  assert.equal(isSettled(status), false)
  const after = raise(status, [running('c')])
  assert.deepEqual([after.succeeded, after.failed, isSettled(after)], [1, 1, true])
})

test('after a restart in between, what was noted is counted once', () => {
  const noted = job({ completions: 3 }, { succeeded: 1, uncountedTerminatedPods: { succeeded: ['a', 'b'] } })
  const { status, untrack } = countOf(noted, [done('a', { tracked: false }), done('b')])
  assert.deepEqual([status.succeeded, status.uncountedTerminatedPods], [2, { succeeded: ['b'] }])
  assert.deepEqual(
    untrack.map(p => p.metadata.name),
    ['b'],
  )
})

test('no more than five hundred are noted at a time', () => {
  const pods = Array.from({ length: 700 }, (_, i) => done(`p${i}`))
  const { status, untrack, more } = countOf(job({ completions: 1000 }), pods)
  assert.deepEqual([status.uncountedTerminatedPods!.succeeded!.length, untrack.length, more], [500, 500, true])
})

test('when a job fails, pods that still run count as failed; when it succeeds they do not', () => {
  const pods = [running('a'), done('b')]
  const failing = countOf(job({}), pods, { type: 'Failed', reason: 'DeadlineExceeded', message: '' })
  assert.deepEqual(failing.status.uncountedTerminatedPods, { succeeded: ['b'], failed: ['a'] })
  assert.equal(failing.status.conditions![0]!.type, 'FailureTarget')
  const complete = countOf(job({}), pods, { type: 'Complete', reason: 'SuccessPolicy', message: '' })
  assert.deepEqual(complete.status.uncountedTerminatedPods, { succeeded: ['b'] })
  assert.equal(complete.untrack.length, 2)
})

test('the last failed pod of an index is kept until the next one carries its count on', () => {
  const limited = job({ indexes: 2, backoffLimitPerIndex: 3 })
  const first = failed('a', { index: 0, failures: 1 })
  assert.equal(countOf(limited, [first]).untrack.length, 0)
  assert.equal(countOf(limited, [first, running('b', { index: 0, failures: 2 })]).untrack.length, 1)
  assert.deepEqual(nextCounts(limited, first), { counted: 2, ignored: 0 })
  const ignoring = job({ indexes: 2, backoffLimitPerIndex: 3, ...policy({ action: 'Ignore', ...exit('In', 1) }) })
  assert.deepEqual(nextCounts(ignoring, first), { counted: 1, ignored: 1 })
})

test('start, suspension and resumption', () => {
  const started = planStart(job({}), now).job
  assert.equal(started.status.startTime, new Date(now).toISOString().replace('.000', ''))
  const suspended = planStart(job({ suspend: true }, { startTime: ago(60) }), now)
  assert.deepEqual([suspended.job.status.startTime, suspended.news], [undefined, 'Suspended'])
  assert.equal(suspended.job.status.conditions![0]!.reason, 'JobSuspended')
  const resumed = planStart({ ...suspended.job, spec: job({}).spec }, now)
  assert.deepEqual([resumed.job.status.conditions![0]!.status, resumed.news], ['False', 'Resumed'])
  assert.ok(resumed.job.status.startTime)
  assert.equal(planStart(resumed.job, now).news, undefined)
})

test('the pod of an index knows it, and long names are cut before it', () => {
  const made = jobPod(job({ indexes: 3, backoffLimitPerIndex: 2 }), 2, failed('x', { index: 2, failures: 1 }))
  assert.equal(made.spec!.hostname, 'work-2')
  assert.equal(made.metadata!.generateName, 'work-2-')
  assert.equal(made.metadata!.annotations!['batch.kubernetes.io/job-index-failure-count'], '2')
  assert.equal(made.metadata!.labels!['batch.kubernetes.io/job-completion-index'], '2')
  assert.equal(made.spec!.containers![0]!.env![0]!.name, 'JOB_COMPLETION_INDEX')
  assert.equal(namePrefix('n'.repeat(63), 12), `${'n'.repeat(54)}-12-`)
})

test('when a pod ended: its containers, its readiness, its deletion', () => {
  assert.equal(endOf(failed('a', { end: 30 })), now - 30_000)
  const bare = (more: object, status: object) => podOf({ metadata: { creationTimestamp: ago(500), ...more }, status })
  const unready = { conditions: [{ type: 'Ready', status: 'False', lastTransitionTime: ago(20) }] }
  assert.equal(endOf(bare({}, unready)), now - 20_000)
  assert.equal(endOf(bare({ deletionTimestamp: ago(0), deletionGracePeriodSeconds: 30 }, {})), now - 30_000)
  assert.equal(endOf(bare({}, {})), now - 500_000)
})
