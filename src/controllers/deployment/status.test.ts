// The conditions of Deployments: what a rollout reports while it goes on, when it is over, and when it is stuck.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Draft } from '../../api/kind.ts'
import { timeText } from '../../api/time.ts'
import { Deployment } from '../../kinds/apps/deployment.ts'
import { ReplicaSet } from '../../kinds/apps/replicaset.ts'
import { objectOf } from '../../kinds/testing.ts'
import {
  countStatus,
  findCondition,
  hasDeadline,
  isComplete,
  rolloutStatus,
  untilDeadline,
  withCondition,
  withCreateError,
} from './status.ts'

const now = Date.UTC(2026, 0, 1, 12)
const seconds = (n: number) => timeText(now - n * 1000)

const deploymentOf = (spec: Draft<Deployment>['spec'] = {}, status: Draft<Deployment>['status'] = {}): Deployment =>
  objectOf(Deployment, {
    metadata: { name: 'web', generation: 3 },
    spec: { replicas: 3, progressDeadlineSeconds: 60, ...spec },
    status,
  })
const rsOf = (name: string, status: Draft<ReplicaSet>['status'], replicas = 3): ReplicaSet =>
  objectOf(ReplicaSet, { metadata: { name }, spec: { replicas }, status })
const all = (n: number) => ({ replicas: n, readyReplicas: n, availableReplicas: n })

test('the numbers are sums over the ReplicaSets, and those of the current template count as updated', () => {
  const status = countStatus(
    deploymentOf({}, { collisionCount: 2 }),
    rsOf('new', { replicas: 2, readyReplicas: 2, availableReplicas: 1 }),
    [rsOf('old', { replicas: 3, readyReplicas: 2, availableReplicas: 2, terminatingReplicas: 1 })],
    now,
  )
  const { conditions: _, ...numbers } = status
  assert.deepEqual(numbers, {
    observedGeneration: 3,
    replicas: 5,
    updatedReplicas: 2,
    readyReplicas: 4,
    availableReplicas: 3,
    unavailableReplicas: 2,
    terminatingReplicas: 1,
    collisionCount: 2,
  })
})

test('a Deployment is available with as many pods as a rollout must keep', () => {
  const rolling = (maxUnavailable: number) => ({
    strategy: { type: 'RollingUpdate' as const, rollingUpdate: { maxSurge: 1, maxUnavailable } },
  })
  const table: [unavailable: number, available: number, status: string, reason: string][] = [
    [0, 3, 'True', 'MinimumReplicasAvailable'],
    [0, 2, 'False', 'MinimumReplicasUnavailable'],
    [1, 2, 'True', 'MinimumReplicasAvailable'],
    [1, 1, 'False', 'MinimumReplicasUnavailable'],
  ]
  for (const [unavailable, available, status, reason] of table) {
    const found = findCondition(
      countStatus(deploymentOf(rolling(unavailable)), rsOf('new', all(available)), [], now),
      'Available',
    )
    assert.deepEqual([found?.status, found?.reason], [status, reason], `${available} of 3, ${unavailable} may lack`)
  }
})

const progressing = (reason: string, lastUpdateTime: string, status: 'True' | 'False' | 'Unknown' = 'True') => ({
  type: 'Progressing',
  status,
  reason,
  message: '',
  lastUpdateTime,
  lastTransitionTime: lastUpdateTime,
})
const progressOf = (deployment: Deployment, newRs: ReplicaSet | undefined, old: ReplicaSet[] = []) => {
  const found = findCondition(rolloutStatus(deployment, newRs, old, now), 'Progressing')
  return found && `${found.status} ${found.reason}: ${found.message ?? ''}`
}

