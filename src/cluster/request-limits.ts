// How many requests a server takes at once, and for how long, from the options of the command line.
import { durationOption, integerOption, type Parsed } from './args.ts'
import type { ClusterConfig } from './config.ts'

const maxInflight = 100_000

export type Limits = Pick<
  ClusterConfig,
  'maxRequestsInflight' | 'maxMutatingRequestsInflight' | 'maxWatches' | 'requestTimeout'
>

/** Reads the options, which the command line has checked. */
export function requestLimits(parsed: Parsed): Limits {
  const reading = integerOption(parsed, 'max-requests-inflight', 1, maxInflight)
  const writing = integerOption(parsed, 'max-mutating-requests-inflight', 1, maxInflight)
  const watches = integerOption(parsed, 'max-watches', 1, maxInflight)
  const timeout = durationOption(parsed, 'request-timeout')?.text
  return {
    ...(reading !== undefined && { maxRequestsInflight: reading }),
    ...(writing !== undefined && { maxMutatingRequestsInflight: writing }),
    ...(watches !== undefined && { maxWatches: watches }),
    ...(timeout && { requestTimeout: timeout }),
  }
}
