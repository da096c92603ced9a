// A TLSRoute: which connections go on to which Services, still encrypted, by the name that the client asks for.
import { type AnyRoute, backendReference, parentReferences, routeStatus } from './common.ts'
import { definitionOf, kindOf } from './definition.ts'
import { fields, hostname, list, rules, sectionName } from './schema.ts'

export type TLSRoute = AnyRoute

export const tlsRouteDefinition = definitionOf({
  kind: 'TLSRoute',
  plural: 'tlsroutes',
  versions: ['v1', 'v1alpha3', 'v1alpha2'],
  scope: 'Namespaced',
  doc: 'TLSRoute says which TLS connections go to which backends.',
  spec: fields(
    {
      parentRefs: parentReferences,
      hostnames: {
        ...list(hostname, 1024, rules({ message: 'Hostnames cannot contain an IP', rule: 'self.all(h, !isIP(h))' })),
        minItems: 1,
      },
      rules: {
        ...list(
          fields({ name: sectionName, backendRefs: { ...list(backendReference({}), 16), minItems: 1 } }, [
            'backendRefs',
          ]),
          1,
        ),
        minItems: 1,
      },
    },
    ['hostnames', 'rules'],
  ),
  status: routeStatus,
})
export const TLSRoute = kindOf<TLSRoute>(tlsRouteDefinition)
