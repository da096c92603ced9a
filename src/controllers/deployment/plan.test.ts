// The steps of a Deployment: single ones as tables, and whole rollouts by a model in which ReplicaSets and pods follow
// the plan. Whatever comes between, a rollout stays within its bounds and ends.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../../base/testing.ts'
import type { Draft } from '../../api/kind.ts'
import { timeText } from '../../api/time.ts'
import { Deployment } from '../../kinds/apps/deployment.ts'
import { ReplicaSet } from '../../kinds/apps/replicaset.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { objectOf, podOf } from '../../kinds/testing.ts'
import { type DeploymentPlan, findNew, planDeployment } from './plan.ts'
import { fenceposts, maxSize } from './sizes.ts'

const now = Date.UTC(2026, 0, 1, 12)
type Spec = Draft<Deployment>['spec']

const templateOf = (image: string) => ({
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'c', image }] },
})

const deploymentOf = (image: string, spec: Partial<Spec> = {}, more: Draft<Deployment> = {}): Deployment =>
  objectOf(Deployment, {
    ...more,
    metadata: { name: 'web', uid: 'web', generation: 2, ...more.metadata },
    spec: { replicas: 3, selector: { matchLabels: { app: 'web' } }, template: templateOf(image), ...spec },
  })

interface Given {
  replicas?: number
  available?: number
  revision?: number
  /** Pods that its status reports; by default as many as its size. */
  pods?: number
  desired?: number
  max?: number
  annotations?: Record<string, string>
  second?: number
  deleting?: boolean
  observed?: number
}

/** A ReplicaSet of an image. Its name ends with the hash that the Deployment's plan would give it. */
function rsOf(image: string, given: Given = {}): ReplicaSet {
  const {
    replicas = 3,
    available = replicas,
    pods = replicas,
    revision = 1,
    second = revision,
    desired = 3,
    max = 4,
  } = given
  return objectOf(ReplicaSet, {
    metadata: {
      name: `web-${image}`,
      uid: `uid-${image}`,
      generation: 1,
      creationTimestamp: timeText(Date.UTC(2026, 0, 1) + second * 1000),
      annotations: {
        'deployment.kubernetes.io/revision': String(revision),
        'deployment.kubernetes.io/desired-replicas': String(desired),
        'deployment.kubernetes.io/max-replicas': String(max),
        ...given.annotations,
      },
      ...(given.deleting && { deletionTimestamp: timeText(now), finalizers: ['x/y'] }),
    },
    spec: { replicas, selector: { matchLabels: { app: 'web' } }, template: templateOf(image) },
    status: {
      replicas: pods,
      availableReplicas: available,
      readyReplicas: available,
      observedGeneration: given.observed ?? 1,
    },
  })
}

const plan = (
  deployment: Deployment,
  sets: readonly ReplicaSet[],
  pods: ReadonlyMap<string, readonly Pod[]> = new Map(),
) => planDeployment(deployment, sets, pods, now)

/** `create 2`, `new 3`, `remove old`, one word for each step, ReplicaSets by their image. */
function stepsOf({ create, changes, remove }: DeploymentPlan): string[] {
  const image = ({ metadata }: { metadata: { name?: string } }) => metadata.name!.slice('web-'.length)
  return [
    ...(create ? [`create ${create.spec!.replicas}`] : []),
    ...changes.flatMap(({ rs, replicas }) => (replicas === rs.spec.replicas ? [] : [`${image(rs)} ${replicas}`])),
    ...remove.map(rs => `remove ${image(rs)}`),
  ]
}

const oneLess: Partial<Spec> = {
  strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } },
}
const recreate: Partial<Spec> = { strategy: { type: 'Recreate' } }

