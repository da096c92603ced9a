// What the kinds of Gateway API have in common: references to parents and backends, the statuses of routes, and filters.
import type { KubeObject } from '../../api/kind.ts'
import { own } from '../../base/own.ts'
import type { SchemaProps } from '../apiextensions/jsonschema.ts'
import {
  conditions,
  controllerName,
  fields,
  groupName,
  headerName,
  hostname,
  httpMethods,
  integer,
  keyed,
  kindName,
  list,
  namespaceName,
  objectName,
  portNumber,
  preciseHostname,
  rules,
  sectionName,
  text,
  words,
} from './schema.ts'

export interface Condition {
  readonly type: string
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason: string
  readonly message: string
  readonly observedGeneration?: number
  readonly lastTransitionTime: string
}

export interface ObjectReference {
  readonly group?: string
  readonly kind?: string
  readonly namespace?: string
  readonly name: string
}

export interface ParentReference extends ObjectReference {
  readonly sectionName?: string
  readonly port?: number
}

export interface BackendReference extends ObjectReference {
  readonly port?: number
  readonly weight?: number
  readonly filters?: readonly Filter[]
}

interface Header {
  readonly name: string
  readonly value: string
}

export interface HeaderChanges {
  readonly set?: readonly Header[]
  readonly add?: readonly Header[]
  readonly remove?: readonly string[]
}

export interface PathChange {
  readonly type: 'ReplaceFullPath' | 'ReplacePrefixMatch'
  readonly replaceFullPath?: string
  readonly replacePrefixMatch?: string
}

export interface Redirect {
  readonly scheme?: string
  readonly hostname?: string
  readonly path?: PathChange
  readonly port?: number
  readonly statusCode?: number
}

export interface CorsFilter {
  readonly allowOrigins?: readonly string[]
  readonly allowCredentials?: boolean
  readonly allowMethods?: readonly string[]
  readonly allowHeaders?: readonly string[]
  readonly exposeHeaders?: readonly string[]
  readonly maxAge?: number
}

export interface Filter {
  readonly type: string
  readonly cors?: CorsFilter
  readonly requestHeaderModifier?: HeaderChanges
  readonly responseHeaderModifier?: HeaderChanges
  readonly requestRedirect?: Redirect
  readonly urlRewrite?: { readonly hostname?: string; readonly path?: PathChange }
}

export interface ParentStatus {
  readonly parentRef: ParentReference
  readonly controllerName: string
  readonly conditions?: readonly Condition[]
}

/** What routes of every kind have. */
export interface AnyRoute<R extends AnyRule = AnyRule> extends KubeObject {
  readonly spec: {
    readonly parentRefs?: readonly ParentReference[]
    readonly hostnames?: readonly string[]
    readonly rules?: readonly R[]
  }
  readonly status?: { readonly parents?: readonly ParentStatus[] }
}

export interface AnyRule {
  readonly filters?: readonly Filter[]
  readonly backendRefs?: readonly BackendReference[]
}

const sameParent = (a: string, b: string) =>
  `${a}.group == ${b}.group && ${a}.kind == ${b}.kind && ${a}.name == ${b}.name && ` +
  `(((!has(${a}.__namespace__) || ${a}.__namespace__ == '') && (!has(${b}.__namespace__) || ${b}.__namespace__ == '')) || ` +
  `(has(${a}.__namespace__) && has(${b}.__namespace__) && ${a}.__namespace__ == ${b}.__namespace__))`
const isUnset = (p: string) => `(!has(${p}.sectionName) || ${p}.sectionName == '')`

const parentReference = fields(
  {
    group: { ...groupName, default: 'gateway.networking.k8s.io' },
    kind: { ...kindName, default: 'Gateway' },
    namespace: namespaceName,
    name: objectName,
    sectionName,
    port: portNumber,
  },
  ['name'],
)

export const parentReferences = list(
  parentReference,
  32,
  rules(
    {
      message: 'sectionName must be specified when parentRefs includes 2 or more references to the same parent',
      rule: `self.all(p1, self.all(p2, ${sameParent('p1', 'p2')} ? (${isUnset('p1')} == ${isUnset('p2')}) : true))`,
    },
    {
      message: 'sectionName must be unique when parentRefs includes 2 or more references to the same parent',
      rule:
        `self.all(p1, self.exists_one(p2, ${sameParent('p1', 'p2')} && ((${isUnset('p1')} && ${isUnset('p2')}) || ` +
        `(has(p1.sectionName) && has(p2.sectionName) && p1.sectionName == p2.sectionName))))`,
    },
  ),
)

export const routeHostnames = list(hostname, 16)

export const routeStatus = fields(
  {
    parents: list(
      fields({ parentRef: parentReference, controllerName, conditions: { ...conditions(), minItems: 1 } }, [
        'parentRef',
        'controllerName',
        'conditions',
      ]),
      32,
    ),
  },
  ['parents'],
)

const needsPort = {
  message: 'Must have port for Service reference',
  rule: "(size(self.group) == 0 && self.kind == 'Service') ? has(self.port) : true",
}

