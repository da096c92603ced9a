// Finds the objects that a selector matches, and the selectors that match an object, by indexes instead of a search
// through all. Objects are indexed by each pair of their labels; selectors by the pairs of one requirement of theirs
// that asks for certain values. The candidates are then checked against the whole selector.
import type { KubeObject } from '../api/kind.ts'
import { matches } from '../api/labels.ts'
import type { LabelSelector } from '../api/meta.ts'
import type { Mirror } from '../api/mirror.ts'

export type Selector = LabelSelector
type Pair = readonly [key: string, value: string]

const entry = (namespace: string, [key, value]: Pair) => `${namespace}\0${key}\0${value}`
const everything = (namespace: string) => `${namespace}\0`

/** The pairs of a Service or a ReplicationController as a selector. Undefined, which selects nothing, without pairs. */
export const pairsSelector = (pairs: Readonly<Record<string, string>> | undefined): Selector | undefined =>
  pairs && Object.keys(pairs).length ? { matchLabels: pairs } : undefined

/** Pairs of which every selected object has at least one. Undefined if no requirement asks for certain values. */
function narrow({ matchLabels, matchExpressions }: Selector): readonly Pair[] | undefined {
  const [pair] = Object.entries(matchLabels ?? {})
  if (pair) return [pair]
  const oneOf = matchExpressions?.find(({ operator }) => operator === 'In')
  return oneOf && [...new Set(oneOf.values)].map(value => [oneOf.key, value] as const)
}

interface Labelled {
  readonly metadata: { readonly namespace?: string; readonly labels?: Readonly<Record<string, string>> | undefined }
}

/** The index entries of an object, one for each of its labels. */
const labelEntries = ({ metadata }: Labelled): string[] =>
  Object.entries(metadata.labels ?? {}).map(pair => entry(metadata.namespace ?? '', pair))

/** The entries of an object's labels, and one that all objects of its namespace have. */
export const allEntries = (object: Labelled): string[] => [
  everything(object.metadata.namespace ?? ''),
  ...labelEntries(object),
]

/**
 * The objects of a namespace that a selector matches, out of all or out of those in an index.
 * @param index a name, and entries made by `allEntries` for some of the objects
 */
export function selectedBy<T extends KubeObject>(
  mirror: Mirror<T>,
  namespace: string,
  selector: Selector | undefined,
  index?: { name: string; entries(object: KubeObject): readonly string[] },
): T[] {
  if (!selector) return []
  const pairs = narrow(selector)
  const { name, entries } = index ?? { name: 'labels', entries: labelEntries }
  const found = (value: string) => mirror.byIndex(name, entries, value)
  const all = () => (index ? found(everything(namespace)) : mirror.list(namespace))
  const some = pairs ? pairs.flatMap(pair => found(entry(namespace, pair))) : all()
  return some.filter(object => matches(selector, object.metadata.labels))
}

/**
 * The objects whose selector matches these labels.
 * @param selectorOf the selector of an object; undefined when it selects nothing. One function for each kind.
 */
export function selecting<T extends KubeObject>(
  mirror: Mirror<T>,
  selectorOf: (object: T) => Selector | undefined,
  {
    namespace = '',
    labels,
  }: { readonly namespace?: string; readonly labels?: Readonly<Record<string, string>> | undefined },
): T[] {
  const entriesOf = (object: T): string[] => {
    const selector = selectorOf(object)
    if (!selector) return []
    const own = object.metadata.namespace ?? ''
    return narrow(selector)?.map(pair => entry(own, pair)) ?? [everything(own)]
  }
  return allEntries({ metadata: { namespace, labels } })
    .flatMap(value => mirror.byIndex('selectors', entriesOf, value))
    .filter(object => matches(selectorOf(object), labels))
}
