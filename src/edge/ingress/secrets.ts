// The Secrets that Ingresses name. Each is watched by its name as long as one does, since a node may not read others.
import type { Mirror } from '../../api/mirror.ts'
import type { Client } from '../../client/index.ts'
import { Secret } from '../../kinds/core/secret.ts'

/** The most Secrets that are watched; further ones count as missing. */
const maxSecrets = 2_000
/** How long to wait for the first answer about a Secret. */
const firstListMs = 3_000

export class SecretWatches {
  readonly #client: Client
  readonly #changed: () => void
  readonly #mirrors = new Map<string, { mirror: Mirror<Secret>; stop: () => void; hasWaited: boolean }>()

  constructor(client: Client, changed: () => void) {
    this.#client = client
    this.#changed = changed
  }

  get(key: string): Secret | undefined {
    return this.#mirrors.get(key)?.mirror.list()[0]
  }

  /** Watches just these, and waits a while for what is new among them. What does not come in time counts as missing. */
  async use(keys: ReadonlySet<string>, signal: AbortSignal): Promise<void> {
    for (const [key, { mirror, stop }] of this.#mirrors) {
      if (keys.has(key)) continue
      stop()
      this.#client.release(mirror)
      this.#mirrors.delete(key)
    }
    for (const key of keys) if (!this.#mirrors.has(key) && this.#mirrors.size < maxSecrets) this.#watch(key)
    const fresh = [...this.#mirrors.values()].filter(one => !one.hasWaited)
    if (!fresh.length) return
    const patience = new AbortController()
    const cancel = this.#client.clock.after(firstListMs, () => patience.abort())
    const onAbort = () => patience.abort()
    signal.addEventListener('abort', onAbort, { once: true })
    // It rejects when the time is over.
    await Promise.allSettled(fresh.map(({ mirror }) => mirror.waitFor(0, patience.signal)))
    signal.removeEventListener('abort', onAbort)
    cancel()
    for (const one of fresh) one.hasWaited = true
  }

  #watch(key: string): void {
    const [namespace = '', name = ''] = key.split('/')
    const mirror = this.#client.mirror(Secret, { namespace, fieldSelector: `metadata.name=${name}` })
    this.#mirrors.set(key, { mirror, stop: mirror.subscribe(() => this.#changed(), 'ingress'), hasWaited: false })
  }
}
