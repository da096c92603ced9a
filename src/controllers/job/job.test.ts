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
  /** How many seconds ago the pod ended. */
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
  ['succeeded and failed pods are counted', job({}), [done('a'), failed('b'), running('c')], [1, 1]],
  [
    'a pod without the finalizer is not counted again',
    job({}, { succeeded: 3, failed: 1 }),
    [done('a', { tracked: false })],
    [3, 1],
  ],
  [
    'a pod whose uid is noted is not counted again',
    job({}, { uncountedTerminatedPods: { failed: ['a'] } }),
    [failed('a')],
    [0, 1],
  ],
  ['a pod in deletion counts as failed', job({}), [running('a', { deleting: true })], [0, 1]],
  [
    'a pod in deletion does not count until it has failed, if it is replaced only then',
    job({ podReplacementPolicy: 'Failed' }),
    [running('a', { deleting: true })],
    [0, 0],
  ],
  [
    'a pod in deletion does not count until it has failed, if there is a failure policy',
    job(policy({ action: 'Count', ...disrupted })),
    [running('a', { deleting: true })],
    [0, 0],
  ],
  [
    'each completed index counts once',
    job({ indexes: 3 }, { completedIndexes: '0' }),
    [done('a', { index: 0 }), done('b', { index: 2 })],
    [2, 0],
  ],
  [
    'an index out of range does not count',
    job({ indexes: 2 }, { completedIndexes: '1-5' }),
    [done('a', { index: 7 })],
    [1, 0],
  ],
  [
    'a failure that the policy ignores does not count',
    job(policy({ action: 'Ignore', ...disrupted })),
    [failed('a', { condition: { type: 'DisruptionTarget' } })],
    [0, 0],
  ],
]
for (const [what, given, pods, [succeeded, failures]] of tallies)
  test(`in the tally of a job, ${what}`, () => {
    const counted = tally(given, pods)
    assert.deepEqual([counted.totalSucceeded, counted.totalFailed], [succeeded, failures])
  })

const exit = (operator: string, ...values: number[]) => ({ onExitCodes: { operator, values } })
const judgements: [string, object, Pod, string][] = [
  ['a failure counts if no rule matches', { action: 'FailJob', ...exit('In', 3) }, failed('p', { code: 4 }), 'Count'],
  [
    'a rule with In matches the listed exit codes',
    { action: 'FailJob', ...exit('In', 3, 4) },
    failed('p', { code: 4 }),
    'FailJob',
  ],
  [
    'a rule with NotIn matches all other exit codes',
    { action: 'Ignore', ...exit('NotIn', 3) },
    failed('p', { code: 4 }),
    'Ignore',
  ],
  ['no rule matches exit code 0', { action: 'FailJob', ...exit('NotIn', 3) }, failed('p', { code: 0 }), 'Count'],
  [
    'a rule for another container does not match',
    { action: 'FailJob', onExitCodes: { containerName: 'other', operator: 'In', values: [1] } },
    failed('p'),
    'Count',
  ],
  [
    'a rule matches a condition of the pod',
    { action: 'Ignore', ...disrupted },
    failed('p', { condition: { type: 'DisruptionTarget' } }),
    'Ignore',
  ],
  [
    'a rule does not match a condition with another status',
    { action: 'Ignore', ...disrupted },
    failed('p', { condition: { type: 'DisruptionTarget', status: 'False' } }),
    'Count',
  ],
  ['a rule can give up the index', { action: 'FailIndex', ...exit('In', 1) }, failed('p'), 'FailIndex'],
]
for (const [what, rule, given, action] of judgements)
  test(`by the failure policy, ${what}`, () => assert.equal(judge(given, job(policy(rule)).spec).action, action))

