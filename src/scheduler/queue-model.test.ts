// Compares the scheduling queue with a simple model, a list of pods that is searched at every step.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../base/testing.ts'
import { VirtualClock } from '../base/clock.ts'
import { Item, type MirrorChange } from '../api/mirror.ts'
import { Node } from '../kinds/core/node.ts'
import { nodeOf, podOf } from '../kinds/testing.ts'
import { PodInfo } from './info.ts'
import { openOffline } from './offline.ts'
import { type Place, SchedulingQueue } from './queue.ts'

const initialBackoffMs = 1000
const maxBackoffMs = 10_000
const tryAnywayMs = 300_000

const infoOf = (name: string, priority: number, gated: boolean): PodInfo =>
  new PodInfo(
    podOf({
      metadata: { name, uid: name },
      spec: {
        priority,
        containers: [{ name: 'c', image: 'app', resources: { requests: { cpu: '4' } } }],
        ...(gated && { schedulingGates: [{ name: 'example.com/gate' }] }),
      },
    }),
  )

const nodeWith = (cpu: string) =>
  new Item(nodeOf({ metadata: { name: 'n' }, status: { allocatable: { cpu, pods: '9' } } }), 1)
/** A change of a node to more CPU: enough for a pod that requests four cores, or not. */
const grown = (enough: boolean): MirrorChange => ({
  type: 'MODIFIED',
  item: nodeWith(enough ? '8' : '3'),
  before: nodeWith('2'),
})
const noRoom = new Set(['NodeResourcesFit'])
const portTaken = new Set(['NodePorts'])

const name = fc.constantFrom('a', 'b', 'c', 'd')
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('set' as const),
      name,
      priority: fc.constantFrom(0, 0, 5),
      gated: fc.boolean(),
      matters: fc.boolean(),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('take' as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('refuse' as const),
      which: fc.nat({ max: 3 }),
      by: fc.constantFrom(noRoom, noRoom, portTaken, undefined),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), name }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('activate' as const), name }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wake' as const), enough: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('forward' as const),
      ms: fc.oneof(fc.nat({ max: 1500 }), fc.constantFrom(initialBackoffMs, 5000, maxBackoffMs, tryAnywayMs)),
    }),
  },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

interface ModelPod {
  name: string
  priority: number
  gated: boolean
  place: Place
  sequence: number
  attempts: number
  since: number
  refusedAt: number
  until: number
  by: ReadonlySet<string>
  /** Whether a change that may help was seen while the pod was being decided on. */
  changed: boolean
}

class Model {
  pods: ModelPod[] = []
  now = 0
  #sequence = 0

  find(of: string): ModelPod | undefined {
    return this.pods.find(pod => pod.name === of)
  }

  set(of: string, priority: number, gated: boolean, matters: boolean): void {
    let pod = this.find(of)
    if (pod) {
      Object.assign(pod, { priority, gated })
      if (pod.place === 'gated') this.#enqueue(pod)
      else if (matters && pod.place === 'unschedulable') this.#backOff(pod)
      else if (matters && pod.place === 'deciding') pod.changed = true
      return
    }
    pod = {
      name: of,
      priority,
      gated,
      place: 'gated',
      sequence: this.#sequence++,
      attempts: 0,
      since: this.now,
      refusedAt: this.now,
      until: 0,
      by: new Set(),
      changed: false,
    }
    this.pods.push(pod)
    this.#enqueue(pod)
  }

  take(): ModelPod | undefined {
    const active = this.pods.filter(pod => pod.place === 'active')
    active.sort((a, b) => b.priority - a.priority || a.sequence - b.sequence)
    const [first] = active
    if (first) Object.assign(first, { place: 'deciding', attempts: first.attempts + 1, changed: false })
    return first
  }