test('each reconcile takes one step of a rollout', () => {
  const table: [what: string, deployment: Deployment, sets: ReplicaSet[], steps: string[]][] = [
    ['nothing there', deploymentOf('a'), [], ['create 3']],
    ['all as wanted', deploymentOf('a'), [rsOf('a')], []],
    ['a new template, one more pod allowed', deploymentOf('b'), [rsOf('a')], ['create 1']],
    [
      'a new one that has no pod yet',
      deploymentOf('b'),
      [rsOf('a'), rsOf('b', { replicas: 1, available: 0, revision: 2 })],
      [],
    ],
    ['one new pod is available', deploymentOf('b'), [rsOf('a'), rsOf('b', { replicas: 1, revision: 2 })], ['a 2']],
    [
      'room for a second',
      deploymentOf('b'),
      [rsOf('a', { replicas: 2 }), rsOf('b', { replicas: 1, revision: 2 })],
      ['b 2'],
    ],
    ['all new ones available', deploymentOf('b'), [rsOf('a', { replicas: 1 }), rsOf('b', { revision: 2 })], ['a 0']],
    ['done', deploymentOf('b'), [rsOf('a', { replicas: 0 }), rsOf('b', { revision: 2 })], []],
    [
      'broken old pods go first',
      deploymentOf('b', oneLess),
      [rsOf('a', { available: 1 }), rsOf('b', { replicas: 1, available: 0, revision: 2 })],
      ['a 2'],
    ],
    [
      'back to the former template',
      deploymentOf('a'),
      [rsOf('a', { replicas: 0 }), rsOf('b', { revision: 2 })],
      ['a 1'],
    ],
    ['recreated, old pods left', deploymentOf('b', recreate), [rsOf('a')], ['a 0']],
    ['recreated, none left', deploymentOf('b', recreate), [rsOf('a', { replicas: 0 })], ['create 3']],
    [
      'recreated, the new one is there',
      deploymentOf('b', recreate),
      [rsOf('a', { replicas: 0 }), rsOf('b', { replicas: 1, revision: 2 })],
      ['b 3'],
    ],
    ['scaled up', deploymentOf('a', { replicas: 5 }), [rsOf('a')], ['a 5']],
    ['scaled down', deploymentOf('a', { replicas: 1 }), [rsOf('a')], ['a 1']],
    ['paused', deploymentOf('b', { paused: true }), [rsOf('a')], []],
    ['paused and scaled', deploymentOf('b', { paused: true, replicas: 5 }), [rsOf('a')], ['a 5']],
    ['without replicas', deploymentOf('a', { replicas: 0 }), [], ['create 0']],
    ['being deleted', deploymentOf('b', {}, { metadata: { deletionTimestamp: timeText(now) } }), [rsOf('a')], []],
  ]
  for (const [what, deployment, sets, steps] of table) assert.deepEqual(stepsOf(plan(deployment, sets)), steps, what)
})

test('with Recreate no new pod starts while an old one still runs, even if its ReplicaSet has none left', () => {
  const old = rsOf('a', { replicas: 0 })
  const podsIn = (phase: 'Running' | 'Succeeded') =>
    new Map([[old.metadata.uid!, [podOf({ metadata: { name: 'p' }, spec: {}, status: { phase } })]]])
  assert.deepEqual(stepsOf(plan(deploymentOf('b', recreate), [old], podsIn('Running'))), [])
  assert.deepEqual(stepsOf(plan(deploymentOf('b', recreate), [old], podsIn('Succeeded'))), ['create 3'])
})

