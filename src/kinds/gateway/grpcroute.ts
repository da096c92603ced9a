// A GRPCRoute: which calls of gRPC go to which Services.
import {
  type AnyRoute,
  type AnyRule,
  backendReference,
  filters,
  parentReferences,
  routeHostnames,
  routeStatus,
} from './common.ts'
import { definitionOf, kindOf } from './definition.ts'
import type { ValueMatch } from './httproute.ts'
import { fields, headerName, keyed, list, rules, sectionName, text, words } from './schema.ts'

export interface GRPCRouteMatch {
  readonly method?: { readonly type?: string; readonly service?: string; readonly method?: string }
  readonly headers?: readonly ValueMatch[]
}

export interface GRPCRouteRule extends AnyRule {
  readonly matches?: readonly GRPCRouteMatch[]
}

export type GRPCRoute = AnyRoute<GRPCRouteRule>

const method = fields(
  {
    type: { ...words('Exact', 'RegularExpression'), default: 'Exact' },
    service: { type: 'string', maxLength: 1024 },
    method: { type: 'string', maxLength: 1024 },
  },
  [],
  {
    message: "One or both of 'service' or 'method' must be specified",
    rule: 'has(self.type) ? has(self.service) || has(self.method) : true',
  },
  {
    message: 'service must only contain valid characters (matching ^(?i)\\.?[a-z_][a-z_0-9]*(\\.[a-z_][a-z_0-9]*)*$)',
    rule: `(!has(self.type) || self.type == 'Exact') && has(self.service) ? self.service.matches(r"""^(?i)\\.?[a-z_][a-z_0-9]*(\\.[a-z_][a-z_0-9]*)*$""") : true`,
  },
  {
    message: 'method must only contain valid characters (matching ^[A-Za-z_][A-Za-z_0-9]*$)',
    rule: `(!has(self.type) || self.type == 'Exact') && has(self.method) ? self.method.matches(r"""^[A-Za-z_][A-Za-z_0-9]*$""") : true`,
  },
)
const header = fields(
  { type: { ...words('Exact', 'RegularExpression'), default: 'Exact' }, name: headerName, value: text(4096) },
  ['name', 'value'],
)
const grpcFilters = filters(['requestHeaderModifier', 'responseHeaderModifier', 'requestMirror', 'extensionRef'])

export const grpcRouteDefinition = definitionOf({
  kind: 'GRPCRoute',
  plural: 'grpcroutes',
  scope: 'Namespaced',
  doc: 'GRPCRoute says which calls of gRPC go to which backends.',
  columns: [{ name: 'Hostnames', jsonPath: '.spec.hostnames' }],
  spec: fields({
    parentRefs: parentReferences,
    hostnames: routeHostnames,
    rules: list(
      fields({
        name: sectionName,
        matches: list(fields({ method, headers: keyed('name', header, 16) }), 64),
        filters: grpcFilters,
        backendRefs: list(backendReference({ filters: grpcFilters }), 16),
      }),
      16,
      rules(
        {
          message:
            'While 16 rules and 64 matches per rule are allowed, the total number of matches across all rules in a route must be less than 128',
          rule: `${Array.from({ length: 16 }, (_, i) => `(self.size() > ${i} && has(self[${i}].matches) ? self[${i}].matches.size() : 0)`).join(' + ')} <= 128`,
        },
        {
          message: 'Rule name must be unique within the route',
          rule: 'self.all(l1, !has(l1.name) || self.exists_one(l2, has(l2.name) && l1.name == l2.name))',
        },
      ),
    ),
  }),
  status: routeStatus,
})
export const GRPCRoute = kindOf<GRPCRoute>(grpcRouteDefinition)
