// Priority and fairness: decides when each request of a client may go on, by the FlowSchemas and
// PriorityLevelConfigurations of the cluster, and divides the seats of the server between the priority levels.
//
//   admit ─► flow schema ─► priority level ─┬─► exempt: at once
//                                           ├─► a seat is free: at once
//                                           ├─► waits in its queue ─► executes, or gives up after a quarter of the
//                                           │                         request timeout, or when its client goes
//                                           └─► refused
//
// - Every request that goes on calls `done` once, whatever comes of it; only then are its seats free. Later calls do
//   nothing.
// - A change of the configuration counts for the next request. A level that has gone ends when its requests have.
// - Whatever is configured, the levels `exempt` and `catch-all` and their schemas are there.
// - Clients in this process do not come here: their number is fixed, and leases must be renewed however many others there
//   are. Kubernetes has the same exemption for the loopback client of its server.
//
// Limits: a level keeps at most 10,000 waiting requests (queues.ts), and 4,096 hands of flows (shuffle.ts).
//
// Source: apiserver pkg/util/flowcontrol (apf_controller.go, apf_filter.go); KEP-1040.
import type { Clock } from '../../base/clock.ts'
import { decode } from '../../api/schema/decode.ts'
import { fixedLevels, fixedSchemas } from '../../kinds/flowcontrol/fixed.ts'
import { FlowSchema } from '../../kinds/flowcontrol/flowschema.ts'
import { FlowSchemaSpec } from '../../kinds/flowcontrol/flowschemaspec.ts'
import { PriorityLevelConfigurationSpec } from '../../kinds/flowcontrol/level-types.ts'
import { PriorityLevelConfiguration } from '../../kinds/flowcontrol/prioritylevelconfiguration.ts'
import type { Storage } from '../storage.ts'
import { Level, type LevelObject } from './level.ts'
import { type Digest, distinguisherOf, inOrder, matches } from './match.ts'
import * as metrics from './metrics.ts'
import { once } from './once.ts'
import type { Entrant, Place, Refusal } from './queues.ts'
import { planBorrowing, planLimits } from './shares.ts'
import type { Work } from './work.ts'

/** What became of a request, with the objects that decided it. */
export interface Admission {
  readonly schema: FlowSchema
  readonly level: LevelObject
  /** Why it was refused, and in how many seconds the client should try again. */
  readonly refused?: { readonly reason: Refusal | 'time-out' | 'cancelled'; readonly retrySeconds: number }
  /** Gives the seats back. */
  done(): void
}

interface Options {
  readonly storage: Storage
  readonly clock: Clock
  /** The seats of the server. */
  readonly seats: number
  /** How long a request may wait in a queue. */
  readonly maxWaitMs: number
}

/** How often the seats are divided by what the levels need. */
const adjustEveryMs = 10_000

interface Flow {
  readonly schema: FlowSchema
  readonly level: Level
  readonly counts: metrics.FlowCounts
}

export class FlowControl {
  readonly #options: Options
  readonly #levels = new Map<string, Level>()
  #flows: readonly Flow[] = []
  readonly #stops: (() => void)[] = []
  #cancelTimer: () => void = () => {}

  constructor(options: Options) {
    this.#options = options
    const { storage } = options
    const changed = () => this.#configure()
    this.#stops.push(storage.mirror(FlowSchema).subscribe(changed, 'flow control'))
    this.#stops.push(storage.mirror(PriorityLevelConfiguration).subscribe(changed, 'flow control'))
    this.#configure()
    this.#adjustLater()
  }

  close(): void {
    this.#cancelTimer()
    for (const stop of this.#stops) stop()
  }

  get levels(): Iterable<Level> {
    return this.#levels.values()
  }

  /** The time of day of a moment by which places go, as it is shown now. */
  timeOf(at: number): number {
    const { clock } = this.#options
    return clock.now() - clock.steady() + at
  }

  /**
   * Resolves when a request may go on, or is refused; at once where nothing must be waited for.
   * @param workOf what the request is worth in a level with this nominal limit
   */
  admit(digest: Digest, workOf: (nominal: number) => Work, signal: AbortSignal): Admission | Promise<Admission> {
    const flow = this.#flowOf(digest)
    const { level, schema, counts } = flow
    if (!level.queues) return this.#exempt(flow)
    const now = this.#options.clock.steady()
    const work = workOf(level.limits.nominal)
    metrics.estimatedSeats.observe(Math.max(work.seats, work.finalSeats), counts.labels)
    let started: () => void = () => {}
    const entrant: Entrant = {
      schema: schema.metadata.name ?? '',
      distinguisher: distinguisherOf(schema, digest),
      ...work,
      started: () => started(),
    }
    const place = level.queues.offer(entrant, now)
    level.noteDemand(now)
    if (typeof place === 'string') return this.#refused(flow, place)
    if (place.state === 'executing') return this.#execute(flow, place)
    return new Promise(resolve => {
      counts.wait(1, work.seats)
      const end = () => {
        cancel()
        signal.removeEventListener('abort', gone)
        counts.wait(-1, work.seats)
      }
      const giveUp = (reason: 'time-out' | 'cancelled') => {
        end()
        this.#leave(flow, place)
        resolve(this.#refused(flow, reason, place))
      }
      const gone = () => giveUp('cancelled')
      const cancel = this.#options.clock.after(this.#options.maxWaitMs, () => giveUp('time-out'))
      signal.addEventListener('abort', gone, { once: true })
      started = () => {
        end()
        resolve(this.#execute(flow, place))
      }
      if (signal.aborted) gone()
    })
  }

  #flowOf(digest: Digest): Flow {
    for (const flow of this.#flows) if (matches(flow.schema, digest)) return flow
    // Every user is authenticated or not, so `catch-all` matches; a user without those groups counts as it.
    return this.#flows.find(({ schema }) => schema.metadata.name === 'catch-all')!
  }

  #exempt({ level, schema, counts }: Flow): Admission {
    const { clock } = this.#options
    const began = clock.steady()
    level.exempted++
    level.noteDemand(began)
    counts.execute(1, 1)
    metrics.dispatched.add(counts.labels)
    return {
      schema,
      level: level.object,
      done: once(() => {
        level.exempted--
        const now = clock.steady()
        level.noteDemand(now)
        counts.execute(-1, 1)
        metrics.executed.observe((now - began) / 1000, { ...counts.labels, type: 'regular' })
      }),
    }
  }

  #execute(flow: Flow, place: Place): Admission {
    const { level, schema, counts } = flow
    const { seats, finalSeats, extraMs } = place.entrant
    const waitedMs = place.startedAt - place.arrivedAt
    metrics.waited.observe(waitedMs / 1000, { ...counts.labels, execute: 'true' })
    metrics.dispatched.add(counts.labels)
    counts.execute(1, seats)
    return {
      schema,
      level: level.object,
      done: once(() => {
        counts.execute(-1, seats)
        this.#leave(flow, place)
        const ms = this.#options.clock.steady() - place.startedAt
        metrics.executed.observe(ms / 1000, { ...counts.labels, type: 'regular' })
        if (finalSeats) this.#options.clock.after(extraMs, () => this.#release(flow, place))
      }),
    }
  }

  #leave({ level }: Flow, place: Place): void {
    const now = this.#options.clock.steady()
    level.queues?.leave(place, now)
    level.noteDemand(now)
  }

