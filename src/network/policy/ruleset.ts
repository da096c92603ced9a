// What an nftables table should have, what it has, and the transaction that turns the one into the other. Only what was
// touched since the last transaction is compared, so that a change of one pod among thousands costs next to nothing.
// Pure. Within the text the order matters, because each line must be valid when the kernel reads it:
//
//   elements that are gone or lead elsewhere ─▶ new sets, new and changed chains ─▶ new elements ─▶ chains and sets that
//   are gone
import { createHash } from 'node:crypto'

/** The most elements on a line. */
const lineElements = 5_000

interface Elements {
  /** Of a set or map, such as `set { type ipv4_addr ; }`. */
  readonly definition: string
  /** The elements, with the verdicts of a map; '' for those of a set. */
  readonly elements: Map<string, string>
}

export class Ruleset {
  readonly #table: string
  readonly #chains = new Map<string, readonly string[]>()
  readonly #sets = new Map<string, Elements>()
  /** What the kernel has. */
  #appliedChains = new Map<string, string>()
  #appliedSets = new Map<string, Map<string, string>>()
  readonly #touchedChains = new Set<string>()
  readonly #touchedSets = new Map<string, Set<string>>()

  /** @param table family and name, such as `inet x` */
  constructor(table: string) {
    this.#table = table
  }

  get isEmpty(): boolean {
    return !this.#chains.size && [...this.#sets.values()].every(({ elements }) => !elements.size)
  }

  get isChanged(): boolean {
    return this.#touchedChains.size > 0 || this.#touchedSets.size > 0
  }