test('Progressing says how the rollout goes', () => {
  const made = progressing('NewReplicaSetCreated', seconds(10))
  const table: [
    what: string,
    deployment: Deployment,
    newRs: ReplicaSet | undefined,
    old: ReplicaSet[],
    condition: RegExp | undefined,
  ][] = [
    [
      'complete',
      deploymentOf({}, { conditions: [made], updatedReplicas: 2, replicas: 3 }),
      rsOf('web-1', all(3)),
      [],
      /^True NewReplicaSetAvailable: ReplicaSet "web-1" has successfully progressed\.$/,
    ],
    [
      'one more pod',
      deploymentOf({}, { conditions: [made], updatedReplicas: 1, replicas: 1 }),
      rsOf('web-1', { replicas: 2 }),
      [],
      /^True ReplicaSetUpdated: ReplicaSet "web-1" is progressing\.$/,
    ],
    [
      'nothing new, in time',
      deploymentOf({}, { conditions: [made], updatedReplicas: 2, replicas: 2 }),
      rsOf('web-1', { replicas: 2 }),
      [],
      /^True NewReplicaSetCreated: $/,
    ],
    [
      'nothing new, too late',
      deploymentOf(
        {},
        { conditions: [progressing('ReplicaSetUpdated', seconds(61))], updatedReplicas: 2, replicas: 2 },
      ),
      rsOf('web-1', { replicas: 2 }),
      [],
      /^False ProgressDeadlineExceeded: ReplicaSet "web-1" has timed out progressing\.$/,
    ],
    [
      'too late without a ReplicaSet',
      deploymentOf({}, { conditions: [progressing('ReplicaSetUpdated', seconds(61))] }),
      undefined,
      [],
      /^False ProgressDeadlineExceeded: Deployment "web" has timed out progressing\.$/,
    ],
    [
      'it goes on after the deadline',
      deploymentOf(
        {},
        {
          conditions: [progressing('ProgressDeadlineExceeded', seconds(90), 'False')],
          updatedReplicas: 1,
          replicas: 1,
        },
      ),
      rsOf('web-1', { replicas: 2 }),
      [],
      /^True ReplicaSetUpdated: /,
    ],
    [
      'pods that fail later are no failure of the rollout',
      deploymentOf(
        {},
        { conditions: [progressing('NewReplicaSetAvailable', seconds(900))], ...all(3), updatedReplicas: 3 },
      ),
      rsOf('web-1', { ...all(3), availableReplicas: 1 }),
      [],
      /^True NewReplicaSetAvailable: $/,
    ],
    [
      'without a deadline',
      deploymentOf({ progressDeadlineSeconds: 2 ** 31 - 1 }, { conditions: [made] }),
      rsOf('web-1', { replicas: 2 }),
      [],
      undefined,
    ],
  ]
  for (const [what, deployment, newRs, old, condition] of table) {
    const found = progressOf(deployment, newRs, old)
    if (condition) assert.match(found ?? '', condition, what)
    else assert.equal(found, undefined, what)
  }
})

test('a ReplicaSet that cannot create its pods is reported until it can', () => {
  const failure = { type: 'ReplicaFailure', status: 'True' as const, reason: 'FailedCreate', message: 'exceeded quota' }
  const failing = rolloutStatus(deploymentOf(), rsOf('web-1', { conditions: [failure] }), [], now)
  const found = findCondition(failing, 'ReplicaFailure')
  assert.deepEqual([found?.status, found?.reason, found?.message], ['True', 'FailedCreate', 'exceeded quota'])
  const well = rolloutStatus(deploymentOf({}, failing), rsOf('web-1', all(3)), [], now)
  assert.equal(findCondition(well, 'ReplicaFailure'), undefined)
  const error = withCreateError(deploymentOf(), 'name is taken', now)
  assert.deepEqual(
    error.conditions?.map(c => [c.type, c.status, c.reason, c.message]),
    [['Progressing', 'False', 'ReplicaSetCreateError', 'name is taken']],
  )
  const endless = deploymentOf({ progressDeadlineSeconds: 2 ** 31 - 1 })
  assert.equal(withCreateError(endless, 'name is taken', now), endless.status)
  assert.equal(hasDeadline(endless), false)
})

test('a rollout is complete when all pods are of the current template and available, and the spec was seen', () => {
  const status = { replicas: 3, updatedReplicas: 3, availableReplicas: 3, observedGeneration: 3 }
  assert.equal(isComplete(deploymentOf(), status), true)
  for (const change of [{ replicas: 4 }, { updatedReplicas: 2 }, { availableReplicas: 2 }, { observedGeneration: 2 }])
    assert.equal(isComplete(deploymentOf(), { ...status, ...change }), false, JSON.stringify(change))
})

test('the deadline is looked at when it is due, while a rollout is under way', () => {
  const status = (condition: object) => deploymentOf({}, { conditions: [condition] }).status
  const made = progressing('NewReplicaSetCreated', seconds(20))
  const wait = (deployment: Deployment, condition: object) => untilDeadline(deployment, status(condition), now)
  assert.equal(wait(deploymentOf(), made), 41_000)
  assert.equal(wait(deploymentOf(), progressing('NewReplicaSetCreated', seconds(100))), 1000)
  assert.equal(wait(deploymentOf({ paused: true }), made), undefined)
  assert.equal(wait(deploymentOf({ progressDeadlineSeconds: 2 ** 31 - 1 }), made), undefined)
  assert.equal(wait(deploymentOf(), progressing('ProgressDeadlineExceeded', seconds(9), 'False')), undefined)
  assert.equal(untilDeadline(deploymentOf(), deploymentOf().status, now), undefined)
})

test('a condition keeps its transition time while its status stays, and is left alone when nothing of it changes', () => {
  const first = withCondition(undefined, 'Available', 'True', 'A', 'text', now)
  assert.deepEqual(first[0], {
    type: 'Available',
    status: 'True',
    reason: 'A',
    message: 'text',
    lastUpdateTime: timeText(now),
    lastTransitionTime: timeText(now),
  })
  assert.equal(withCondition(first, 'Available', 'True', 'A', 'another text', now + 9000), first)
  const [again] = withCondition(first, 'Available', 'True', 'B', 'text', now + 9000)
  assert.deepEqual([again!.lastUpdateTime, again!.lastTransitionTime], [timeText(now + 9000), timeText(now)])
  const [other] = withCondition(first, 'Available', 'False', 'B', 'text', now + 9000)
  assert.equal(other!.lastTransitionTime, timeText(now + 9000))
})
