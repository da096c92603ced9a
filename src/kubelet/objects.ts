// The ConfigMaps and Secrets to which this node's pods refer. Each is watched by its name as long as a pod needs it,
// since a node is not authorized to read others. The pods that hold an object are notified of its changes.
import type { Kind, KubeObject } from '../api/kind.ts'
import type { AnyMirror, Mirror } from '../api/mirror.ts'
import type { Client } from '../client/index.ts'
import { ConfigMap } from '../kinds/core/configmap.ts'
import { Secret } from '../kinds/core/secret.ts'

/**
 * `read` resolves with the object once its mirror is filled, or with undefined if it does not exist; it throws after
 * ten seconds without an answer. From the first read on the holder is notified of every change, including creation and
 * deletion, until it releases its objects. Several holders share one watch.
 */
export interface NodeObjects {
  configMap(holder: string, namespace: string, name: string): Promise<ConfigMap | undefined>
  secret(holder: string, namespace: string, name: string): Promise<Secret | undefined>
  /** Must be called when the holder, a pod's uid, is removed. Objects without holders are not watched any more. */
  release(holder: string): void
}

interface Held {
  mirror: AnyMirror
  holders: Set<string>
  stop: () => void
  answered: boolean
}

const firstListMs = 10_000

export function nodeObjects(client: Client, changed: (holder: string) => void): NodeObjects {
  const held = new Map<string, Held>()
  const hold = <T extends KubeObject>(kind: Kind<T>, holder: string, namespace: string, name: string): Mirror<T> => {
    const key = `${kind.plural}/${namespace}/${name}`
    let entry = held.get(key)
    if (!entry) {
      const mirror = client.mirror(kind, { namespace, fieldSelector: `metadata.name=${name}` })
      const holders = new Set<string>()
      // The first list is the answer to `read`; only later changes are reported.
      const stop = mirror.subscribe(() => {
        if (held.get(key)?.answered) for (const one of holders) changed(one)
      }, 'objects of pods')
      held.set(key, (entry = { mirror, holders, stop, answered: false }))
    }
    entry.holders.add(holder)
    return entry.mirror
  }
  const read = async <T extends KubeObject>(kind: Kind<T>, holder: string, namespace: string, name: string) => {
    const mirror = hold(kind, holder, namespace, name)
    if (!mirror.synced) {
      const patience = new AbortController()
      const cancel = client.clock.after(firstListMs, () =>
        patience.abort(new Error(`timed out waiting for ${kind.plural} ${namespace}/${name}`)),
      )
      try {
        await mirror.waitFor(0, patience.signal)
      } finally {
        cancel()
      }
    }
    const entry = held.get(`${kind.plural}/${namespace}/${name}`)
    if (entry) entry.answered = true
    return mirror.get(namespace, name)
  }
  return {
    configMap: (holder, namespace, name) => read(ConfigMap, holder, namespace, name),
    secret: (holder, namespace, name) => read(Secret, holder, namespace, name),
    release(holder) {
      for (const [key, entry] of held) {
        entry.holders.delete(holder)
        if (entry.holders.size) continue
        entry.stop()
        client.release(entry.mirror)
        held.delete(key)
      }
    },
  }
}
