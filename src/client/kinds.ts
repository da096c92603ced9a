// The kinds of a cluster for a program outside of the API server: the built-in ones, and those of the definitions that
// the server has established. The objects are read as the server sends them, so no conversion is needed.
import type { AnyKind } from '../api/kind.ts'
import type { KindSource } from '../api/kind-source.ts'
import { CustomResourceDefinition } from '../kinds/apiextensions/customresourcedefinition.ts'
import { customKinds, isEstablished } from '../kinds/custom/kind.ts'
import type { Client } from './client.ts'

/** Follows the definitions of a cluster. Resolves when those of now are known. It ends with the client. */
export async function followKinds(
  client: Client,
  builtin: readonly AnyKind[],
  signal: AbortSignal,
): Promise<KindSource> {
  const mirror = client.mirror(CustomResourceDefinition)
  await client.synced([mirror], signal)
  let all: readonly AnyKind[] | undefined
  mirror.subscribe(() => (all = undefined), 'kinds')
  const convert = () => Promise.reject(new Error('the API server has converted the objects'))
  return {
    get all() {
      all ??= [
        ...builtin,
        ...mirror.list().flatMap(definition => (isEstablished(definition) ? customKinds(definition, convert) : [])),
      ]
      return all
    },
    subscribe: listener => mirror.subscribe(listener, 'reader of kinds'),
  }
}
