// An HTTPRoute: which requests of a Gateway's listeners go to which Services, and what is changed on the way.
import type { SchemaProps } from '../apiextensions/jsonschema.ts'
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
import { duration, fields, headerName, httpMethods, keyed, list, rules, sectionName, text, words } from './schema.ts'

export interface ValueMatch {
  readonly type?: 'Exact' | 'RegularExpression'
  readonly name: string
  readonly value: string
}

export interface HTTPRouteMatch {
  readonly path?: { readonly type?: string; readonly value?: string }
  readonly headers?: readonly ValueMatch[]
  readonly queryParams?: readonly ValueMatch[]
  readonly method?: string
}

export interface HTTPRouteRule extends AnyRule {
  readonly matches?: readonly HTTPRouteMatch[]
  readonly timeouts?: { readonly request?: string; readonly backendRequest?: string }
}

export type HTTPRoute = AnyRoute<HTTPRouteRule>

/** Parts that no path of a match may have. */
const forbidden = ['//', '/./', '/../', '%2f', '%2F', '#']
const isPlainPath = "(self.type in ['Exact','PathPrefix'])"

const path = {
  ...fields(
    {
      type: { ...words('Exact', 'PathPrefix', 'RegularExpression'), default: 'PathPrefix' },
      value: { type: 'string', maxLength: 1024, default: '/' },
    },
    [],
    {
      message: "value must be an absolute path and start with '/' when type one of ['Exact', 'PathPrefix']",
      rule: `${isPlainPath} ? self.value.startsWith('/') : true`,
    },
    ...forbidden.map(part => ({
      message: `must not contain '${part}' when type one of ['Exact', 'PathPrefix']`,
      rule: `${isPlainPath} ? !self.value.contains('${part}') : true`,
    })),
    ...['/..', '/.'].map(part => ({
      message: `must not end with '${part}' when type one of ['Exact', 'PathPrefix']`,
      rule: `${isPlainPath} ? !self.value.endsWith('${part}') : true`,
    })),
    {
      message: "type must be one of ['Exact', 'PathPrefix', 'RegularExpression']",
      rule: "self.type in ['Exact','PathPrefix'] || self.type == 'RegularExpression'",
    },
    {
      message:
        "must only contain valid characters (matching ^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$) for types ['Exact', 'PathPrefix']",
      rule: `${isPlainPath} ? self.value.matches(r"""^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$""") : true`,
    },
  ),
  default: { type: 'PathPrefix', value: '/' },
} satisfies SchemaProps

const valueMatch = (maxLength: number) =>
  fields(
    {
      type: { ...words('Exact', 'RegularExpression'), default: 'Exact' },
      name: headerName,
      value: text(maxLength),
    },
    ['name', 'value'],
  )

const match = fields({
  path,
  headers: keyed('name', valueMatch(4096), 16),
  queryParams: keyed('name', valueMatch(1024), 16),
  method: words(...httpMethods),
})

const httpFilters = filters(
  [
    'requestHeaderModifier',
    'responseHeaderModifier',
    'requestMirror',
    'requestRedirect',
    'urlRewrite',
    'cors',
    'extensionRef',
  ],
  {
    message: 'May specify either httpRouteFilterRequestRedirect or httpRouteFilterRequestRewrite, but not both',
    rule: "!(self.exists(f, f.type == 'RequestRedirect') && self.exists(f, f.type == 'URLRewrite'))",
  },
)

/** A prefix can be replaced only where there is just one. */
const onePrefix = (type: string, field: string, holder: (some: string) => string) => ({
  message: `When using ${type} filter with path.replacePrefixMatch, exactly one PathPrefix match must be specified`,
  rule:
    `(${holder(`has(f.${field}) && has(f.${field}.path) && f.${field}.path.type == 'ReplacePrefixMatch' && has(f.${field}.path.replacePrefixMatch)`)}) ? ` +
    `((size(self.matches) != 1 || !has(self.matches[0].path) || self.matches[0].path.type != 'PathPrefix') ? false : true) : true`,
})
const inRule = (some: string) => `has(self.filters) && self.filters.exists_one(f, (${some}))`
const inBackends = (some: string) =>
  `has(self.backendRefs) && self.backendRefs.exists_one(b, (has(b.filters) && b.filters.exists_one(f, (${some}))))`

const rule = fields(
  {
    name: sectionName,
    matches: list(match, 64, { default: [{ path: { type: 'PathPrefix', value: '/' } }] }),
    filters: httpFilters,
    backendRefs: list(backendReference({ filters: httpFilters }), 16),
    timeouts: fields({ request: duration, backendRequest: duration }, [], {
      message: 'backendRequest timeout cannot be longer than request timeout',
      rule: "!(has(self.request) && has(self.backendRequest) && duration(self.request) != duration('0s') && duration(self.backendRequest) > duration(self.request))",
    }),
  },
  [],
  {
    message: 'RequestRedirect filter must not be used together with backendRefs',
    rule: '(has(self.backendRefs) && size(self.backendRefs) > 0) ? (!has(self.filters) || self.filters.all(f, !has(f.requestRedirect))): true',
  },
  onePrefix('RequestRedirect', 'requestRedirect', inRule),
  onePrefix('URLRewrite', 'urlRewrite', inRule),
  onePrefix('RequestRedirect', 'requestRedirect', inBackends),
  onePrefix('URLRewrite', 'urlRewrite', inBackends),
)

const countAbove = (from: number) =>
  Array.from({ length: 16 - from }, (_, i) => `(self.size() > ${i + from} ? self[${i + from}].matches.size() : 0)`)

export const httpRouteDefinition = definitionOf({
  kind: 'HTTPRoute',
  plural: 'httproutes',
  versions: ['v1', 'v1beta1'],
  scope: 'Namespaced',
  doc: 'HTTPRoute says which HTTP requests go to which backends.',
  columns: [{ name: 'Hostnames', jsonPath: '.spec.hostnames' }],
  spec: fields({
    parentRefs: parentReferences,
    hostnames: routeHostnames,
    rules: {
      ...list(rule, 16, { default: [{ matches: [{ path: { type: 'PathPrefix', value: '/' } }] }] }),
      ...rules(
        {
          message:
            'While 16 rules and 64 matches per rule are allowed, the total number of matches across all rules in a route must be less than 128',
          rule: `${countAbove(0).join(' + ')} <= 128`,
        },
        {
          message: 'Rule name must be unique within the route',
          rule: 'self.all(l1, !has(l1.name) || self.exists_one(l2, has(l2.name) && l1.name == l2.name))',
        },
      ),
    },
  }),
  status: routeStatus,
})
export const HTTPRoute = kindOf<HTTPRoute>(httpRouteDefinition)
