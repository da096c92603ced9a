// What a write requires of the store: other keys, at the revisions by which admission has decided. The store looks at them
// in the moment of the write, so nothing that was held up in between is stored by a decision that no longer holds.

/** Decides again after a key has changed, and returns its present revision. Throws when the object cannot be written. */
type Again = () => Promise<number>

export class Requirements {
  readonly #revisions = new Map<string, number>()
  readonly #again = new Map<string, Again>()

  /** By keys of the store. */
  get revisions(): ReadonlyMap<string, number> {
    return this.#revisions
  }

  /** @param again without it the write fails when the key has changed */
  add(key: string, revision: number, again?: Again): void {
    this.#revisions.set(key, revision)
    if (again) this.#again.set(key, again)
  }

  /** Gives up those of keys with this prefix. */
  drop(prefix: string): void {
    for (const key of this.#revisions.keys()) if (key.startsWith(prefix)) this.#revisions.delete(key)
  }

  /** Whether the write may be tried again after a key has changed. Throws when it would be refused now. */
  async renew(key: string): Promise<boolean> {
    const again = this.#again.get(key)
    if (again) this.#revisions.set(key, await again())
    return again !== undefined
  }
}
