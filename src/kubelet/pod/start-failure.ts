// The error of everything that keeps a container from starting: images, configuration, volumes, the runtime.

/** Why a container did not start: what its status says, and when it is worth trying again. */
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
