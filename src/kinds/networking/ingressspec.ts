// Which requests an ingress forwards where: the parts of its spec.
import type { Of } from '../../api/kind.ts'
import { inline, int32, list, string, struct } from '../../api/schema/build.ts'
import { TypedLocalObjectReference } from '../core/reference.ts'

export const ServiceBackendPort = struct(
  'networking.v1.ServiceBackendPort',
  'Port of a service. Exactly one of name and number must be set.',
  {
    name: string({ proto: 1, doc: 'Name of the service port.' }),
    number: int32({ proto: 2, doc: 'Number of the service port, from 1 to 65535.' }),
  },
  { atomic: true },
)
export type ServiceBackendPort = Of<typeof ServiceBackendPort>

export const IngressServiceBackend = struct(
  'networking.v1.IngressServiceBackend',
  'Service that requests are forwarded to.',
  {
    name: string({ proto: 1, always: true, doc: 'Name of a service in the namespace of the Ingress.' }),
    port: ServiceBackendPort.value({ proto: 2, doc: 'Port of the service.' }),
  },
)
export type IngressServiceBackend = Of<typeof IngressServiceBackend>

export const IngressBackend = struct(
  'networking.v1.IngressBackend',
  'Backend that requests are forwarded to. Exactly one of service and resource must be set.',
  {
    service: IngressServiceBackend.field({ proto: 4, doc: 'Service that requests are forwarded to.' }),
    resource: TypedLocalObjectReference.field({
      proto: 3,
      doc: 'Other object in the namespace of the Ingress that requests are forwarded to, of a kind that the ingress controller supports.',
    }),
  },
)
export type IngressBackend = Of<typeof IngressBackend>

export const IngressTLS = struct('networking.v1.IngressTLS', 'Certificate for some hosts.', {
  hosts: list(string({}), {
    proto: 1,
    doc: 'Hosts that the certificate is for. They must match the names in the certificate. Defaults to all hosts.',
  }),
  secretName: string({
    proto: 2,
    doc: 'Name of the Secret with the certificate and its private key. If unset, only routing by SNI is used.',
  }),
})
export type IngressTLS = Of<typeof IngressTLS>

export const HTTPIngressPath = struct('networking.v1.HTTPIngressPath', 'Forwards requests for a path to a backend.', {
  path: string({
    proto: 1,
    doc: 'Path that requests are matched against. Must begin with / for types Exact and Prefix.',
  }),
  pathType: string({
    proto: 3,
    optional: true,
    doc: 'How the path is matched: Exact, Prefix (by elements between slashes) or ImplementationSpecific (as the ingress controller determines). Required.',
  }),
  backend: IngressBackend.value({ proto: 2, doc: 'Backend that matching requests are forwarded to.' }),
})
export type HTTPIngressPath = Of<typeof HTTPIngressPath>

export const HTTPIngressRuleValue = struct(
  'networking.v1.HTTPIngressRuleValue',
  'Paths of a host and the backends that they are forwarded to.',
  {
    paths: list(HTTPIngressPath, {
      proto: 1,
      always: true,
      doc: 'Paths and their backends. If several match, the longest path takes precedence, and Exact over Prefix. At least one is required.',
    }),
  },
)
export type HTTPIngressRuleValue = Of<typeof HTTPIngressRuleValue>

export const IngressRuleValue = struct('networking.v1.IngressRuleValue', 'How requests for a host are handled.', {
  http: HTTPIngressRuleValue.field({ proto: 1, doc: 'Paths of HTTP requests and their backends.' }),
})
export type IngressRuleValue = Of<typeof IngressRuleValue>

export const IngressRule = struct(
  'networking.v1.IngressRule',
  'How requests for a host are routed. If no paths are set, all of them go to the default backend.',
  {
    host: string({
      proto: 1,
      doc: 'Fully qualified domain name of the host, without a port, or a wildcard such as *.example.com for one label. If empty, the rule applies to all hosts.',
    }),
    ...inline(IngressRuleValue, 2),
  },
)
export type IngressRule = Of<typeof IngressRule>

export const IngressSpec = struct(
  'networking.v1.IngressSpec',
  'Desired state of an Ingress. At least one of defaultBackend and rules must be set.',
  {
    ingressClassName: string({
      proto: 4,
      optional: true,
      doc: 'Name of the IngressClass, which determines the controller that implements the Ingress. Defaults to the default IngressClass, if there is one.',
    }),
    defaultBackend: IngressBackend.field({ proto: 1, doc: 'Backend for requests that match no rule.' }),
    tls: list(IngressTLS, {
      proto: 2,
      doc: 'Certificates for hosts. Several entries share one port and are distinguished by SNI.',
    }),
    rules: list(IngressRule, { proto: 3, doc: 'Rules that determine the backend of a request by its host and path.' }),
  },
)
export type IngressSpec = Of<typeof IngressSpec>