test('old ReplicaSets beyond the limit are deleted when the rollout is complete, the oldest first', () => {
  const empty = (image: string, revision: number, more: Given = {}) => rsOf(image, { replicas: 0, revision, ...more })
  const sets = [empty('c', 3), empty('a', 1), empty('b', 2), rsOf('z', { revision: 4 })]
  const limit = (revisionHistoryLimit: number, given: readonly ReplicaSet[] = sets) =>
    stepsOf(plan(deploymentOf('z', { revisionHistoryLimit }), given))
  assert.deepEqual(limit(3), [])
  assert.deepEqual(limit(2), ['remove a'])
  assert.deepEqual(limit(0), ['remove a', 'remove b', 'remove c'])
  // One with pods left, one that is not up to date, and one that is being deleted stay.
  assert.deepEqual(limit(0, [empty('a', 1, { pods: 1 }), rsOf('z', { revision: 4 })]), [])
  assert.deepEqual(limit(0, [empty('a', 1, { observed: 0 }), rsOf('z', { revision: 4 })]), [])
  assert.deepEqual(limit(0, [empty('a', 1, { deleting: true }), rsOf('z', { revision: 4 })]), [])
  // While the rollout is under way none is deleted, since it may be needed to go back.
  assert.deepEqual(limit(0, [empty('a', 1), rsOf('z', { revision: 4, available: 2 })]), [])
  assert.deepEqual(stepsOf(plan(deploymentOf('z', { revisionHistoryLimit: 0, paused: true }), sets)), [
    'remove a',
    'remove b',
    'remove c',
  ])
})

test('the new ReplicaSet has a name, labels and a selector of its own, and the size that is allowed at once', () => {
  const deployment = deploymentOf(
    'b',
    { minReadySeconds: 7, replicas: 4 },
    {
      metadata: { annotations: { team: 'x', 'kubectl.kubernetes.io/last-applied-configuration': '{}' } },
    },
  )
  const { create, revision } = plan(deployment, [rsOf('a', { replicas: 4, desired: 4, revision: 6 })])
  const hash = create!.metadata!.labels!['pod-template-hash']!
  assert.equal(create!.metadata!.name, `web-${hash}`)
  assert.match(hash, /^[a-z0-9]{5,10}$/)
  assert.deepEqual(create!.spec!.selector, { matchLabels: { app: 'web', 'pod-template-hash': hash } })
  assert.deepEqual(create!.spec!.template!.metadata!.labels, { app: 'web', 'pod-template-hash': hash })
  assert.equal(create!.spec!.minReadySeconds, 7)
  assert.equal(create!.spec!.replicas, 1)
  assert.deepEqual(create!.metadata!.annotations, {
    team: 'x',
    'deployment.kubernetes.io/revision': '7',
    'deployment.kubernetes.io/desired-replicas': '4',
    'deployment.kubernetes.io/max-replicas': '5',
  })
  assert.equal(revision, '7')
  // After a collision of names the hash is another one.
  const collided = plan({ ...deployment, status: { ...deployment.status, collisionCount: 1 } }, [])
  assert.notEqual(collided.create!.metadata!.labels!['pod-template-hash'], hash)
})

test('a ReplicaSet that comes into use again gets the next revision, and keeps the earlier ones as its history', () => {
  const { changes, revision } = plan(deploymentOf('a'), [
    rsOf('a', { replicas: 0, revision: 1 }),
    rsOf('b', { revision: 2 }),
  ])
  assert.equal(revision, '3')
  const annotations = changes.find(({ rs }) => rs.metadata.name === 'web-a')!.annotations
  assert.equal(annotations['deployment.kubernetes.io/revision'], '3')
  assert.equal(annotations['deployment.kubernetes.io/revision-history'], '1')
})

test('of several ReplicaSets with the current template the oldest counts', () => {
  const [older, younger] = [rsOf('a', { second: 1 }), rsOf('a', { second: 2 })]
  assert.equal(findNew(deploymentOf('a'), [younger, older]), older)
  assert.equal(findNew(deploymentOf('b'), [younger, older]), undefined)
  // The hash label is the ReplicaSet's own and makes no difference.
  const hashed = objectOf(ReplicaSet, {
    metadata: { name: 'web-1' },
    spec: { template: { ...templateOf('a'), metadata: { labels: { app: 'web', 'pod-template-hash': '1' } } } },
  })
  assert.equal(findNew(deploymentOf('a'), [hashed]), hashed)
})