  /** The names of all chains. */
  get chains(): readonly string[] {
    return [...this.#chains.keys()]
  }

  chain(name: string, rules: readonly string[] | undefined): void {
    if (rules) this.#chains.set(name, rules)
    else this.#chains.delete(name)
    this.#touchedChains.add(name)
  }

  /** Adds a set or a map, which is empty at first. */
  set(name: string, definition: string): void {
    if (this.#sets.has(name)) return
    this.#sets.set(name, { definition, elements: new Map() })
    this.#touch(name)
  }

  /** Removes a set. If it is added again before the next transaction, what the kernel has in it is compared. */
  removeSet(name: string): void {
    this.#sets.delete(name)
    const keys = this.#touch(name)
    for (const key of this.#appliedSets.get(name)?.keys() ?? []) keys.add(key)
  }

  element(set: string, key: string, value: string | undefined): void {
    const elements = this.#sets.get(set)?.elements
    if (!elements) return
    if (value === undefined) elements.delete(key)
    else elements.set(key, value)
    this.#touch(set).add(key)
  }

  #touch(set: string): Set<string> {
    const keys = this.#touchedSets.get(set) ?? new Set()
    this.#touchedSets.set(set, keys)
    return keys
  }

  /** Forgets what the kernel has: everything is new. */
  forget(): void {
    this.#appliedChains = new Map()
    this.#appliedSets = new Map()
    for (const name of this.#chains.keys()) this.#touchedChains.add(name)
    for (const [name, { elements }] of this.#sets) {
      const keys = this.#touch(name)
      for (const key of elements.keys()) keys.add(key)
    }
  }

  /**
   * The text of the transaction, '' if nothing differs, and a function to be called when it was applied.
   * @param instead chains that have other rules than they should
   */
  transaction(instead: ReadonlyMap<string, readonly string[]> = new Map()): { text: string; applied: () => void } {
    const [chains, sets] = [new Set(this.#touchedChains), new Map(this.#touchedSets)]
    const rulesOf = (name: string) =>
      this.#chains.has(name) ? (instead.get(name) ?? this.#chains.get(name)) : undefined
    const lines = [
      ...this.#removals(sets),
      ...this.#newSets(sets),
      ...this.#chainLines(chains, rulesOf),
      ...this.#additions(sets),
      ...this.#cleanups(chains, sets),
    ]
    // Whatever changes while the text is applied is not in it, so what it has is noted now.
    const sent = {
      chains: [...chains].map(name => ({ name, wanted: this.#textOf(name), applied: rulesOf(name)?.join('\n') })),
      sets: [...sets].map(([name, keys]) => {
        const wanted = this.#sets.get(name)?.elements
        return { name, exists: wanted !== undefined, values: new Map([...keys].map(key => [key, wanted?.get(key)])) }
      }),
    }
    const applied = () => {
      for (const chain of sent.chains) this.#commitChain(chain)
      for (const set of sent.sets) this.#commitSet(set)
    }
    return { text: lines.length ? `${lines.join('\n')}\n` : '', applied }
  }

  #textOf(chain: string): string | undefined {
    return this.#chains.get(chain)?.join('\n')
  }

  #commitChain({
    name,
    wanted,
    applied,
  }: {
    name: string
    wanted: string | undefined
    applied: string | undefined
  }): void {
    if (applied === undefined) this.#appliedChains.delete(name)
    else this.#appliedChains.set(name, applied)
    if (this.#textOf(name) === wanted) this.#touchedChains.delete(name)
  }

  #commitSet({
    name,
    exists,
    values,
  }: {
    name: string
    exists: boolean
    values: Map<string, string | undefined>
  }): void {
    const has = this.#appliedSets.get(name) ?? new Map<string, string>()
    for (const [key, value] of values)
      if (value === undefined) has.delete(key)
      else has.set(key, value)
    if (exists) this.#appliedSets.set(name, has)
    else this.#appliedSets.delete(name)
    const [now, touched] = [this.#sets.get(name)?.elements, this.#touch(name)]
    for (const [key, value] of values)
      if (now?.get(key) === value) touched.delete(key)
      else touched.add(key)
    if (!touched.size && exists === (now !== undefined)) this.#touchedSets.delete(name)
  }

  #removals(sets: ReadonlyMap<string, ReadonlySet<string>>): string[] {
    return [...sets].flatMap(([name, keys]) => {
      const [has, wanted] = [this.#appliedSets.get(name), this.#sets.get(name)?.elements]
      if (!has || !wanted) return []
      const gone = [...keys].filter(key => has.has(key) && has.get(key) !== wanted.get(key))
      return this.#elementLines('delete', name, gone, has)
    })
  }

  #newSets(sets: ReadonlyMap<string, ReadonlySet<string>>): string[] {
    return [...sets.keys()].flatMap(name => {
      const set = this.#sets.get(name)
      if (!set || this.#appliedSets.has(name)) return []
      const [, what, definition] = /^(set|map) (.*)$/.exec(set.definition) ?? []
      return [`add ${what} ${this.#table} ${name} ${definition}`]
    })
  }

  #chainLines(names: ReadonlySet<string>, rulesOf: (name: string) => readonly string[] | undefined): string[] {
    const [declared, rules]: [string[], string[]] = [[], []]
    for (const name of names) {
      const wanted = rulesOf(name)
      const has = this.#appliedChains.get(name)
      if (!wanted || has === wanted.join('\n')) continue
      declared.push(`add chain ${this.#table} ${name}`)
      if (has !== undefined) declared.push(`flush chain ${this.#table} ${name}`)
      for (const rule of wanted) rules.push(`add rule ${this.#table} ${name} ${rule}`)
    }
    return [...declared, ...rules]
  }

  #additions(sets: ReadonlyMap<string, ReadonlySet<string>>): string[] {
    return [...sets].flatMap(([name, keys]) => {
      const [has, wanted] = [this.#appliedSets.get(name), this.#sets.get(name)?.elements]
      if (!wanted) return []
      const added = [...keys].filter(key => wanted.has(key) && has?.get(key) !== wanted.get(key))
      return this.#elementLines('add', name, added, wanted)
    })
  }

  #cleanups(chains: ReadonlySet<string>, sets: ReadonlyMap<string, ReadonlySet<string>>): string[] {
    const gone = [...chains].filter(name => !this.#chains.has(name) && this.#appliedChains.has(name))
    const left = [...sets.keys()].filter(name => !this.#sets.has(name) && this.#appliedSets.has(name))
    return [
      // A chain can be deleted only when no rule leads to it, so all of them are emptied first.
      ...gone.map(name => `flush chain ${this.#table} ${name}`),
      ...gone.map(name => `delete chain ${this.#table} ${name}`),
      ...left.map(name => `delete set ${this.#table} ${name}`),
    ]
  }

  #elementLines(verb: string, set: string, keys: readonly string[], of: ReadonlyMap<string, string>): string[] {
    const lines: string[] = []
    for (let at = 0; at < keys.length; at += lineElements) {
      const texts = keys.slice(at, at + lineElements).map(key => (of.get(key) ? `${key} : ${of.get(key)}` : key))
      lines.push(`${verb} element ${this.#table} ${set} { ${texts.join(', ')} }`)
    }
    return lines
  }
}

/** A name for what has this content. */
export const hashOf = (content: string): string => createHash('sha256').update(content).digest('hex').slice(0, 12)
