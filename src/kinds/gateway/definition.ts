// A kind of gateway.networking.k8s.io is a CustomResourceDefinition that is written down here, so clients find what they
// find in other clusters, and the programs of this one have the kind without asking for the definition.
import type { Kind, KubeObject } from '../../api/kind.ts'
import { StatusError } from '../../base/errors.ts'
import type { CustomResourceDefinition } from '../apiextensions/customresourcedefinition.ts'
import type { SchemaProps } from '../apiextensions/jsonschema.ts'
import { customKinds } from '../custom/kind.ts'
import { described } from './schema.ts'

export const gatewayGroup = 'gateway.networking.k8s.io'
/** The release of Gateway API from which the fields and rules are. */
export const bundleVersion = 'v1.4.1'
export const bundleAnnotation = 'gateway.networking.k8s.io/bundle-version'

interface Column {
  name: string
  jsonPath: string
}

interface Shape {
  kind: string
  plural: string
  shortNames?: readonly string[]
  scope: 'Namespaced' | 'Cluster'
  doc: string
  spec: SchemaProps
  /** Undefined for a kind without a status. */
  status?: SchemaProps
  columns?: readonly Column[]
  /** The one that is stored comes first. */
  versions?: readonly string[]
}

export type GatewayDefinition = ReturnType<typeof definitionOf>

/** The definition, as it is created in the cluster. */
export function definitionOf({ kind, plural, scope, doc, spec, status, ...more }: Shape) {
  const { columns = [], shortNames, versions = ['v1'] } = more
  const names = {
    kind,
    listKind: `${kind}List`,
    plural,
    singular: kind.toLowerCase(),
    categories: ['gateway-api'],
    ...(shortNames && { shortNames: [...shortNames] }),
  }
  const properties: Record<string, SchemaProps> = {
    apiVersion: { type: 'string' },
    kind: { type: 'string' },
    metadata: { type: 'object' },
    spec,
    ...(status && { status }),
  }
  const required = status ? { required: ['spec'] } : {}
  const openAPIV3Schema = described(doc, { type: 'object', properties, ...required })
  return {
    metadata: {
      name: `${plural}.${gatewayGroup}`,
      annotations: {
        'api-approved.kubernetes.io': 'https://github.com/kubernetes-sigs/gateway-api/pull/3328',
        [bundleAnnotation]: bundleVersion,
        'gateway.networking.k8s.io/channel': 'standard',
      },
    },
    spec: {
      group: gatewayGroup,
      names,
      scope,
      conversion: { strategy: 'None' },
      versions: versions.map((name, i) => ({
        name,
        served: true,
        storage: i === 0,
        schema: { openAPIV3Schema },
        ...(status && { subresources: { status: {} } }),
        additionalPrinterColumns: [
          ...columns.map(one => ({ ...one, type: 'string' })),
          { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
        ],
      })),
    },
  }
}

/** The kind of the stored version. */
export function kindOf<T extends KubeObject>(definition: GatewayDefinition): Kind<T> {
  const named: object = { ...definition, status: { acceptedNames: definition.spec.names } }
  const refuse = () => Promise.reject(new StatusError('InternalError', 'these kinds have one form'))
  const [kind] = customKinds(named as CustomResourceDefinition, refuse)
  return kind as Kind<T>
}
