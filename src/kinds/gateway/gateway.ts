// A Gateway: ports, protocols, hostnames and certificates for which routes may ask.
import type { KubeObject } from '../../api/kind.ts'
import type { LabelSelector } from '../../api/meta.ts'
import type { SchemaProps } from '../apiextensions/jsonschema.ts'
import type { Condition, ObjectReference } from './common.ts'
import { definitionOf, kindOf } from './definition.ts'
import {
  conditions,
  described,
  fields,
  groupName,
  hostname,
  keyed,
  kindName,
  labelSelector,
  list,
  namespaceName,
  objectName,
  portNumber,
  rules,
  sectionName,
  text,
  texts,
  words,
} from './schema.ts'

export interface Listener {
  readonly name: string
  readonly hostname?: string
  readonly port: number
  readonly protocol: string
  readonly tls?: { readonly mode?: string; readonly certificateRefs?: readonly ObjectReference[] }
  readonly allowedRoutes?: {
    readonly namespaces?: { readonly from?: string; readonly selector?: LabelSelector }
    readonly kinds?: readonly RouteKind[]
  }
}

export interface RouteKind {
  readonly group?: string
  readonly kind: string
}

export interface ListenerStatus {
  readonly name: string
  readonly supportedKinds: readonly RouteKind[]
  readonly attachedRoutes: number
  readonly conditions: readonly Condition[]
}

export interface Gateway extends KubeObject {
  readonly spec: {
    readonly gatewayClassName: string
    readonly listeners: readonly Listener[]
    readonly addresses?: readonly { readonly type?: string; readonly value?: string }[]
    readonly infrastructure?: { readonly parametersRef?: object }
  }
  readonly status?: {
    readonly addresses?: readonly { readonly type?: string; readonly value: string }[]
    readonly conditions?: readonly Condition[]
    readonly listeners?: readonly ListenerStatus[]
  }
}

const routeKind = fields({ group: { ...groupName, default: 'gateway.networking.k8s.io' }, kind: kindName }, ['kind'])

const certificateReference = fields(
  {
    group: { ...groupName, default: '' },
    kind: { ...kindName, default: 'Secret' },
    name: objectName,
    namespace: namespaceName,
  },
  ['name'],
)

const tls = fields(
  {
    mode: { ...words('Terminate', 'Passthrough'), default: 'Terminate' },
    certificateRefs: list(certificateReference, 64),
    options: texts(16, { type: 'string', maxLength: 4096 }),
  },
  [],
  {
    message: 'certificateRefs or options must be specified when mode is Terminate',
    rule: "self.mode == 'Terminate' ? size(self.certificateRefs) > 0 || size(self.options) > 0 : true",
  },
)

const listener = fields(
  {
    name: sectionName,
    hostname,
    port: portNumber,
    protocol: text(255, {
      pattern:
        '^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?$|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\\/[A-Za-z0-9]+$',
    }),
    tls,
    allowedRoutes: {
      ...fields({
        namespaces: {
          ...fields({ from: { ...words('All', 'Selector', 'Same'), default: 'Same' }, selector: labelSelector }),
          default: { from: 'Same' },
        },
        kinds: list(routeKind, 8),
      }),
      default: { namespaces: { from: 'Same' } },
    },
  },
  ['name', 'port', 'protocol'],
)

const listenerRules = rules(
  {
    message: "tls must not be specified for protocols ['HTTP', 'TCP', 'UDP']",
    rule: "self.all(l, l.protocol in ['HTTP', 'TCP', 'UDP'] ? !has(l.tls) : true)",
  },
  {
    message: 'tls mode must be Terminate for protocol HTTPS',
    rule: "self.all(l, (l.protocol == 'HTTPS' && has(l.tls)) ? (l.tls.mode == '' || l.tls.mode == 'Terminate') : true)",
  },
  {
    message: 'tls mode must be set for protocol TLS',
    rule: "self.all(l, (l.protocol == 'TLS' ? has(l.tls) && has(l.tls.mode) && l.tls.mode != '' : true))",
  },
  {
    message: "hostname must not be specified for protocols ['TCP', 'UDP']",
    rule: "self.all(l, l.protocol in ['TCP', 'UDP']  ? (!has(l.hostname) || l.hostname == '') : true)",
  },
  {
    message: 'Listener name must be unique within the Gateway',
    rule: 'self.all(l1, self.exists_one(l2, l1.name == l2.name))',
  },
  {
    message: 'Combination of port, protocol and hostname must be unique for each listener',
    rule: 'self.all(l1, self.exists_one(l2, l1.port == l2.port && l1.protocol == l2.protocol && (has(l1.hostname) && has(l2.hostname) ? l1.hostname == l2.hostname : !has(l1.hostname) && !has(l2.hostname))))',
  },
)

const address = (value: SchemaProps) =>
  fields({ type: { ...text(253), default: 'IPAddress' }, value }, value.minLength ? ['value'] : [])

export const gatewayDefinition = definitionOf({
  kind: 'Gateway',
  plural: 'gateways',
  versions: ['v1', 'v1beta1'],
  shortNames: ['gtw'],
  scope: 'Namespaced',
  doc: 'Gateway has the ports, protocols and certificates by which requests from outside come to routes.',
  columns: [
    { name: 'Class', jsonPath: '.spec.gatewayClassName' },
    { name: 'Address', jsonPath: '.status.addresses[*].value' },
    { name: 'Programmed', jsonPath: '.status.conditions[?(@.type=="Programmed")].status' },
  ],
  spec: fields(
    {
      gatewayClassName: objectName,
      listeners: described('The ports that are served.', {
        ...keyed('name', listener, 64, listenerRules),
        minItems: 1,
      }),
      addresses: list(address({ type: 'string', maxLength: 253 }), 16),
      infrastructure: fields({
        annotations: texts(16, { type: 'string', maxLength: 4096 }),
        labels: texts(8, { type: 'string', maxLength: 63, pattern: '^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$' }),
        parametersRef: fields({ group: groupName, kind: kindName, name: objectName }, ['group', 'kind', 'name']),
      }),
    },
    ['gatewayClassName', 'listeners'],
  ),
  status: fields({
    addresses: list(address(text(253)), 16),
    conditions: conditions('Accepted', 'Programmed'),
    listeners: keyed(
      'name',
      fields(
        {
          name: sectionName,
          supportedKinds: list(routeKind, 8),
          attachedRoutes: { type: 'integer', format: 'int32' },
          conditions: conditions(),
        },
        ['name', 'attachedRoutes', 'conditions'],
      ),
      64,
    ),
  }),
})
export const Gateway = kindOf<Gateway>(gatewayDefinition)
