// The rate at which CPU is used, between two samples of how much has been used.

export interface Sample {
  /** The time of day of the sample, which may be that of the container runtime. */
  atMs: number
  cpuNs: number
  nanoCores: number | undefined
}

/**
 * The sample after `before`. Without time in between it stays the same. When the time has been set back, the rate stays
 * for once.
 */
export function nextSample(before: Sample | undefined, atMs: number, cpuNs: number): Sample {
  if (!before) return { atMs, cpuNs, nanoCores: undefined }
  const passed = atMs - before.atMs
  if (passed === 0) return before
  if (passed < 0) return { atMs, cpuNs, nanoCores: before.nanoCores }
  return { atMs, cpuNs, nanoCores: Math.max(0, Math.round(((cpuNs - before.cpuNs) / passed) * 1000)) }
}
