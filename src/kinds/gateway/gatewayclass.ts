// A GatewayClass: which controller serves the Gateways that name it.
import type { KubeObject } from '../../api/kind.ts'
import type { Condition } from './common.ts'
import { definitionOf, kindOf } from './definition.ts'
import {
  conditions,
  controllerName,
  described,
  fields,
  groupName,
  keyed,
  kindName,
  namespaceName,
  objectName,
} from './schema.ts'

export interface GatewayClass extends KubeObject {
  readonly spec: { readonly controllerName: string; readonly parametersRef?: object }
  readonly status?: {
    readonly conditions?: readonly Condition[]
    readonly supportedFeatures?: readonly { readonly name: string }[]
  }
}

export const gatewayClassDefinition = definitionOf({
  kind: 'GatewayClass',
  plural: 'gatewayclasses',
  versions: ['v1', 'v1beta1'],
  shortNames: ['gc'],
  scope: 'Cluster',
  doc: 'GatewayClass names the controller of a class of Gateways.',
  columns: [
    { name: 'Controller', jsonPath: '.spec.controllerName' },
    { name: 'Accepted', jsonPath: '.status.conditions[?(@.type=="Accepted")].status' },
  ],
  spec: fields(
    {
      controllerName: described('Name of the controller, as a domain with a path. Cannot be changed.', {
        ...controllerName,
        'x-kubernetes-validations': [{ message: 'Value is immutable', rule: 'self == oldSelf' }],
      }),
      description: { type: 'string', maxLength: 64 },
      parametersRef: fields({ group: groupName, kind: kindName, name: objectName, namespace: namespaceName }, [
        'group',
        'kind',
        'name',
      ]),
    },
    ['controllerName'],
  ),
  status: fields({
    conditions: conditions('Accepted'),
    supportedFeatures: keyed('name', fields({ name: { type: 'string' } }, ['name']), 64),
  }),
})
export const GatewayClass = kindOf<GatewayClass>(gatewayClassDefinition)

/** What GatewayClasses name as their controller to be served by the nodes. */
export const gatewayController = 'kutter.dev/gateway'
