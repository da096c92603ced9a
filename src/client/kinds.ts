// The kinds of a cluster for a program outside of the API server: the built-in ones, those of the definitions that the
// server has established, and those of extension servers. The objects are read as the server sends them, so no
// conversion is needed.
import { withJoined } from '../base/waiters.ts'
import { Chore } from '../base/chore.ts'
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { type AnyKind, apiVersionOf } from '../api/kind.ts'
import type { KindSource } from '../api/kind-source.ts'
import { sameJson } from '../api/equal.ts'
import type { Mirror } from '../api/mirror.ts'
import type { Json, JsonObject } from '../api/schema/node.ts'
import { APIService } from '../kinds/apiregistration/apiservice.ts'
import { CustomResourceDefinition } from '../kinds/apiextensions/customresourcedefinition.ts'
import { customKinds, isEstablished } from '../kinds/custom/kind.ts'
import { discoveredKinds } from '../kinds/discovered/kinds.ts'
import { readResourceList } from '../kinds/discovered/read-discovery.ts'
import { parseJson } from '../wire/json.ts'
import type { Client } from './client.ts'

/** Gets a path that is not a resource, and returns the body. */
type Fetch = (path: string, signal?: AbortSignal) => Promise<string>

/**
 * Follows the definitions and APIServices of a cluster. Resolves when those of now are known. Extension servers count as
 * unanswered until each has said what it has. It ends with the signal.
 */
export async function followKinds(
  client: Client,
  builtin: readonly AnyKind[],
  fetch: Fetch,
  signal: AbortSignal,
): Promise<KindSource> {
  const definitions = client.mirror(CustomResourceDefinition)
  const services = client.mirror(APIService)
  await client.synced([definitions, services], signal)
  const listeners = new Set<() => void>()
  let all: readonly AnyKind[] | undefined
  const changed = () => {
    all = undefined
    for (const listener of listeners) listener()
  }
  const remote = new RemoteKinds(services, fetch, { clock: client.clock, log: client.log, signal }, changed)
  definitions.subscribe(changed, 'kinds')
  remote.start()
  const convert = () => Promise.reject(new Error('the API server has converted the objects'))
  return {
    get all() {
      all ??= [
        ...builtin,
        ...definitions
          .list()
          .flatMap(definition => (isEstablished(definition) ? customKinds(definition, convert) : [])),
        ...remote.kinds,
      ]
      return all
    },
    get unanswered() {
      return remote.unanswered
    },
    subscribe: listener => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

/** After how long extension servers are asked again what they have. */
const askAgainMs = 30_000
const answerMs = 10_000

interface Asked {
  resources: readonly JsonObject[]
  kinds: readonly AnyKind[]
  answers: boolean
}

/** What the extension servers of a cluster have, by the group and version. One that is away has what it had. */
class RemoteKinds {
  readonly #services: Mirror<APIService>
  readonly #fetch: Fetch
  readonly #part: { clock: Clock; log: Log; signal: AbortSignal }
  readonly #changed: () => void
  readonly #chore: Chore
  #asked: ReadonlyMap<string, Asked> = new Map()

  constructor(
    services: Mirror<APIService>,
    fetch: Fetch,
    part: { clock: Clock; log: Log; signal: AbortSignal },
    changed: () => void,
  ) {
    this.#services = services
    this.#fetch = fetch
    this.#part = part
    this.#changed = changed
    this.#chore = new Chore(part, () => this.#ask())
  }

  get kinds(): readonly AnyKind[] {
    return [...this.#asked.values()].flatMap(({ kinds }) => kinds)
  }

  get unanswered(): readonly string[] {
    return [...this.#asked].flatMap(([version, { answers }]) => (answers ? [] : [version])).sort()
  }

  start(): void {
    this.#asked = new Map(this.#remote().map(({ spec }) => [keyOf(spec), away(undefined)]))
    this.#services.subscribe(() => this.#chore.wake(), 'kinds of extension servers')
    this.#chore.wake()
    void this.#repeat()
  }

  #remote(): APIService[] {
    return this.#services.list().filter(({ spec }) => spec.service && spec.group !== 'apiregistration.k8s.io')
  }

  async #repeat(): Promise<void> {
    const { clock, signal } = this.#part
    while (!signal.aborted) {
      await clock.sleep(askAgainMs, signal).catch(() => {})
      if (!signal.aborted) this.#chore.wake()
    }
  }

  async #ask(): Promise<void> {
    const next = await Promise.all(
      this.#remote().map(async service => {
        const key = keyOf(service.spec)
        return [key, await this.#askOne(service, this.#asked.get(key))] as const
      }),
    )
    const isSame = next.length === this.#asked.size && next.every(([key, asked]) => this.#asked.get(key) === asked)
    if (isSame) return
    this.#asked = new Map(next)
    this.#changed()
  }

  /** What one server has. The same value as before if that is the same. Never throws. */
  async #askOne({ spec, status }: APIService, before: Asked | undefined): Promise<Asked> {
    const { group = '', version = '' } = spec
    const { log, signal } = this.#part
    if (status.conditions?.find(({ type }) => type === 'Available')?.status !== 'True') return away(before)
    const path = group ? `/apis/${group}/${version}` : `/api/${version}`
    try {
      const text = await withJoined([signal, AbortSignal.timeout(answerMs)], late => this.#fetch(path, late))
      const resources = readResourceList(parseJson(text) as Json)
      if (!resources) throw new Error('the answer is no list of resources')
      const isSame = before && sameJson([...resources], [...before.resources])
      if (isSame && before.answers) return before
      return { resources, kinds: isSame ? before.kinds : discoveredKinds(group, version, resources), answers: true }
    } catch (error) {
      if (!signal.aborted) log.warn('an extension server does not list its resources', { path, why: messageOf(error) })
      return away(before)
    }
  }
}

const keyOf = ({ group = '', version = '' }: APIService['spec']) => apiVersionOf(group, version)

/** A server that does not answer, with what it had. */
const away = (before: Asked | undefined): Asked =>
  before?.answers === false ? before : { resources: [], kinds: [], ...before, answers: false }
