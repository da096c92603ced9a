// Checks what clients of a store have seen against its log. A store is one log, so it is linearizable if
//
// - every write that was acknowledged stands in the log, once, at the revision that was acknowledged; one that was refused
//   does not, and one whose answer was lost stands there once or not at all;
// - the log keeps the order of time: what began after a write had ended comes after it, and a read that began after
//   another had ended is of no older state;
// - a read is of a state that was there at some moment between its beginning and its end.
//
// Source: Herlihy and Wing, Linearizability; the rest is what a total order of writes leaves to be checked.
import type { Change, Revision } from '../../src/store/store.ts'

interface Times {
  /** Milliseconds of the same clock for all operations. */
  start: number
  end: number
}

export type Operation = Times &
  (
    | { type: 'put'; key: string; value: string; outcome: Revision | 'refused' | 'unknown' }
    | { type: 'delete'; key: string; expect: Revision; outcome: Revision | 'refused' | 'unknown' }
    /** `seen` is the revision of the value, or 0 without one. */
    | { type: 'get'; key: string; seen: Revision }
    /** `seen` is the revision of each value, and `at` that of the page. Without `prefix` it is of all keys. */
    | { type: 'list'; prefix?: string; seen: ReadonlyMap<string, Revision>; at: Revision }
  )

const decoder = new TextDecoder()

/** What a log has of its past. */
export interface Past {
  /** The newest revision when the operations began: that at which the log went on after the last restore. */
  begins: Revision
  /** For the revision of each snapshot that was restored, that at which the log went on. */
  jumps: ReadonlyMap<Revision, Revision>
}

const noPast: Past = { begins: 0, jumps: new Map() }

/** What is wrong, in sentences; nothing when all is well. The log begins at revision 1. */
export function violations(log: readonly Change[], operations: readonly Operation[], past = noPast): string[] {
  return [...gaps(log, past), ...wrongWrites(log, operations), ...wrongOrder(log, operations, past)]
}

function* gaps(log: readonly Change[], { jumps }: Past): Iterable<string> {
  let last: Revision = 0
  for (const { revision } of log) {
    while (jumps.has(last)) last = jumps.get(last)!
    if (revision !== last + 1) return yield `the log has revision ${revision} where ${last + 1} belongs`
    last = revision
  }
}

function* wrongWrites(log: readonly Change[], operations: readonly Operation[]): Iterable<string> {
  const at = new Map(log.map(change => [change.revision, change]))
  const byValue = new Map<string, Revision[]>()
  for (const change of log)
    if (change.type === 'put') {
      const value = decoder.decode(change.value)
      byValue.set(value, [...(byValue.get(value) ?? []), change.revision])
    }
  for (const op of operations) {
    if (op.type === 'delete' && typeof op.outcome === 'number') {
      const change = at.get(op.outcome)
      if (change?.type !== 'delete' || change.key !== op.key || change.previous?.revision !== op.expect)
        yield `the deletion of ${op.key} at revision ${op.outcome} is not in the log`
    }
    if (op.type !== 'put') continue
    const found = byValue.get(op.value) ?? []
    if (found.length > 1) yield `${op.value} was written twice: at ${found.join(' and ')}`
    if (op.outcome === 'refused' && found.length) yield `${op.value} was refused, and is at revision ${found[0]}`
    if (typeof op.outcome !== 'number') continue
    if (found[0] !== op.outcome)
      yield `${op.value} was acknowledged at ${op.outcome}, and is at ${found[0] ?? 'no revision'}`
    else if (at.get(op.outcome)!.key !== op.key) yield `${op.value} is at ${at.get(op.outcome)!.key}, not at ${op.key}`
  }
}

/** Goes through the beginnings and ends of operations in the order of time. */
function* wrongOrder(log: readonly Change[], operations: readonly Operation[], { begins }: Past): Iterable<string> {
  const states = new KeyStates(log)
  const began = new Map<Operation, Revision>()
  /** No operation that begins from now on may be of an older state than this. */
  let least = begins
  const moments = operations.flatMap(op => [
    { at: op.start, op, isEnd: false },
    { at: op.end, op, isEnd: true },
  ])
  moments.sort((a, b) => a.at - b.at || Number(a.isEnd) - Number(b.isEnd))
  for (const { op, isEnd } of moments) {
    if (!isEnd) {
      began.set(op, least)
      continue
    }
    const from = began.get(op)!
    const point = pointOf(op, from, states)
    if (typeof point === 'string') yield point
    else least = Math.max(least, point)
  }
}

/** The oldest state that an operation can be of, given the one that it must not be older than; or what is wrong. */
function pointOf(op: Operation, from: Revision, states: KeyStates): Revision | string {
  switch (op.type) {
    case 'put':
    case 'delete':
      if (typeof op.outcome !== 'number') return from
      return op.outcome > from ? op.outcome : `the write at ${op.outcome} began after ${from} had been seen`
    case 'get': {
      const point = states.firstWith(op.key, op.seen, from)
      return point ?? `${op.key} was seen at revision ${op.seen} after ${from}, when it was ${states.at(op.key, from)}`
    }
    case 'list': {
      if (op.at < from) return `a list of revision ${op.at} began after ${from} had been seen`
      const { prefix = '' } = op
      const wrong = states.keys.find(key => key.startsWith(prefix) && states.at(key, op.at) !== (op.seen.get(key) ?? 0))
      return wrong === undefined ? op.at : `a list of revision ${op.at} has ${wrong} at ${op.seen.get(wrong) ?? 0}`
    }
  }
}

/** For each key its revisions, with 0 where it has no value. */
class KeyStates {
  readonly #changes = new Map<string, { at: Revision; seen: Revision }[]>()
  #keys: readonly string[] | undefined

  constructor(log: readonly Change[]) {
    for (const { key, type, revision } of log) {
      const changes = this.#changes.get(key) ?? [{ at: 0, seen: 0 }]
      changes.push({ at: revision, seen: type === 'put' ? revision : 0 })
      this.#changes.set(key, changes)
    }
  }

  get keys(): readonly string[] {
    return (this.#keys ??= [...this.#changes.keys()])
  }

  /** The revision of the value that a key had at a revision of the store. */
  at(key: string, revision: Revision): Revision {
    return this.#changes.get(key)?.findLast(({ at }) => at <= revision)?.seen ?? 0
  }

  /** The first revision from `from` on at which a key had the value of a revision. */
  firstWith(key: string, seen: Revision, from: Revision): Revision | undefined {
    if (this.at(key, from) === seen) return from
    return this.#changes.get(key)?.find(change => change.at > from && change.seen === seen)?.at
  }
}
