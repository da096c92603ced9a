// A binary heap: gives the first item by some order. Adding and removing take logarithmic time. An item's place in the
// order must not change while it is in the heap.

export class Heap<T> {
  readonly #items: T[] = []
  readonly #before: (a: T, b: T) => boolean

  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before
  }

  get first(): T | undefined {
    return this.#items[0]
  }

  get size(): number {
    return this.#items.length
  }

  push(item: T): void {
    const items = this.#items
    let at = items.push(item) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.#before(item, items[parent]!)) break
      items[at] = items[parent]!
      at = parent
    }
    items[at] = item
  }

  pop(): T | undefined {
    const items = this.#items
    const top = items[0]
    const last = items.pop()
    if (last === undefined || items.length === 0) return top
    let at = 0
    for (;;) {
      const left = 2 * at + 1
      if (left >= items.length) break
      const right = left + 1
      const best = right < items.length && this.#before(items[right]!, items[left]!) ? right : left
      if (!this.#before(items[best]!, last)) break
      items[at] = items[best]!
      at = best
    }
    items[at] = last
    return top
  }

  clear(): void {
    this.#items.length = 0
  }
}