test('the message of a rule that fails the job names the rule', () => {
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
  ['a job with a failure within its limit goes on', job({}), [running('a'), failed('b')], undefined],
  [
    'a job with more failures than its limit fails',
    job({ backoffLimit: 1 }),
    [failed('a'), failed('b')],
    'BackoffLimitExceeded',
  ],
  ['a job with as many failures as its limit goes on', job({ backoffLimit: 2 }), [failed('a'), failed('b')], undefined],
  [
    'restarts of containers count as failures with OnFailure',
    job({ backoffLimit: 2, template: { spec: { restartPolicy: 'OnFailure', containers: [] } } }),
    [running('a', { restarts: 2 })],
    'BackoffLimitExceeded',
  ],
  ['a job at its deadline fails', job({ activeDeadlineSeconds: 10 }, { startTime: ago(10) }), [], 'DeadlineExceeded'],
  [
    'a suspended job has no deadline',
    job({ activeDeadlineSeconds: 10, suspend: true }, { startTime: ago(10) }),
    [],
    undefined,
  ],
  [
    'the failure policy decides before the limit of failures',
    job({ backoffLimit: 0, ...policy({ action: 'FailJob', ...exit('In', 1) }) }),
    [failed('a')],
    'PodFailurePolicy',
  ],
  [
    'a job whose success was recorded succeeds, whatever fails later',
    job({ backoffLimit: 0 }, { conditions: [{ type: 'SuccessCriteriaMet', status: 'True', reason: 'SuccessPolicy' }] }),
    [failed('a')],
    'SuccessPolicy',
  ],
  [
    'a job whose failure was recorded fails',
    job({}, { conditions: [{ type: 'FailureTarget', status: 'True', reason: 'DeadlineExceeded' }] }),
    [],
    'DeadlineExceeded',
  ],
  [
    'a job with a failed index goes on while others are left',
    job({ indexes: 2, backoffLimitPerIndex: 1 }),
    [failed('a', { index: 0, failures: 1 })],
    undefined,
  ],
  [
    'a job fails when all its indexes are completed or given up',
    job({ indexes: 2, backoffLimitPerIndex: 1 }, { completedIndexes: '1' }),
    [failed('a', { index: 0, failures: 1 })],
    'FailedIndexes',
  ],
  [
    'a job with too many failed indexes fails',
    job({ indexes: 5, backoffLimitPerIndex: 0, maxFailedIndexes: 1 }, { failedIndexes: '0' }),
    [failed('a', { index: 3 })],
    'MaxFailedIndexesExceeded',
  ],
  [
    'a job succeeds when the indexes of a success rule have succeeded',
    job({ indexes: 5, ...success({ succeededIndexes: '1-2' }) }, { completedIndexes: '1,2' }),
    [],
    'SuccessPolicy',
  ],
  [
    'a job succeeds when enough of the indexes of a rule have succeeded',
    job({ indexes: 5, ...success({ succeededIndexes: '1-3', succeededCount: 2 }) }, { completedIndexes: '1,3' }),
    [],
    'SuccessPolicy',
  ],
  [
    'a job goes on while indexes of a rule are missing',
    job({ indexes: 5, ...success({ succeededIndexes: '1-3' }) }, { completedIndexes: '1,3' }),
    [],
    undefined,
  ],
  [
    'a job succeeds when enough of any indexes have succeeded',
    job({ indexes: 5, ...success({ succeededCount: 3 }) }, { completedIndexes: '0,2,4' }),
    [],
    'SuccessPolicy',
  ],
]
for (const [what, given, pods, reason] of verdicts)
  test(`the verdict on a job: ${what}`, () =>
    assert.equal(planVerdict(given, pods, tally(given, pods), now)?.reason, reason))

test('a job is complete when enough pods have succeeded and none runs', () => {
  const counted = (given: Job, ...pods: Pod[]) => tally(given, pods)
  const fixed = job({ completions: 1 })
  assert.equal(planCompletion(fixed, counted(fixed, done('a')), 0)?.reason, 'CompletionsReached')
  assert.equal(planCompletion(fixed, counted(fixed, done('a')), 1), undefined)
  assert.equal(planCompletion(job({}), counted(job({})), 0), undefined)
  assert.equal(planCompletion(job({}), counted(job({}), done('a')), 0)?.type, 'Complete')
})

type Plan = [create: number | (number | undefined)[], remove: string[], again?: number]
const plans: [string, Job, Pod[], Plan][] = [
  ['as many pods are created as may run at a time', job({ completions: 5 }), [], [2, []]],
  [
    'no more pods are created than successes are missing',
    job({ completions: 5, parallelism: 4 }, { succeeded: 3 }),
    [],
    [2, []],
  ],
  [
    'no pod is created after the first success of a job without completions',
    job({}),
    [done('a'), running('b')],
    [0, []],
  ],
  ['a suspended job stops its pods', job({ suspend: true }), [running('a')], [0, ['a']]],
  [
    'a job that is scaled down stops the pods that are the least loss',
    job({ completions: 5, parallelism: 1 }),
    [running('a'), pod('b', 'Pending', { node: '' })],
    [0, ['b']],
  ],
  [
    'pods are created for the lowest free indexes',
    job({ indexes: 5, parallelism: 3 }, { completedIndexes: '0,2' }),
    [running('a', { index: 1 })],
    [[3, 4], []],
  ],
  [
    'no pod is created for an index that was given up',
    job({ indexes: 3, backoffLimitPerIndex: 0 }, { failedIndexes: '0' }),
    [],
    [[1, 2], []],
  ],
  [
    'of two pods of one index one is stopped',
    job({ indexes: 2 }),
    [running('a', { index: 0 }), pod('b', 'Pending', { index: 0, node: '' })],
    [0, ['b']],
  ],
  [
    'a pod with an index out of range is stopped',
    job({ indexes: 1 }),
    [running('a', { index: 0 }), running('b', { index: 1 })],
    [0, ['b']],
  ],
  [
    'no pod is created within ten seconds after a failure',
    job({ completions: 2 }),
    [failed('a', { end: 4 })],
    [0, [], 6000],
  ],
  [
    'after two failures the wait is twenty seconds',
    job({ completions: 2 }),
    [failed('a', { end: 30 }), failed('b', { end: 4 })],
    [0, [], 16_000],
  ],
  [
    'after a success there is no wait',
    job({ completions: 3 }),
    [failed('a', { end: 4 }), done('b', { end: 2 })],
    [2, []],
  ],
  [
    'pods that the job itself stopped do not count as failures',
    job({ completions: 2 }),
    [failed('a', { tracked: false, deleting: true })],
    [2, []],
  ],
  [
    'an index that backs off does not delay the others',
    job({ indexes: 3, backoffLimitPerIndex: 5, parallelism: 3 }),
    [failed('a', { index: 0, failures: 2, end: 10 }), running('b', { index: 1 })],
    [[2], []],
  ],
  [
    'an index that backs off sets the time of the next look if no other is free',
    job({ indexes: 2, backoffLimitPerIndex: 5 }),
    [failed('a', { index: 0, failures: 2, end: 10 }), running('b', { index: 1 })],
    [0, [], 30_000],
  ],
  [
    'a pod in deletion is replaced only after its end, if the policy says so',
    job({ indexes: 2, podReplacementPolicy: 'Failed' }),
    [running('a', { index: 0, deleting: true })],
    [[1], []],
  ],
  [
    'an index without a pod gets one at once',
    job({ indexes: 2, backoffLimitPerIndex: 3 }),
    [running('b', { index: 1 })],
    [[0], []],
  ],
]
for (const [what, given, pods, [create, remove, again]] of plans)
  test(`the pods of a job: ${what}`, () => {
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

test('a pod is noted, then loses its finalizer, and is counted only after that', () => {
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

test('a pod that was noted before a restart is counted once after it', () => {
  const noted = job({ completions: 3 }, { succeeded: 1, uncountedTerminatedPods: { succeeded: ['a', 'b'] } })
  const { status, untrack } = countOf(noted, [done('a', { tracked: false }), done('b')])
  assert.deepEqual([status.succeeded, status.uncountedTerminatedPods], [2, { succeeded: ['b'] }])
  assert.deepEqual(
    untrack.map(p => p.metadata.name),
    ['b'],
  )
})

test('at most five hundred pods are noted at a time', () => {
  const pods = Array.from({ length: 700 }, (_, i) => done(`p${i}`))
  const { status, untrack, more } = countOf(job({ completions: 1000 }), pods)
  assert.deepEqual([status.uncountedTerminatedPods!.succeeded!.length, untrack.length, more], [500, 500, true])
})

test('pods that still run count as failed when their job fails, and not when it succeeds', () => {
  const pods = [running('a'), done('b')]
  const failing = countOf(job({}), pods, { type: 'Failed', reason: 'DeadlineExceeded', message: '' })
  assert.deepEqual(failing.status.uncountedTerminatedPods, { succeeded: ['b'], failed: ['a'] })
  assert.equal(failing.status.conditions![0]!.type, 'FailureTarget')
  const complete = countOf(job({}), pods, { type: 'Complete', reason: 'SuccessPolicy', message: '' })
  assert.deepEqual(complete.status.uncountedTerminatedPods, { succeeded: ['b'] })
  assert.equal(complete.untrack.length, 2)
})

test('the last failed pod of an index keeps its finalizer until the next one continues its count', () => {
  const limited = job({ indexes: 2, backoffLimitPerIndex: 3 })
  const first = failed('a', { index: 0, failures: 1 })
  assert.equal(countOf(limited, [first]).untrack.length, 0)
  assert.equal(countOf(limited, [first, running('b', { index: 0, failures: 2 })]).untrack.length, 1)
  assert.deepEqual(nextCounts(limited, first), { counted: 2, ignored: 0 })
  const ignoring = job({ indexes: 2, backoffLimitPerIndex: 3, ...policy({ action: 'Ignore', ...exit('In', 1) }) })
  assert.deepEqual(nextCounts(ignoring, first), { counted: 1, ignored: 1 })
})

test('the status of a job records its start, suspension and resumption', () => {
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

test('the pod of an index has it in its name and environment, and a long job name is cut before it', () => {
  const made = jobPod(job({ indexes: 3, backoffLimitPerIndex: 2 }), 2, failed('x', { index: 2, failures: 1 }))
  assert.equal(made.spec!.hostname, 'work-2')
  assert.equal(made.metadata!.generateName, 'work-2-')
  assert.equal(made.metadata!.annotations!['batch.kubernetes.io/job-index-failure-count'], '2')
  assert.equal(made.metadata!.labels!['batch.kubernetes.io/job-completion-index'], '2')
  assert.equal(made.spec!.containers![0]!.env![0]!.name, 'JOB_COMPLETION_INDEX')
  assert.equal(namePrefix('n'.repeat(63), 12), `${'n'.repeat(54)}-12-`)
})

test('the end of a pod is that of its containers, or else the loss of readiness, or else its deletion', () => {
  assert.equal(endOf(failed('a', { end: 30 })), now - 30_000)
  const bare = (more: object, status: object) => podOf({ metadata: { creationTimestamp: ago(500), ...more }, status })
  const unready = { conditions: [{ type: 'Ready', status: 'False', lastTransitionTime: ago(20) }] }
  assert.equal(endOf(bare({}, unready)), now - 20_000)
  assert.equal(endOf(bare({ deletionTimestamp: ago(0), deletionGracePeriodSeconds: 30 }, {})), now - 30_000)
  assert.equal(endOf(bare({}, {})), now - 500_000)
})
