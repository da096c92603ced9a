// Unified differences of texts by lines, which Kubernetes adds to the message of a refused update. Common blocks are
// found by the algorithm of Python's difflib, since the result depends on it: the longest block first, and none that
// begins at a very frequent line.
// Source: github.com/pmezard/go-difflib, which apimachinery pkg/util/diff uses.

type Lines = readonly string[]
/** A range of lines, the first included, the second not. */
type Range = readonly [number, number]

interface Block {
  a: number
  b: number
  size: number
}

interface Change {
  equal: boolean
  a: Range
  b: Range
}

const context = 3
/** In texts of at least this many lines, a line that is more than a hundredth of them begins no block. */
const popularFrom = 200

/** The changes from `a` to `b` with three lines of context; '' when there are none. */
export function unifiedDiff(a: Lines, b: Lines): string {
  return groups(changes(a, b))
    .map(group => {
      const [first, last] = [group[0]!, group.at(-1)!]
      const head = `@@ -${range(first.a[0], last.a[1])} +${range(first.b[0], last.b[1])} @@\n`
      return head + group.map(change => lines(change, a, b)).join('')
    })
    .join('')
}

function lines({ equal, a, b }: Change, from: Lines, to: Lines): string {
  const part = (text: Lines, [start, end]: Range, mark: string) =>
    text
      .slice(start, end)
      .map(line => `${mark}${line}\n`)
      .join('')
  return equal ? part(from, a, ' ') : part(from, a, '-') + part(to, b, '+')
}

function range(start: number, end: number): string {
  const size = end - start
  if (size === 1) return `${start + 1}`
  return `${size ? start + 1 : start},${size}`
}

/** Groups changes with their context into hunks. Changes that are far apart are in different ones. */
function groups(all: Change[]): Change[][] {
  if (!all.some(change => !change.equal)) return []
  const codes = [...all]
  const [first, last] = [codes[0]!, codes.at(-1)!]
  if (first.equal) codes[0] = cut(first, Math.max(0, first.a[1] - first.a[0] - context), Infinity)
  if (last.equal) codes[codes.length - 1] = cut(codes.at(-1)!, 0, context)
  const out: Change[][] = []
  let group: Change[] = []
  for (const change of codes) {
    const size = change.a[1] - change.a[0]
    if (change.equal && size > 2 * context) {
      out.push([...group, cut(change, 0, context)])
      group = [cut(change, size - context, Infinity)]
    } else group.push(change)
  }
  return group.some(change => !change.equal) ? [...out, group] : out
}

const cut = ({ a, b }: Change, skip: number, most: number): Change => {
  const piece = ([start, end]: Range) => [start + skip, Math.min(end, start + skip + most)] as const
  return { equal: true, a: piece(a), b: piece(b) }
}

function changes(a: Lines, b: Lines): Change[] {
  const out: Change[] = []
  let i: number = 0
  let j: number = 0
  for (const block of [...blocks(a, b), { a: a.length, b: b.length, size: 0 }]) {
    if (i < block.a || j < block.b) out.push({ equal: false, a: [i, block.a], b: [j, block.b] })
    i = block.a + block.size
    j = block.b + block.size
    if (block.size) out.push({ equal: true, a: [block.a, i], b: [block.b, j] })
  }
  return out
}

/** The blocks that both texts have, in order, with adjacent ones joined. */
function blocks(a: Lines, b: Lines): Block[] {
  const places = indexOf(b)
  const found: Block[] = []
  const open: { a: Range; b: Range }[] = [{ a: [0, a.length], b: [0, b.length] }]
  for (let next = open.pop(); next; next = open.pop()) {
    const match = longest(a, b, places, next.a, next.b)
    if (!match.size) continue
    found.push(match)
    open.push({ a: [next.a[0], match.a], b: [next.b[0], match.b] })
    open.push({ a: [match.a + match.size, next.a[1]], b: [match.b + match.size, next.b[1]] })
  }
  found.sort((x, y) => x.a - y.a || x.b - y.b)
  const joined: Block[] = []
  for (const block of found) {
    const before = joined.at(-1)
    if (before && before.a + before.size === block.a && before.b + before.size === block.b) before.size += block.size
    else joined.push({ ...block })
  }
  return joined
}

/** The positions of each line in `b`, without lines that are too frequent. */
function indexOf(b: Lines): ReadonlyMap<string, readonly number[]> {
  const places = new Map<string, number[]>()
  for (const [j, line] of b.entries()) {
    const list = places.get(line)
    if (list) list.push(j)
    else places.set(line, [j])
  }
  if (b.length < popularFrom) return places
  const most = Math.floor(b.length / 100) + 1
  for (const [line, list] of places) if (list.length > most) places.delete(line)
  return places
}

/** The longest common block of both ranges, the first of several, extended by adjacent frequent lines. */
function longest(
  a: Lines,
  b: Lines,
  places: ReadonlyMap<string, readonly number[]>,
  [fromA, toA]: Range,
  [fromB, toB]: Range,
): Block {
  let best: Block = { a: fromA, b: fromB, size: 0 }
  let lengths = new Map<number, number>()
  for (let i = fromA; i < toA; i++) {
    const next = new Map<number, number>()
    for (const j of places.get(a[i]!) ?? []) {
      if (j < fromB) continue
      if (j >= toB) break
      const size = (lengths.get(j - 1) ?? 0) + 1
      next.set(j, size)
      if (size > best.size) best = { a: i - size + 1, b: j - size + 1, size }
    }
    lengths = next
  }
  while (best.a > fromA && best.b > fromB && a[best.a - 1] === b[best.b - 1])
    best = { a: best.a - 1, b: best.b - 1, size: best.size + 1 }
  while (best.a + best.size < toA && best.b + best.size < toB && a[best.a + best.size] === b[best.b + best.size])
    best.size++
  return best
}
