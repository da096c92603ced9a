// What may be called from several sides, and counts the first time.

/** Calls `act` with the first call only. */
export function once(act: () => void): () => void {
  let isOpen = true
  return () => {
    if (!isOpen) return
    isOpen = false
    act()
  }
}
