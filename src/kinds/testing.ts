// Objects for tests, made as the API server makes them: decoded by the schema of their kind, with all defaults, and
// frozen. A field that a plan begins to read is therefore there in tests as it is in a cluster.
import type { AnyKind, Draft, Kind, KubeObject } from '../api/kind.ts'
import { decode } from '../api/schema/decode.ts'
import { builtinKinds } from './all.ts'
import type { Container } from './core/container.ts'
import { Node } from './core/node.ts'
import { Pod } from './core/pod.ts'

/** The kind of a row of a table: its name, and its version too where several kinds have the name. */
export function kindCalled(text: string): AnyKind {
  const [name, apiVersion] = text.split(' ')
  const found = builtinKinds.filter(k => k.kind === name && (!apiVersion || k.apiVersion === apiVersion))
  if (found.length !== 1) throw new Error(`${found.length} kinds are called ${text}`)
  return found[0]!
}

/** Named `x`, of the namespace `default` and with a uid made of its name, unless the draft says otherwise. */
export function objectOf<T extends KubeObject>(kind: Kind<T>, draft: Draft<T>): T {
  const { metadata, ...rest } = draft as Draft<KubeObject>
  const name = metadata?.name ?? 'x'
  const head = { kind: kind.kind, apiVersion: kind.apiVersion }
  const own = { name, uid: `uid-${name}`, ...(kind.namespaced && { namespace: 'default' }), ...metadata }
  const object = decode(kind.schema, { ...head, ...rest, metadata: own }, { defaults: true })
  kind.defaults?.(object)
  return deepFreeze(object) as T
}

/** A pod with one container, unless the draft has others. */
export function podOf(draft: Draft<Pod>): Pod {
  const containers: readonly Draft<Container>[] = [{ name: 'c', image: 'app:1' }]
  return objectOf(Pod, { ...draft, spec: { containers, ...draft.spec } })
}

export const nodeOf = (draft: Draft<Node>): Node => objectOf(Node, draft)

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const inner of Object.values(value)) deepFreeze(inner)
  return Object.freeze(value)
}
