// The kinds of an extension server, of which discovery lists only names and verbs. Their objects have the metadata that
// all objects have. Nothing else of them is read, as garbage collection and the deletion of namespaces need no more.
import { type AnyKind, defineKind, type Verb } from '../../api/kind.ts'
import type { JsonObject } from '../../api/schema/node.ts'

/** The words of discovery that are verbs of resources. */
const isVerb = (word: string): word is Verb =>
  ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'].includes(word)

/**
 * The kinds of one group and version.
 * @param resources as `readGroupVersion` and `readResourceList` return them
 */
export const discoveredKinds = (group: string, version: string, resources: readonly JsonObject[]): AnyKind[] =>
  resources.map(({ resource, responseKind, scope, singularResource, verbs }) => {
    const { kind } = responseKind as { kind: string }
    return defineKind({
      // A resource may return objects of another group, such as Scale. Its own group is the one it is listed for.
      group,
      version,
      kind,
      plural: String(resource),
      singular: String(singularResource || kind.toLowerCase()),
      scope: scope === 'Namespaced' ? scope : 'Cluster',
      doc: '',
      verbs: (verbs as string[]).filter(isVerb),
      fields: {},
      remote: true,
    })
  })
