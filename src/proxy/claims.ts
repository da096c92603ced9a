// Which fragment answers to an entry, such as an external address and port. Two Services may name the same one, and the
// kernel has one element for it: the first keeps it, and the other is planned without it until it is free.

export class Claims {
  readonly #owners = new Map<string, string>()
  /** The entries of each key. */
  readonly #held = new Map<string, Set<string>>()
  /** Those that would have had an entry, by entry. */
  readonly #waiting = new Map<string, Set<string>>()

  /** Takes an entry for a key. False when another key has it. */
  take(entry: string, key: string): boolean {
    const owner = this.#owners.get(entry)
    if (owner === undefined) {
      this.#owners.set(entry, key)
      addTo(this.#held, key, entry)
    } else if (owner !== key) addTo(this.#waiting, entry, key)
    return owner === undefined || owner === key
  }

  owner(entry: string): string | undefined {
    return this.#owners.get(entry)
  }

  /** Keeps only these entries of a key. Returns the keys that waited for one of the others. */
  keep(key: string, entries: { has(entry: string): boolean }): string[] {
    const held = this.#held.get(key)
    const woken: string[] = []
    for (const entry of held ?? []) {
      if (entries.has(entry)) continue
      held!.delete(entry)
      this.#owners.delete(entry)
      woken.push(...(this.#waiting.get(entry) ?? []))
      this.#waiting.delete(entry)
    }
    if (!held?.size) this.#held.delete(key)
    return woken
  }

  clear(): void {
    this.#owners.clear()
    this.#held.clear()
    this.#waiting.clear()
  }
}

function addTo(map: Map<string, Set<string>>, key: string, value: string): void {
  const values = map.get(key) ?? new Set()
  values.add(value)
  map.set(key, values)
}
