// The metrics of priority and fairness. Labels are names of flow schemas and priority levels, which administrators make.
// Source: apiserver pkg/util/flowcontrol/metrics.
import { counter, gauge, histogram } from '../../base/metrics.ts'
import type { Level } from './level.ts'

const durations = [0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30]
const of = (name: string) => `apiserver_flowcontrol_${name}`

export const rejected = counter(of('rejected_requests_total'), 'Requests that were refused, by reason')
export const dispatched = counter(of('dispatched_requests_total'), 'Requests that began to execute')
export const waited = histogram(of('request_wait_duration_seconds'), 'Time that requests waited in a queue', durations)
export const executed = histogram(
  of('request_execution_seconds'),
  'Time that requests executed, for a watch until it began',
  durations,
)
export const queueLength = histogram(
  of('request_queue_length_after_enqueue'),
  'Length of the queue that a request joined, with the request',
  [0, 10, 25, 50, 100, 250, 500, 1000],
)
export const estimatedSeats = histogram(of('work_estimated_seats'), 'Seats that requests were worth', [1, 2, 4, 10])
export const watchCounts = histogram(
  of('watch_count_samples'),
  'Watches that writes concerned',
  [0, 1, 10, 100, 1000, 10000],
)

const nominalLimit = gauge(of('nominal_limit_seats'), 'Seats of a priority level by its shares')
const lowerLimit = gauge(of('lower_limit_seats'), 'Seats of a priority level that it does not lend')
const upperLimit = gauge(of('upper_limit_seats'), 'Most seats of a priority level with those that it borrows')
const currentLimit = gauge(of('current_limit_seats'), 'Seats of a priority level at the moment')
const demandHigh = gauge(of('demand_seats_high_watermark'), 'Most seats that were asked for in the last period')
const demandSmoothed = gauge(of('demand_seats_smoothed'), 'Smoothed demand for seats')
const executing = gauge(of('current_executing_requests'), 'Requests that execute')
const seatsInUse = gauge(of('current_executing_seats'), 'Seats of requests that execute')
const concurrency = gauge(of('request_concurrency_in_use'), 'Seats in use')
const inQueue = gauge(of('current_inqueue_requests'), 'Requests that wait in queues')
const seatsInQueue = gauge(of('current_inqueue_seats'), 'Seats that waiting requests ask for')

/** The requests and seats of a flow schema in its level, which gauges show. */
export class FlowCounts {
  readonly #labels: Readonly<Record<string, string>>
  #executing = 0
  #seats = 0
  #waiting = 0
  #waitingSeats = 0

  constructor(level: string, schema: string) {
    this.#labels = { priority_level: level, flow_schema: schema }
  }

  get labels(): Readonly<Record<string, string>> {
    return this.#labels
  }

  execute(requests: 1 | -1, seats: number): void {
    this.#executing += requests
    this.#seats += requests * seats
    executing.set(this.#executing, this.#labels)
    seatsInUse.set(this.#seats, this.#labels)
    concurrency.set(this.#seats, this.#labels)
  }

  wait(requests: 1 | -1, seats: number): void {
    this.#waiting += requests
    this.#waitingSeats += requests * seats
    inQueue.set(this.#waiting, this.#labels)
    seatsInQueue.set(this.#waitingSeats, this.#labels)
  }
}

/** Shows how the seats of a level have been divided. */
export function showLimits({ name, limits, queues, exempted }: Level): void {
  const labels = { priority_level: name }
  nominalLimit.set(limits.nominal, labels)
  lowerLimit.set(limits.min, labels)
  upperLimit.set(limits.max, labels)
  currentLimit.set(queues?.limit ?? Math.max(limits.min, exempted), labels)
}

export function showDemand(level: string, { highest, smoothed }: { highest: number; smoothed: number }): void {
  demandHigh.set(highest, { priority_level: level })
  demandSmoothed.set(smoothed, { priority_level: level })
}
