// A ReferenceGrant: lets objects of other namespaces refer to some of its own namespace.
import type { KubeObject } from '../../api/kind.ts'
import { definitionOf, kindOf } from './definition.ts'
import { fields, groupName, kindName, list, namespaceName, objectName } from './schema.ts'

export interface ReferenceGrant extends KubeObject {
  readonly spec: {
    readonly from: readonly { readonly group: string; readonly kind: string; readonly namespace: string }[]
    readonly to: readonly { readonly group: string; readonly kind: string; readonly name?: string }[]
  }
}

export const referenceGrantDefinition = definitionOf({
  kind: 'ReferenceGrant',
  plural: 'referencegrants',
  shortNames: ['refgrant'],
  scope: 'Namespaced',
  doc: 'ReferenceGrant lets objects of other namespaces refer to objects of its own.',
  versions: ['v1beta1', 'v1'],
  spec: fields(
    {
      from: {
        ...list(
          fields({ group: groupName, kind: kindName, namespace: namespaceName }, ['group', 'kind', 'namespace']),
          16,
        ),
        minItems: 1,
      },
      to: {
        ...list(fields({ group: groupName, kind: kindName, name: objectName }, ['group', 'kind']), 16),
        minItems: 1,
      },
    },
    ['from', 'to'],
  ),
})
export const ReferenceGrant = kindOf<ReferenceGrant>(referenceGrantDefinition)
