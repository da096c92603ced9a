// Where requests for one group and version go: to this server, or to another one.
import { defineKind, type Of } from '../../api/kind.ts'
import { bool, bytes, int32, listByKey, string, struct, time } from '../../api/schema/build.ts'

export const ServiceReference = struct('apiregistration.v1.ServiceReference', '', {
  namespace: string({ proto: 1 }),
  name: string({ proto: 2 }),
  port: int32({ proto: 3, optional: true }),
})
export type ServiceReference = Of<typeof ServiceReference>

export const APIServiceSpec = struct('apiregistration.v1.APIServiceSpec', '', {
  service: ServiceReference.field({ proto: 1 }),
  group: string({ proto: 2 }),
  version: string({ proto: 3 }),
  insecureSkipTLSVerify: bool({ proto: 4 }),
  caBundle: bytes({ proto: 5 }),
  groupPriorityMinimum: int32({ proto: 7, always: true }),
  versionPriority: int32({ proto: 8, always: true }),
})
export type APIServiceSpec = Of<typeof APIServiceSpec>

export const APIServiceCondition = struct('apiregistration.v1.APIServiceCondition', '', {
  type: string({ proto: 1, always: true }),
  status: string({ proto: 2, always: true }),
  lastTransitionTime: time({ proto: 3, always: true }),
  reason: string({ proto: 4 }),
  message: string({ proto: 5 }),
})
export type APIServiceCondition = Of<typeof APIServiceCondition>

export const APIServiceStatus = struct('apiregistration.v1.APIServiceStatus', '', {
  conditions: listByKey('type', APIServiceCondition, { proto: 1, mergeKey: 'type' }),
})
export type APIServiceStatus = Of<typeof APIServiceStatus>

export const APIService = defineKind({
  group: 'apiregistration.k8s.io',
  version: 'v1',
  kind: 'APIService',
  plural: 'apiservices',
  scope: 'Cluster',
  status: true,
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