  refuse(of: string, by: ReadonlySet<string> | undefined): void {
    const pod = this.find(of)
    if (pod?.place !== 'deciding') return
    Object.assign(pod, { sequence: this.#sequence++, refusedAt: this.now })
    if (!by || pod.changed) return this.#backOff(pod)
    Object.assign(pod, { place: 'unschedulable', until: this.now + tryAnywayMs, by })
  }

  activate(of: string): void {
    const pod = this.find(of)
    if (pod?.place === 'unschedulable') this.#backOff(pod)
    else if (pod?.place === 'deciding') pod.changed = true
  }

  wake(enough: boolean): void {
    for (const pod of this.pods) {
      if (pod.place === 'deciding') pod.changed = true
      else if (pod.place === 'unschedulable' && enough && pod.by === noRoom) this.#backOff(pod)
    }
  }

  forward(ms: number): void {
    this.now += ms
    // The order in which pods become due affects only `since`, and that was set before.
    for (const pod of this.pods)
      if ((pod.place === 'backoff' || pod.place === 'unschedulable') && pod.until <= this.now) this.#enqueue(pod)
  }

  #enqueue(pod: ModelPod): void {
    pod.place = pod.gated ? 'gated' : 'active'
    if (!pod.gated && pod.attempts === 0) pod.since = this.now
  }

  #backOff(pod: ModelPod): void {
    const until = pod.refusedAt + Math.min(initialBackoffMs * 2 ** (pod.attempts - 1), maxBackoffMs)
    if (until <= this.now) return this.#enqueue(pod)
    Object.assign(pod, { place: 'backoff', until })
  }
}

class Trial {
  readonly clock = new VirtualClock(0)
  readonly model = new Model()
  readonly queue: SchedulingQueue

  constructor() {
    const { profile } = openOffline()
    this.queue = new SchedulingQueue({
      clock: this.clock,
      profiles: new Map([[profile.schedulerName, profile]]),
      initialBackoffMs,
      maxBackoffMs,
      onFailure: (_, error) => assert.fail(error),
      onReady: () => {},
    })
  }

  async run(s: Step): Promise<void> {
    const { queue, model } = this
    switch (s.do) {
      case 'set':
        queue.set(infoOf(s.name, s.priority, s.gated), s.matters)
        return model.set(s.name, s.priority, s.gated, s.matters)
      case 'take': {
        const taken = queue.take()
        const first = model.take()
        assert.deepEqual(
          taken && [taken.pod.uid, taken.attempts, taken.since],
          first && [first.name, first.attempts, first.since],
        )
        return
      }
      case 'refuse': {
        const deciding = model.pods.filter(pod => pod.place === 'deciding')
        // Only a pod that is being decided on can be refused; for others this must do nothing.
        const of = deciding[s.which % deciding.length]?.name ?? 'a'
        if (s.by) queue.unschedulable(of, s.by)
        else queue.failed(of)
        return model.refuse(of, s.by)
      }
      case 'remove':
        queue.remove(s.name)
        model.pods = model.pods.filter(pod => pod.name !== s.name)
        return
      case 'activate':
        queue.activate(s.name)
        return model.activate(s.name)
      case 'wake':
        queue.wake(Node, grown(s.enough))
        return model.wake(s.enough)
      case 'forward':
        await this.clock.forward(s.ms)
        model.forward(s.ms)
    }
  }

  check(): void {
    const { queue, model } = this
    const counts = { active: 0, backoff: 0, unschedulable: 0, gated: 0, deciding: 0 }
    for (const pod of model.pods) {
      counts[pod.place]++
      assert.equal(queue.find(pod.name)?.place, pod.place, pod.name)
      assert.equal(queue.get(pod.name)?.priority, pod.priority)
    }
    assert.deepEqual(queue.counts(), counts)
  }
}

test('a pod is in one place, comes out in the order of priority and turn, not too early, and in the end', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async steps => {
      const trial = new Trial()
      for (const s of steps) {
        await trial.run(s)
        trial.check()
      }
      // No pod is lost: after enough time all pods can be taken, except those that are gated or being decided on.
      await trial.run({ do: 'forward', ms: tryAnywayMs })
      const { active, gated, deciding } = trial.queue.counts()
      assert.equal(active + gated + deciding, trial.model.pods.length)
      for (let i = 0; i <= active; i++) await trial.run({ do: 'take' })
      trial.queue.close()
    }),
    { numRuns: 500 },
  )
})
