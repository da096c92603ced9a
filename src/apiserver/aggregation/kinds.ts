// The kinds of the whole cluster for its controllers: those of this server, and those of extension servers. While such a
// server is away, it counts as having what it had, and its groups and versions are named as unanswered.
import { type AnyKind, apiVersionOf } from '../../api/kind.ts'
import type { KindSource } from '../../api/kind-source.ts'
import { discoveredKinds } from '../../kinds/discovered/kinds.ts'
import type { RemoteDocuments, RemoteVersion } from './documents.ts'

interface Combined {
  own: readonly AnyKind[]
  versions: readonly RemoteVersion[]
  all: readonly AnyKind[]
  unanswered: readonly string[]
}

/**
 * Both sources in one. A group and version whose resources are the same has the very kinds that it had, so what follows them
 * need not begin again.
 */
export function allKinds(own: KindSource, documents: RemoteDocuments): KindSource {
  let kept: Combined | undefined
  let kinds: ReadonlyMap<RemoteVersion['resources'], readonly AnyKind[]> = new Map()
  const combined = (): Combined => {
    const { versions } = documents
    if (kept?.own === own.all && kept.versions === versions) return kept
    kinds = new Map(
      versions.map(({ group, version, resources }) => [
        resources,
        kinds.get(resources) ?? discoveredKinds(group, version, resources),
      ]),
    )
    const stale = versions.filter(({ freshness }) => freshness === 'Stale')
    kept = {
      own: own.all,
      versions,
      all: [...own.all, ...[...kinds.values()].flat()],
      unanswered: stale.map(({ group, version }) => apiVersionOf(group, version)).sort(),
    }
    return kept
  }
  return {
    get all() {
      return combined().all
    },
    get unanswered() {
      return combined().unanswered
    },
    subscribe: listener => {
      const ends = [own.subscribe(listener), documents.subscribe(listener)]
      return () => {
        for (const end of ends) end()
      }
    },
  }
}
