// A sorted set of strings, made of short sorted arrays in a sorted list. A key is found by two binary searches, adding
// one moves at most the keys of one array, and iterating walks the arrays.

const maxRun = 512

export class SortedKeys {
  /** No run is empty, and every key of a run is less than every key of the next one. */
  #runs: string[][] = []

  /** Fills the empty set with keys in any order, each given once. */
  fill(keys: Iterable<string>): void {
    // Without a comparison of one's own, the order is that of code units, and found in half of the time.
    const sorted = [...keys].sort()
    // Runs begin half full, so that the first inserts need no split.
    for (let i = 0; i < sorted.length; i += maxRun / 2) this.#runs.push(sorted.slice(i, i + maxRun / 2))
  }

  add(key: string): void {
    if (this.#runs.length === 0) {
      this.#runs.push([key])
      return
    }
    const at = Math.min(this.#runFor(key), this.#runs.length - 1)
    const run = this.#runs[at]!
    const i = lowerBound(run, key)
    if (run[i] === key) return
    run.splice(i, 0, key)
    if (run.length > maxRun) this.#runs.splice(at + 1, 0, run.splice(maxRun / 2))
  }

  delete(key: string): void {
    const at = this.#runFor(key)
    const run = this.#runs[at]
    if (!run) return
    const i = lowerBound(run, key)
    if (run[i] !== key) return
    run.splice(i, 1)
    if (run.length === 0) this.#runs.splice(at, 1)
  }

  /**
   * The keys that start with `prefix` and are greater than `after`, in order. The set must not be changed meanwhile.
   */
  *from(prefix: string, after?: string): Generator<string> {
    const start = after !== undefined && after > prefix ? after : prefix
    let at = this.#runFor(start)
    let i = at < this.#runs.length ? lowerBound(this.#runs[at]!, start) : 0
    for (; at < this.#runs.length; at++, i = 0) {
      const run = this.#runs[at]!
      for (; i < run.length; i++) {
        const key = run[i]!
        if (!key.startsWith(prefix)) {
          if (key > prefix) return
          continue
        }
        if (after === undefined || key > after) yield key
      }
    }
  }

  /** The index of the first run whose last key is not less than `key`. */
  #runFor(key: string): number {
    let low = 0
    let high = this.#runs.length
    while (low < high) {
      const mid = (low + high) >>> 1
      const run = this.#runs[mid]!
      if (run[run.length - 1]! < key) low = mid + 1
      else high = mid
    }
    return low
  }
}

function lowerBound(run: readonly string[], key: string): number {
  let low = 0
  let high = run.length
  while (low < high) {
    const mid = (low + high) >>> 1
    if (run[mid]! < key) low = mid + 1
    else high = mid
  }
  return low
}
