// Where requests for one group and version go: to this server, or to another one.
import { keptByStatus } from '../status-rules.ts'
import { named, type Problems, present } from '../../api/checks.ts'
import { dns1035Errors, dnsSubdomainErrors, pathSegmentErrors, portErrors } from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { bool, bytes, int32, listByKey, string, struct, time } from '../../api/schema/build.ts'

export const ServiceReference = struct('apiregistration.v1.ServiceReference', 'Reference to a service.', {
  namespace: string({ proto: 1, doc: 'Namespace of the service.' }),
  name: string({ proto: 2, doc: 'Name of the service.' }),
  port: int32({ proto: 3, optional: true, doc: 'Port of the service, from 1 to 65535. Defaults to 443.' }),
})
export type ServiceReference = Of<typeof ServiceReference>

export const APIServiceSpec = struct(
  'apiregistration.v1.APIServiceSpec',
  'API group and version, and the server that serves them.',
  {
    service: ServiceReference.field({
      proto: 1,
      doc: 'Service of the server that requests are forwarded to. If unset, the API server itself serves the group and version.',
    }),
    group: string({ proto: 2, doc: 'API group that is served.' }),
    version: string({ proto: 3, doc: 'API version that is served.' }),
    insecureSkipTLSVerify: bool({
      proto: 4,
      doc: 'If true, the certificate of the server is not verified. Not allowed together with caBundle. Defaults to false.',
    }),
    caBundle: bytes({
      proto: 5,
      doc: 'CA certificates in PEM format, encoded as base64, that the certificate of the server is verified with. Defaults to the system’s trust roots.',
    }),
    groupPriorityMinimum: int32({
      proto: 7,
      always: true,
      doc: 'Priority of the group, from 1 to 20000. Clients prefer groups with a higher value.',
    }),
    versionPriority: int32({
      proto: 8,
      always: true,
      doc: 'Priority of the version within the group, from 1 to 1000. Clients prefer versions with a higher value.',
    }),
  },
)
export type APIServiceSpec = Of<typeof APIServiceSpec>

export const APIServiceCondition = struct(
  'apiregistration.v1.APIServiceCondition',
  'One aspect of the current state of an APIService.',
  {
    type: string({ proto: 1, always: true, doc: 'Type of the condition, such as Available.' }),
    status: string({ proto: 2, always: true, doc: 'Status of the condition: True, False or Unknown.' }),
    lastTransitionTime: time({ proto: 3, always: true, doc: 'Time when the status of the condition last changed.' }),
    reason: string({ proto: 4, doc: 'Machine-readable reason in CamelCase for the last transition of the condition.' }),
    message: string({ proto: 5, doc: 'Human-readable message with details about the last transition.' }),
  },
)
export type APIServiceCondition = Of<typeof APIServiceCondition>

export const APIServiceStatus = struct(
  'apiregistration.v1.APIServiceStatus',
  'Most recently observed state of an APIService.',
  {
    conditions: listByKey('type', APIServiceCondition, {
      proto: 1,
      mergeKey: 'type',
      doc: 'Current conditions of the APIService.',
    }),
  },
)
export type APIServiceStatus = Of<typeof APIServiceStatus>

const maxPlaces = { groupPriorityMinimum: 20_000, versionPriority: 1000 } as const

function* validatePlaces(spec: APIServiceSpec, at: Path): Problems {
  for (const field of ['groupPriorityMinimum', 'versionPriority'] as const)
    if (spec[field] <= 0 || spec[field] > maxPlaces[field])
      yield at.field(field).invalid(spec[field], `must be positive and less than ${maxPlaces[field]}`)
}

/** Another server has an address and perhaps certificates; this one needs none. */
function* validateServer(spec: APIServiceSpec, at: Path): Problems {
  const { service, caBundle, insecureSkipTLSVerify } = spec
  const insecure = at.field('insecureSkipTLSVerify')
  if (!service) {
    const bytes = Buffer.byteLength(caBundle ?? '', 'base64')
    if (bytes) yield at.field('caBundle').invalid(`${bytes} bytes`, 'local APIServices may not have a caBundle')
    if (insecureSkipTLSVerify) yield insecure.invalid(true, 'local APIServices may not have insecureSkipTLSVerify')
  } else {
    yield* present(service.namespace, at.field('service', 'namespace'))
    yield* present(service.name, at.field('service', 'name'))
    const { port = 443 } = service
    for (const error of portErrors(port)) yield at.field('service', 'port').invalid(port, `port is not valid: ${error}`)
  }
  if (insecureSkipTLSVerify && caBundle) yield insecure.invalid(true, 'may not be true if caBundle is present')
}

export const APIService = defineKind({
  group: 'apiregistration.k8s.io',
  version: 'v1',
  kind: 'APIService',
  plural: 'apiservices',
  scope: 'Cluster',
  conditionalUpdate: true,
  categories: ['api-extensions'],
  status: true,
  statusKeeps: keptByStatus,
  doc: 'APIService registers the server for an API group and version. Its name must be <version>.<group>.',
  columns: [
    {
      name: 'Service',
      type: 'string',
      value: o => (o.spec.service ? `${o.spec.service.namespace}/${o.spec.service.name}` : 'Local'),
    },
    {
      name: 'Available',
      type: 'string',
      value: o => {
        const { status = 'Unknown', reason } = o.status.conditions?.find(c => c.type === 'Available') ?? {}
        return status !== 'True' && reason ? `${status} (${reason})` : status
      },
    },
  ],
  explicit: true,
  finalizers: 'any',
  validateName: pathSegmentErrors,
  defaults: ({ spec }) => {
    if (spec.service) spec.service.port ??= 443
  },
  // What this server serves itself is there.
  prepare: (service, old, now) => {
    if (old) return
    const available = { type: 'Available', status: 'True', reason: 'Local', lastTransitionTime: now }
    service.status = service.spec.service
      ? {}
      : { conditions: [{ ...available, message: 'Local APIServices are always available' }] }
  },
  *validate({ metadata: { name = '' }, spec }, at) {
    const { group = '', version = '' } = spec
    const wanted = `${version}.${group}`
    if (name && name !== wanted && !pathSegmentErrors(name).length)
      yield at
        .field('metadata', 'name')
        .invalid(name, `must be \`spec.version+"."+spec.group\`: ${JSON.stringify(wanted)}`)
    if (!group && version !== 'v1')
      yield at.field('spec', 'group').required('only v1 may have an empty group and it better be legacy kube')
    if (group) yield* named(dnsSubdomainErrors, group, at.field('spec', 'group'))
    yield* named(dns1035Errors, version, at.field('spec', 'version'))
    yield* validatePlaces(spec, at.field('spec'))
    yield* validateServer(spec, at.field('spec'))
  },
  fields: {
    spec: APIServiceSpec.value({ proto: 2, doc: 'API group and version, and the server that serves them.' }),
    status: APIServiceStatus.value({ proto: 3, doc: 'Most recently observed state of the APIService.' }),
  },
})
export type APIService = Of<typeof APIService>
