// Keeps encoded answers, so that the common questions are answered by copying bytes.
//
// What is kept is what one Service and its slices alone decide: it is computed again after a change of any of them, and
// of their namespace, so an answer is as new as the mirrors. That a name does not exist is not kept by name, since
// there is no end of such names: its answer is the same for all names of one length.
//
// Limits: `maxAnswers` answers with `maxBytes`. When there are more, all go, and the next questions fill it again.
import type { KubeObject } from '../api/kind.ts'
import type { Mirror } from '../api/mirror.ts'
import type { Reply } from './answer.ts'
import { type Prepared, prepare } from './encode.ts'
import { labelsOf, rcodes, types } from './message.ts'
import { authority, type Names, serviceOf } from './records.ts'

const maxAnswers = 20_000
const maxBytes = 16 * 2 ** 20
/** What an answer takes beside its bytes: the name, the object, its place in a map. */
const overheadBytes = 300

/** The answers of one Service. They count until the Service changes. */
interface Group {
  current: boolean
}

interface Kept {
  readonly prepared: Prepared
  readonly group: Group
}

export class PreparedAnswers {
  /** By name in lower case, for each type that pods ask often. */
  readonly #answers = new Map([types.A, types.AAAA, types.SRV].map(type => [type as number, new Map<string, Kept>()]))
  readonly #groups = new Map<string, Group>()
  /** The answers that there is no such name, or nothing of this type, by the length of the name. */
  readonly #nothing = { missing: [] as Prepared[], empty: [] as Prepared[] }
  readonly #domain: string
  #count = 0
  #bytes = 0

  constructor(domain: string) {
    this.#domain = domain
  }

  /** Drops answers as the mirrors change, until the returned function is called. */
  follow({ services, slices, namespaces }: Names): () => void {
    const stops = [
      follow(services, 'dns answers', ({ metadata }) => this.#drop(`${metadata.namespace}/${metadata.name}`)),
      follow(slices, 'dns answers', slice => this.#drop(serviceOf(slice))),
      // A namespace comes and goes rarely, and with it the names of its Services.
      namespaces.subscribe(changes => {
        if (changes.some(({ type }) => type !== 'MODIFIED')) this.#clear()
      }, 'dns answers'),
    ]
    return () => stops.forEach(stop => stop())
  }

  get(name: string, type: number): Prepared | undefined {
    const kept = this.#answers.get(type)?.get(name)
    return kept?.group.current ? kept.prepared : undefined
  }

  /** Prepares an answer, and keeps it if it follows from one Service. */
  prepare(name: string, labels: readonly string[], type: number, reply: Reply, service?: string): Prepared {
    const prepared = this.#shared(name, reply) ?? prepare(reply, labels)
    const answers = this.#answers.get(type)
    if (!answers || service === undefined) return prepared
    const size = prepared.body.length + overheadBytes
    if (this.#count >= maxAnswers || this.#bytes + size > maxBytes) this.#clear()
    let group = this.#groups.get(service)
    if (!group) this.#groups.set(service, (group = { current: true }))
    answers.set(name, { prepared, group })
    // An answer that takes the place of an old one is counted twice, which makes the limits strict rather than exact.
    this.#count++
    this.#bytes += size
    return prepared
  }

  /** The answer without records for a name of this length in the cluster's domain. */
  #shared(name: string, { answers, authorities: [first, ...more], rcode }: Reply): Prepared | undefined {
    if (answers.length || more.length || first?.name !== this.#domain) return undefined
    const kept = rcode === rcodes.NXDOMAIN ? this.#nothing.missing : this.#nothing.empty
    return (kept[name.length] ??= prepare(
      { rcode, answers, authorities: [authority(this.#domain)], additionals: [] },
      labelsOf(name),
    ))
  }

  #drop(service: string): void {
    const group = this.#groups.get(service)
    if (!group) return
    group.current = false
    this.#groups.delete(service)
  }

  #clear(): void {
    for (const answers of this.#answers.values()) answers.clear()
    for (const group of this.#groups.values()) group.current = false
    this.#groups.clear()
    this.#count = 0
    this.#bytes = 0
  }
}

/** Calls `changed` with each object that changes, in its former and its new state. */
const follow = <T extends KubeObject>(mirror: Mirror<T>, name: string, changed: (object: T) => void) =>
  mirror.subscribeEach(({ item, before }) => {
    if (before) changed(before.object)
    changed(item.object)
  }, name)