export const backendReference = (more: Readonly<Record<string, SchemaProps>>): SchemaProps =>
  fields(
    {
      group: { ...groupName, default: '' },
      kind: { ...kindName, default: 'Service' },
      namespace: namespaceName,
      name: objectName,
      port: portNumber,
      weight: integer(0, 1_000_000, { default: 1 }),
      ...more,
    },
    ['name'],
    needsPort,
  )

const header = fields({ name: headerName, value: text(4096) }, ['name', 'value'])
const headerChanges = fields({
  set: keyed('name', header, 16),
  add: keyed('name', header, 16),
  remove: { ...list({ type: 'string' }, 16), 'x-kubernetes-list-type': 'set' },
})
const localReference = fields({ group: groupName, kind: kindName, name: objectName }, ['group', 'kind', 'name'])
const mirror = fields(
  {
    backendRef: fields(
      {
        group: { ...groupName, default: '' },
        kind: { ...kindName, default: 'Service' },
        namespace: namespaceName,
        name: objectName,
        port: portNumber,
      },
      ['name'],
      needsPort,
    ),
    percent: integer(0, 100),
    fraction: fields(
      { numerator: integer(0, 2 ** 31 - 1), denominator: integer(1, 2 ** 31 - 1, { default: 100 }) },
      ['numerator'],
      { message: 'numerator must be less than or equal to denominator', rule: 'self.numerator <= self.denominator' },
    ),
  },
  ['backendRef'],
  {
    message: 'Only one of percent or fraction may be specified in HTTPRequestMirrorFilter',
    rule: '!(has(self.percent) && has(self.fraction))',
  },
)

const pathChange = fields(
  {
    type: words('ReplaceFullPath', 'ReplacePrefixMatch'),
    replaceFullPath: { type: 'string', maxLength: 1024 },
    replacePrefixMatch: { type: 'string', maxLength: 1024 },
  },
  ['type'],
  ...['replaceFullPath', 'replacePrefixMatch'].flatMap(field => {
    const type = field[0]!.toUpperCase() + field.slice(1)
    return [
      {
        message: `${field} must be specified when type is set to '${type}'`,
        rule: `self.type == '${type}' ? has(self.${field}) : true`,
      },
      {
        message: `type must be '${type}' when ${field} is set`,
        rule: `has(self.${field}) ? self.type == '${type}' : true`,
      },
    ]
  }),
)
const redirect = fields({
  scheme: words('http', 'https'),
  hostname: preciseHostname,
  path: pathChange,
  port: portNumber,
  statusCode: { type: 'integer', enum: [301, 302, 303, 307, 308], default: 302 },
})
const rewrite = fields({ hostname: preciseHostname, path: pathChange })

const set = (items: SchemaProps, maxItems: number, more: Partial<SchemaProps> = {}): SchemaProps => ({
  ...list(items, maxItems, more),
  'x-kubernetes-list-type': 'set',
})
const origin = text(253, { pattern: '^(\\*|https?://[^:/?#]+(:[0-9]{1,5})?)$' })
const alone = (name: string, what: string) =>
  rules({
    message: `${name} cannot contain '*' alongside other ${what}`,
    rule: "!('*' in self && self.size() > 1)",
  })
const cors = fields({
  allowOrigins: set(origin, 64, alone('AllowOrigins', 'origins')),
  allowCredentials: { type: 'boolean' },
  allowMethods: set(words(...httpMethods, '*'), 10, alone('AllowMethods', 'methods')),
  allowHeaders: set(headerName, 64, alone('AllowHeaders', 'headers')),
  exposeHeaders: set(headerName, 64),
  maxAge: integer(1, 2 ** 31 - 1, { default: 5 }),
})

const schemas: Readonly<Record<string, SchemaProps>> = {
  requestHeaderModifier: headerChanges,
  responseHeaderModifier: headerChanges,
  requestMirror: mirror,
  requestRedirect: redirect,
  urlRewrite: rewrite,
  cors,
  extensionRef: localReference,
}
const irregular: Readonly<Record<string, string>> = { urlRewrite: 'URLRewrite', cors: 'CORS' }
const typeOf = (field: string) => own(irregular, field) ?? field[0]!.toUpperCase() + field.slice(1)

/** A list of filters, of which each has the field of its type and no other. */
export function filters(names: readonly string[], ...more: readonly { rule: string; message: string }[]): SchemaProps {
  const filter = fields(
    {
      type: words(...names.map(typeOf)),
      ...Object.fromEntries(names.map(name => [name, schemas[name]!])),
    },
    ['type'],
    ...names.flatMap(name => [
      {
        message: `filter.${name} must be nil if the filter.type is not ${typeOf(name)}`,
        rule: `!(has(self.${name}) && self.type != '${typeOf(name)}')`,
      },
      {
        message: `filter.${name} must be specified for ${typeOf(name)} filter.type`,
        rule: `!(!has(self.${name}) && self.type == '${typeOf(name)}')`,
      },
    ]),
  )
  const once = names
    .map(typeOf)
    .filter(type => !['RequestMirror', 'ExtensionRef'].includes(type))
    .map(type => ({
      message: `${type} filter cannot be repeated`,
      rule: `self.filter(f, f.type == '${type}').size() <= 1`,
    }))
  return list(filter, 16, rules(...more, ...once))
}
