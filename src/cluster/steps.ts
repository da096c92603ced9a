// Progress of a long command: one line for each step, with its duration. On a terminal the line of the step under way
// is replaced when it ends; elsewhere only finished steps are written.

export class Steps {
  readonly #began = performance.now()
  readonly #write: (text: string) => void
  readonly #live: boolean

  constructor(write: (text: string) => void, live: boolean) {
    this.#write = write
    this.#live = live
  }

  /** Runs a step and writes how long it took, also when it fails. */
  async run<T>(what: string, work: () => Promise<T>): Promise<T> {
    const began = performance.now()
    if (this.#live) this.#write(`  … ${what}`)
    try {
      const result = await work()
      this.#line('✓', what, performance.now() - began)
      return result
    } catch (error) {
      this.#line('✗', what, performance.now() - began)
      throw error
    }
  }

  totalMs(): number {
    return performance.now() - this.#began
  }

  #line(mark: string, what: string, ms: number): void {
    this.#write(`${this.#live ? '\r\x1b[K' : ''}  ${mark} ${what.padEnd(44)} ${durationText(ms).padStart(8)}\n`)
  }
}

export const durationText = (ms: number): string => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`)
