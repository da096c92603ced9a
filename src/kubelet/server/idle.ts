// Ends streams that nobody uses: an exec, attach or port-forward through which no byte has gone for as long as the
// configuration says. Source: kubernetes KubeletConfiguration (streamingConnectionIdleTimeout).
import type { Clock } from '../../base/clock.ts'

interface IdleOptions {
  clock: Clock
  /** 0 for no limit. */
  idleMs: number
  /** How many bytes have gone through so far. */
  bytes(): number
  end(): void
}

/** How often a stream is looked at within the time. It ends at most this part of the time later. */
const looks = 10

/** Calls `end` when no byte has gone through for the time. The returned function cancels it. */
export function endWhenIdle({ clock, idleMs, bytes, end }: IdleOptions): () => void {
  if (idleMs === 0) return () => {}
  let before = bytes()
  let quiet = 0
  let cancel = () => {}
  const look = () => {
    const now = bytes()
    quiet = now === before ? quiet + 1 : 0
    before = now
    if (quiet === looks) end()
    else arm()
  }
  const arm = () => (cancel = clock.after(idleMs / looks, look))
  arm()
  return () => cancel()
}
