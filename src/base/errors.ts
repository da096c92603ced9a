// The only error that crosses rooms. It carries what a Kubernetes Status has: a reason, a message, the HTTP code of the
// reason, and details. Source: meta/v1 StatusReason; api-conventions.md.

/** A problem of one field, as in Status.details.causes. */
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

/** The HTTP code of each reason. */
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
  /** A continue token with which an expired list may go on at a newer revision. */
  readonly continue: string | undefined
  /** Warnings for the client, sent as headers beside the Status. */
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

/** The message of a value that was thrown, which need not be an Error. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Whether a thrown value comes from a fault in this program, rather than from its input or from another program. */
export const isDefect = (error: unknown): boolean =>
  error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError

/** Throws when an invariant is broken, which is always a fault in this program and never the user's. */
export function assert(condition: unknown, what: string | (() => string)): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${typeof what === 'string' ? what : what()}`)
}

/** Marks the end of an exhaustive switch: a case that is missing is an error of the type checker. */
export function unreachable(value: never): never {
  throw new Error(`invariant broken: unexpected ${JSON.stringify(value)}`)
}
