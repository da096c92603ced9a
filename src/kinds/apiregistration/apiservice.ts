// Where requests for one group and version go: to this server, or to another one.
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

export const APIService = defineKind({
  group: 'apiregistration.k8s.io',
  version: 'v1',
  kind: 'APIService',
  plural: 'apiservices',
  scope: 'Cluster',
  conditionalUpdate: true,
  categories: ['api-extensions'],
  status: true,
  statusKeeps: ['labels', 'annotations', 'finalizers', 'ownerReferences'],
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
  fields: {
    spec: APIServiceSpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: APIServiceStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type APIService = Of<typeof APIService>