  #release({ level }: Flow, place: Place): void {
    const now = this.#options.clock.steady()
    level.queues?.release(place, now)
    level.noteDemand(now)
  }

  #refused(
    { level, schema, counts }: Flow,
    reason: NonNullable<Admission['refused']>['reason'],
    place?: Place,
  ): Admission {
    const now = this.#options.clock.steady()
    metrics.rejected.add({ ...counts.labels, reason })
    if (place) metrics.waited.observe((now - place.arrivedAt) / 1000, { ...counts.labels, execute: 'false' })
    level.retryAfter.refused(now)
    return {
      schema,
      level: level.object,
      refused: { reason, retrySeconds: level.retryAfter.seconds },
      done: () => {},
    }
  }

  /** Takes the configuration from the objects. */
  #configure(): void {
    const { storage, clock, seats } = this.#options
    const now = clock.steady()
    const objects = new Map<string, LevelObject>(mandatoryLevels.map(level => [level.metadata.name!, level]))
    for (const level of storage.mirror(PriorityLevelConfiguration).list()) objects.set(level.metadata.name!, level)
    for (const [name, object] of objects) {
      const level = this.#levels.get(name)
      if (level) level.configure(object)
      else this.#levels.set(name, new Level(object, now))
    }
    for (const [name, level] of this.#levels) {
      if (objects.has(name)) continue
      level.quiescing = true
      if (level.isIdle) this.#levels.delete(name)
    }
    const specs = new Map([...this.#levels].map(([name, { object }]) => [name, object.spec]))
    for (const [name, limits] of planLimits(specs, seats)) {
      const level = this.#levels.get(name)!
      level.limit(limits, now)
      metrics.showLimits(level)
    }
    const schemas = new Map(mandatorySchemas.map(schema => [schema.metadata.name!, schema]))
    for (const schema of storage.mirror(FlowSchema).list()) schemas.set(schema.metadata.name!, schema)
    const before = new Map(this.#flows.map(flow => [flow.schema.metadata.name, flow]))
    this.#flows = inOrder(schemas.values()).flatMap(schema => {
      const { name } = schema.spec.priorityLevelConfiguration
      const level = objects.has(name) ? this.#levels.get(name) : undefined
      if (!level) return []
      const last = before.get(schema.metadata.name)
      const counts =
        last?.level === level ? last.counts : new metrics.FlowCounts(level.name, schema.metadata.name ?? '')
      return [{ schema, level, counts }]
    })
  }

  #adjustLater(): void {
    this.#cancelTimer = this.#options.clock.after(adjustEveryMs, () => {
      this.#adjust()
      this.#adjustLater()
    })
  }

  /** Divides the seats by what the levels asked for in the last period. */
  #adjust(): void {
    const now = this.#options.clock.steady()
    for (const [name, level] of this.#levels) if (level.quiescing && level.isIdle) this.#levels.delete(name)
    const claims = new Map([...this.#levels].map(([name, level]) => [name, level.claim(now)]))
    for (const [name, limit] of planBorrowing(claims)) {
      const level = this.#levels.get(name)!
      level.queues?.resize(limit, now)
      metrics.showDemand(name, claims.get(name)!)
      metrics.showLimits(level)
    }
  }
}

const mandatoryLevels: readonly LevelObject[] = Object.entries(fixedLevels).map(([name, spec]) => ({
  metadata: { name },
  spec: decode(PriorityLevelConfigurationSpec, spec, { defaults: true }) as LevelObject['spec'],
}))

const mandatorySchemas = Object.entries(fixedSchemas).map(
  ([name, spec]) =>
    ({ metadata: { name }, spec: decode(FlowSchemaSpec, spec, { defaults: true }), status: {} }) as FlowSchema,
)
