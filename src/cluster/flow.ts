// Priority and fairness of the server process.
import { FlowControl, flowDumps, FlowFront, keepDangling, type PathHandler } from '../apiserver/index.ts'
import { parseDuration } from '../api/time.ts'
import type { ClusterConfig } from './config.ts'
import type { ControlPlane } from './control-plane.ts'
import type { Limits } from './request-limits.ts'

/** Source: apiserver pkg/server/config.go (NewConfig). */
const defaultReading = 400
const defaultWriting = 200
const defaultTimeoutMs = 60_000
const defaultWatches = 20_000
/** How long a client may take nothing of a list or a watch. */
const stalledMs = 60_000
/** The part of the time that a request has for which it may wait in a queue. */
const maxWaitShare = 1 / 4

/** The time that a request has. */
const requestTimeoutMs = ({ requestTimeout }: Limits): number =>
  requestTimeout === undefined ? defaultTimeoutMs : (parseDuration(requestTimeout) ?? 0) / 1e6

/** What a client of the server may use of it. */
export const clientLimits = (limits: Limits) => ({
  requestTimeoutMs: requestTimeoutMs(limits),
  maxWatches: limits.maxWatches ?? defaultWatches,
  stalledMs,
})

export interface RunningFlow {
  front: FlowFront
  dumps: PathHandler
  close(): Promise<void>
}

export function startFlow({ core, serve }: ControlPlane, config: ClusterConfig): RunningFlow {
  const { maxRequestsInflight = defaultReading, maxMutatingRequestsInflight = defaultWriting } = config
  const maxWaitMs = requestTimeoutMs(config) * maxWaitShare
  const seats = maxRequestsInflight + maxMutatingRequestsInflight
  const control = new FlowControl({ storage: core.storage, clock: core.clock, seats, maxWaitMs })
  const stopKeeping = keepDangling(core, serve)
  return {
    front: new FlowFront(core, control),
    dumps: flowDumps(control),
    close: () => {
      control.close()
      return stopKeeping()
    },
  }
}
