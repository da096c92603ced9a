// The one error that crosses rooms. It is a Kubernetes Status in waiting: a reason, a message, the HTTP
// code that goes with the reason, and details. Sources: meta/v1 StatusReason, api-conventions.md.

/** One offending field, as Status.details.causes carries it. */
export interface Cause {
  reason: string
  message: string
  field?: string
}

export interface StatusDetails {
  name?: string
  group?: string
  kind?: string
  uid?: string
  causes?: Cause[]
  retryAfterSeconds?: number
}

/** Reasons and their HTTP codes. */
const reasonCodes = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  AlreadyExists: 409,
  Conflict: 409,
  Expired: 410,
  Gone: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  ServiceUnavailable: 503,
  Timeout: 504,
  ServerTimeout: 500,
} as const

export type Reason = keyof typeof reasonCodes

export class StatusError extends Error {
  readonly reason: Reason | ''
  readonly code: number
  readonly details: StatusDetails | undefined
  /** Where a list that cannot go on as it began may go on. */
  readonly continue: string | undefined
  /** What the client should know besides. */
  warnings?: readonly string[]

  constructor(
    reason: Reason | '',
    message: string,
    options: { details?: StatusDetails; code?: number; cause?: unknown; continue?: string } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'StatusError'
    this.reason = reason
    this.code = options.code ?? (reason ? reasonCodes[reason] : 500)
    this.details = options.details
    this.continue = options.continue
  }
}

export function isReason(error: unknown, ...reasons: Reason[]): error is StatusError {
  return error instanceof StatusError && reasons.includes(error.reason as Reason)
}

/** The text of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Whether something thrown is a fault of this program, rather than of what it was given or depends on. */
export const isDefect = (error: unknown): boolean =>
  error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError

/** A broken invariant: a bug in this program, never the user's fault. Crashes loudly. */
export function assert(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${what}`)
}

/** Marks the end of an exhaustive switch. */
export function unreachable(value: never): never {
  throw new Error(`invariant broken: unexpected ${JSON.stringify(value)}`)
}
