// The error for everything that keeps a container from starting: images, configuration, volumes, the runtime.

/** A failed start: reason and message for the container's status, and the time until the next try. */
export class StartFailure extends Error {
  readonly reason: string
  readonly retryMs: number

  constructor(reason: string, message: string, retryMs: number, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'StartFailure'
    this.reason = reason
    this.retryMs = retryMs
  }
}
