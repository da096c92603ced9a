// The ConfigMaps and Secrets to which this node's pods refer. Each is watched by its name as long as a pod needs it,
// since a node is not authorized to read others; trust bundles, which everyone may read, are watched together. The pods
// that hold an object are notified of its changes.
import type { Kind, KubeObject } from '../api/kind.ts'
import type { AnyMirror, Mirror } from '../api/mirror.ts'
import type { Client } from '../client/index.ts'
import { ClusterTrustBundle } from '../kinds/certificates/clustertrustbundle.ts'
import { ConfigMap } from '../kinds/core/configmap.ts'
import { Secret } from '../kinds/core/secret.ts'

interface Held {
  mirror: AnyMirror
  holders: Set<string>
  stop: () => void
  /** Whether a read has been answered from the first list, so that later changes are news to the holders. */
  isAnswered: boolean
}

/** The objects of a kind that are watched: those of a name, or all. */
interface Which {
  namespace?: string
  fieldSelector?: string
}

const firstListMs = 10_000

/**
 * `configMap` and `secret` resolve with the object once its mirror is filled, or with undefined if it does not exist;
 * they throw after ten seconds without an answer. From the first read on the holder, a pod's uid, is notified of every
 * change, including creation and deletion, until it releases its objects. Several holders share one watch.
 */
export class NodeObjects {
  readonly #client: Client
  readonly #changed: (holder: string) => void
  readonly #held = new Map<string, Held>()

  /** @param changed called for each holder of an object that changed */
  constructor(client: Client, changed: (holder: string) => void) {
    this.#client = client
    this.#changed = changed
  }

  configMap(holder: string, namespace: string, name: string): Promise<ConfigMap | undefined> {
    return this.#read(ConfigMap, holder, namespace, name)
  }

  secret(holder: string, namespace: string, name: string): Promise<Secret | undefined> {
    return this.#read(Secret, holder, namespace, name)
  }

  /** All trust bundles of the cluster. The holder is notified of a change of any. */
  async trustBundles(holder: string): Promise<readonly ClusterTrustBundle[]> {
    const held = this.#hold(ClusterTrustBundle, holder)
    const mirror: Mirror<ClusterTrustBundle> = held.mirror
    await this.#filled(held, ClusterTrustBundle.plural)
    return mirror.list()
  }

  /** Must be called when the holder is removed. Objects without holders are not watched any more. */
  release(holder: string): void {
    for (const [key, { holders, stop, mirror }] of this.#held) {
      holders.delete(holder)
      if (holders.size) continue
      stop()
      this.#client.release(mirror)
      this.#held.delete(key)
    }
  }

  async #read<T extends KubeObject>(
    kind: Kind<T>,
    holder: string,
    namespace: string,
    name: string,
  ): Promise<T | undefined> {
    const held = this.#hold(kind, holder, { namespace, fieldSelector: `metadata.name=${name}` })
    const mirror: Mirror<T> = held.mirror
    await this.#filled(held, `${kind.plural} ${namespace}/${name}`)
    return mirror.get(namespace, name)
  }

  async #filled(held: Held, what: string): Promise<void> {
    if (!held.mirror.synced) {
      const patience = new AbortController()
      const cancel = this.#client.clock.after(firstListMs, () =>
        patience.abort(new Error(`timed out waiting for ${what}`)),
      )
      try {
        await held.mirror.waitFor(0, patience.signal)
      } finally {
        cancel()
      }
    }
    held.isAnswered = true
  }

  #hold<T extends KubeObject>(kind: Kind<T>, holder: string, which: Which = {}): Held {
    const key = `${kind.plural}/${which.namespace}/${which.fieldSelector}`
    let held = this.#held.get(key)
    if (!held) {
      held = this.#watch(kind, which)
      this.#held.set(key, held)
    }
    held.holders.add(holder)
    return held
  }

  #watch<T extends KubeObject>(kind: Kind<T>, which: Which): Held {
    const mirror = this.#client.mirror(kind, which)
    // The first list is the answer to a read; only later changes are reported.
    const stop = mirror.subscribe(() => {
      if (held.isAnswered) for (const holder of held.holders) this.#changed(holder)
    }, 'objects of pods')
    const held: Held = { mirror, holders: new Set(), stop, isAnswered: false }
    return held
  }
}