/** A cluster that does what is planned: ReplicaSets get their sizes at once, pods become available as the test says. */
class Model {
  deployment: Deployment
  sets: { image: string; replicas: number; available: number; object: ReplicaSet }[] = []
  highest = 0

  constructor(deployment: Deployment) {
    this.deployment = deployment
  }

  objects(): ReplicaSet[] {
    return this.sets.map(({ object, replicas, available }) => ({
      ...object,
      spec: { ...object.spec, replicas },
      status: {
        ...object.status,
        replicas,
        availableReplicas: available,
        readyReplicas: available,
        observedGeneration: 1,
      },
    }))
  }

  /** Returns whether anything has changed. */
  step(): boolean {
    const objects = this.objects()
    const { create, changes, remove, status } = plan(this.deployment, objects)
    this.deployment = { ...this.deployment, status }
    if (create) {
      const object = objectOf(ReplicaSet, {
        ...create,
        metadata: {
          ...create.metadata,
          uid: create.metadata!.name!,
          generation: 1,
          creationTimestamp: timeText(now + this.sets.length * 1000),
        },
      })
      this.sets.push({ image: '', replicas: object.spec.replicas, available: 0, object })
    }
    for (const { rs, replicas, annotations } of changes) {
      const set = this.sets[objects.indexOf(rs)]!
      set.replicas = replicas
      set.available = Math.min(set.available, replicas)
      set.object = {
        ...set.object,
        metadata: { ...set.object.metadata, annotations: { ...set.object.metadata.annotations, ...annotations } },
      }
    }
    this.sets = this.sets.filter((_, i) => !remove.includes(objects[i]!))
    this.highest = Math.max(this.highest, this.total())
    return Boolean(create) || remove.length > 0 || changes.length > 0
  }

  total = () => this.sets.reduce((sum, set) => sum + set.replicas, 0)
  available = () => this.sets.reduce((sum, set) => sum + set.available, 0)
}

test('a rollout stays within its bounds and ends, in whatever order pods become available', () => {
  const strategy = fc.record({
    replicas: fc.integer({ min: 1, max: 12 }),
    surge: fc.oneof(fc.nat({ max: 4 }), fc.constantFrom('25%', '50%')),
    unavailable: fc.oneof(fc.nat({ max: 4 }), fc.constantFrom('25%', '10%')),
  })
  fc.assert(
    fc.property(strategy, fc.array(fc.nat({ max: 5 }), { maxLength: 60 }), fc.boolean(), (s, chance, twice) => {
      const spec = (image: string): Deployment =>
        deploymentOf(image, {
          replicas: s.replicas,
          strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: s.surge, maxUnavailable: s.unavailable } },
        })
      const model = new Model(spec('a'))
      while (model.step()) for (const set of model.sets) set.available = set.replicas
      for (const set of model.sets) set.available = set.replicas
      assert.equal(model.available(), s.replicas)
      const { unavailable } = fenceposts(model.deployment)
      const most = maxSize(model.deployment)
      model.highest = 0
      model.deployment = { ...spec('b'), status: model.deployment.status }
      const turns = [...chance, ...Array.from({ length: 200 }, () => 5)]
      for (const [i, ready] of turns.entries()) {
        // In the middle of it, the template may change again.
        if (twice && i === 7) model.deployment = { ...spec('c'), status: model.deployment.status }
        model.step()
        assert.ok(model.available() >= s.replicas - unavailable, `${model.available()} of ${s.replicas} available`)
        for (const set of model.sets) set.available = Math.min(set.replicas, set.available + ready)
      }
      assert.ok(model.highest <= most, `${model.highest} pods, at most ${most}`)
      assert.equal(model.step(), false)
      assert.deepEqual([model.total(), model.available()], [s.replicas, s.replicas])
      const current = findNew(model.deployment, model.objects())!
      assert.equal(current.spec.replicas, s.replicas)
      assert.equal(model.deployment.status.updatedReplicas, s.replicas)
    }),
    { numRuns: 100 },
  )
})
