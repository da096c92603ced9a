// How many requests a second are answered: a bucket of tokens that fills with time. Source: pkg/kubelet/apis/podresources
// (DefaultQPS, DefaultBurstTokens).

/** Requests a second over time, and at once. */
const [perSecond, burst] = [100, 10]

/** Whether one more request may be answered. `now` is in ms. */
export function pace(now: () => number): () => boolean {
  let tokens = burst
  let at = now()
  return () => {
    const present = now()
    // A clock that is set back fills nothing.
    tokens = Math.min(burst, tokens + (Math.max(0, present - at) * perSecond) / 1000)
    at = present
    if (tokens < 1) return false
    tokens--
    return true
  }
}
