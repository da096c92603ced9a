// Where requests for one group and version go: to this server, or to another one.
import { keptByStatus } from '../status-rules.ts'
import { named, type Problems, present } from '../../api/checks.ts'
import { dns1035Errors, dnsSubdomainErrors, pathSegmentErrors, portErrors } from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import type { DeepReadonly } from '../../api/schema/node.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { bool, bytes, int32, listByKey, string, struct, time } from '../../api/schema/build.ts'

export const ServiceReference = struct('apiregistration.v1.ServiceReference', 'Points to a service.', {
  namespace: string({ proto: 1, doc: 'Namespace of the service.' }),
  name: string({ proto: 2, doc: 'Name of the service.' }),
  port: int32({ proto: 3, optional: true, doc: 'Port of the service; 443 unless set.' }),
})
export type ServiceReference = Of<typeof ServiceReference>

export const APIServiceSpec = struct('apiregistration.v1.APIServiceSpec', 'Who serves one version of one group.', {
  service: ServiceReference.field({ proto: 1, doc: 'Service of the server; unset for this server itself.' }),
  group: string({ proto: 2, doc: 'The group.' }),
  version: string({ proto: 3, doc: 'The version.' }),
  insecureSkipTLSVerify: bool({ proto: 4, doc: 'True not to check the server’s certificate.' }),
  caBundle: bytes({ proto: 5, doc: 'Certificates in PEM, as base64, that its certificate is checked against.' }),
  groupPriorityMinimum: int32({ proto: 7, always: true, doc: 'Place of the group in lists; higher comes first.' }),
  versionPriority: int32({ proto: 8, always: true, doc: 'Place of the version within the group; higher comes first.' }),
})
export type APIServiceSpec = Of<typeof APIServiceSpec>

export const APIServiceCondition = struct(
  'apiregistration.v1.APIServiceCondition',
  'One aspect of the state; Available above all.',
  {
    type: string({ proto: 1, always: true, doc: 'What the condition is about.' }),
    status: string({ proto: 2, always: true, doc: 'Whether it holds: True, False or Unknown.' }),
    lastTransitionTime: time({ proto: 3, always: true, doc: 'When the status last changed.' }),
    reason: string({ proto: 4, doc: 'One CamelCase word why.' }),
    message: string({ proto: 5, doc: 'The same for people.' }),
  },
)
export type APIServiceCondition = Of<typeof APIServiceCondition>

export const APIServiceStatus = struct('apiregistration.v1.APIServiceStatus', 'The state of a served version.', {
  conditions: listByKey('type', APIServiceCondition, {
    proto: 1,
    mergeKey: 'type',
    doc: 'What can be said about the state, one entry per aspect.',
  }),
})
export type APIServiceStatus = Of<typeof APIServiceStatus>

const maxPlaces = { groupPriorityMinimum: 20_000, versionPriority: 1000 } as const

function* validatePlaces(spec: DeepReadonly<APIServiceSpec>, at: Path): Problems {
  for (const field of ['groupPriorityMinimum', 'versionPriority'] as const)
    if (spec[field] <= 0 || spec[field] > maxPlaces[field])
      yield at.field(field).invalid(spec[field], `must be positive and less than ${maxPlaces[field]}`)
}

/** Another server has an address and perhaps certificates; this one needs none. */
function* validateServer(spec: DeepReadonly<APIServiceSpec>, at: Path): Problems {
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
  doc: 'Where requests for one group and version go: to this server, or to another one.',
  columns: [
    {
      name: 'Service',
      type: 'string',
      value: o => (o.spec.service ? `${o.spec.service.namespace}/${o.spec.service.name}` : 'Local'),
    },
    {
      name: 'Available',
      type: 'string',
      value: o => o.status.conditions?.find(c => c.type === 'Available')?.status ?? 'Unknown',
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
    spec: APIServiceSpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: APIServiceStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type APIService = Of<typeof APIService>
