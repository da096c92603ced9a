// Who selects whom by labels, without looking at everybody: objects are found by one pair of their labels, selectors
// by the first pair they ask for. Both ways the whole selector is checked on the few that remain.
import type { KubeObject } from '../api/kind.ts'
import { matchesPairs } from '../api/labels.ts'
import type { Mirror } from '../api/mirror.ts'
import type { DeepReadonly } from '../api/schema/node.ts'

type Pairs = Readonly<Record<string, string>>

const entry = (namespace: string, key: string, value: string) => `${namespace}\0${key}\0${value}`

const labelEntries = ({ metadata }: DeepReadonly<KubeObject>): string[] =>
  Object.entries(metadata.labels ?? {}).map(([key, value]) => entry(metadata.namespace ?? '', key, value))

/** The objects of a namespace whose labels have all these pairs; no pairs select everything. */
export function selectedBy<T extends KubeObject>(
  mirror: Mirror<T>,
  namespace: string,
  pairs: Pairs | undefined,
): DeepReadonly<T>[] {
  const [first] = Object.entries(pairs ?? {})
  if (!first) return mirror.list(namespace)
  return mirror
    .byIndex('labels', object => labelEntries(object as DeepReadonly<KubeObject>), entry(namespace, ...first))
    .filter(object => matchesPairs(pairs, (object as DeepReadonly<KubeObject>).metadata.labels))
}

const everything = '\0'

/**
 * The objects whose selector takes in something with these labels.
 * @param pairsOf the selector of an object; undefined when it selects nothing
 */
export function selecting<T extends KubeObject>(
  mirror: Mirror<T>,
  pairsOf: (object: DeepReadonly<T>) => Pairs | undefined,
  { namespace, labels }: { namespace: string; labels: Pairs | undefined },
): DeepReadonly<T>[] {
  const keyOf = (object: DeepReadonly<T>): string[] => {
    const pairs = pairsOf(object)
    if (!pairs) return []
    const [first] = Object.entries(pairs)
    const own = (object as DeepReadonly<KubeObject>).metadata.namespace ?? ''
    return [first ? entry(own, ...first) : own + everything]
  }
  const keys = [namespace + everything, ...Object.entries(labels ?? {}).map(pair => entry(namespace, ...pair))]
  return keys
    .flatMap(key => mirror.byIndex('selectors', keyOf, key))
    .filter(object => matchesPairs(pairsOf(object), labels))
}
