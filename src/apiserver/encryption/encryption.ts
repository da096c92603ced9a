// Encryption at rest: which providers each kind has, by the rules of a file and by the key that every cluster has of its
// own, with which Secrets are encrypted unless the file has a rule for them.
import type { Clock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import type { AnyKind } from '../../api/kind.ts'
import type { EncryptionRule, ProviderSpec } from './configuration.ts'
import { identity, keyed, type NamedKey, type Provider, startsWith } from './provider.ts'

/**
 * The providers of one kind: the first writes, all of them read.
 * Source: apiserver pkg/storage/value/transformer.go (prefixTransformers).
 */
export class Transformer {
  readonly #providers: readonly Provider[]

  constructor(providers: readonly Provider[]) {
    this.#providers = providers
  }

  /** What values are written as now. One that was written as something else is old. */
  get writesAs(): string {
    return this.#providers[0]!.writesAs
  }

  seal(key: string, plain: Buffer): Buffer {
    return this.#providers[0]!.seal(key, plain)
  }

  /** Throws when no provider can read the value. */
  open(key: string, stored: Uint8Array): { plain: Buffer; writtenAs: string } {
    const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength)
    const failures: string[] = []
    for (const provider of this.#providers) {
      if (!startsWith(bytes, Buffer.from(provider.prefix))) continue
      try {
        return provider.open(key, bytes)
      } catch (error) {
        // Identity may stand anywhere in the list, and passes over what is encrypted.
        if (provider !== identity) failures.push(messageOf(error))
      }
    }
    throw new Error(failures.join(', ') || 'no matching prefix found')
  }

  /** Fetches what `open` will need for a value. Undefined when it is there. Rejects only if a retry may help. */
  fetch(stored: Uint8Array): Promise<void> | undefined {
    const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength)
    for (const provider of this.#providers) {
      const fetching = provider.fetch && startsWith(bytes, Buffer.from(provider.prefix)) && provider.fetch(bytes)
      if (fetching) return fetching
    }
    return undefined
  }
}

interface EncryptionOptions {
  /** The key that the cluster has of its own. */
  readonly ownKey: NamedKey
  readonly clock: Clock
  readonly log: Log
}

interface Rule {
  readonly resources: readonly string[]
  readonly providers: readonly Provider[]
}

/**
 * The rules that are in effect. `use` replaces them as a whole: either all providers of the new rules are ready, or the
 * old ones stay. The cluster's own key always reads, so that a file may be added or removed without losing Secrets.
 */
export class Encryption {
  readonly #options: EncryptionOptions
  readonly #own: Provider
  readonly #listeners = new Set<() => void>()
  #rules: readonly Rule[] = []
  #providers: readonly Provider[] = []

  constructor(options: EncryptionOptions) {
    this.#options = options
    this.#own = keyed('secretbox', [options.ownKey])
  }

  /** Puts rules into effect. Throws when a provider is not ready, such as a KMS plugin that does not answer. */
  async use(rules: readonly EncryptionRule[]): Promise<void> {
    const plugins = new Map<string, Provider>()
    const made: Rule[] = []
    for (const { resources, providers: specs } of rules) {
      const providers: Provider[] = []
      for (const spec of specs) providers.push(await this.#provider(spec, plugins))
      made.push({ resources, providers })
    }
    const providers = [...plugins.values()]
    try {
      for (const provider of providers) await provider.start?.()
    } catch (error) {
      for (const provider of providers) provider.close?.()
      throw error
    }
    const old = this.#providers
    this.#rules = made
    this.#providers = providers
    for (const listener of this.#listeners) listener()
    for (const provider of old) provider.close?.()
  }

  /** The providers of a kind; undefined for one that is stored as it is. */
  of(kind: AnyKind): Transformer | undefined {
    const name = kind.group ? `${kind.plural}.${kind.group}` : kind.plural
    const isSecret = name === 'secrets'
    const chosen = this.#match(name) ?? this.#match(`*.${kind.group}`) ?? this.#match('*.*')
    if (chosen) return new Transformer(isSecret ? [...chosen, this.#own] : chosen)
    return isSecret ? new Transformer([this.#own, identity]) : undefined
  }

  /** Calls `listener` whenever kinds may have other providers. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener)
  }

  /** Throws when a provider cannot encrypt or decrypt at the moment. */
  check(): void {
    for (const provider of this.#providers) provider.check?.()
  }

  close(): void {
    for (const provider of this.#providers) provider.close?.()
  }

  #match(resource: string): readonly Provider[] | undefined {
    const found = this.#rules.filter(rule => rule.resources.includes(resource)).flatMap(rule => rule.providers)
    return found.length ? found : undefined
  }

  async #provider(spec: ProviderSpec, plugins: Map<string, Provider>): Promise<Provider> {
    if (spec.type === 'identity') return identity
    if (spec.type !== 'kms') return keyed(spec.type, spec.keys)
    const { clock, log } = this.#options
    let plugin = plugins.get(spec.name)
    if (!plugin) {
      // It needs the libraries of gRPC.
      const { KmsProvider } = await import('./kms.ts')
      plugins.set(spec.name, (plugin = new KmsProvider({ ...spec, clock, log })))
    }
    return plugin
  }
}
