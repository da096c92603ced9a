// How a reconcile fails in the middle of its work: first the status is written, so that it shows the failure and what
// was done before it, then the failure is thrown, so that the key backs off.

export interface Failure {
  error: unknown
}

/** Does the work, then calls `report`, with the failure if there was one. Throws that failure, or one of `report`. */
export async function reported(
  work: () => Promise<unknown>,
  report: (failure: Failure | undefined) => Promise<unknown>,
): Promise<void> {
  let failure: Failure | undefined
  try {
    await work()
  } catch (error) {
    failure = { error }
  }
  await report(failure)
  if (failure) throw failure.error
}
