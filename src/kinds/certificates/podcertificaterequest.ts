// A request for a certificate for one pod.
import { defineKind, type Of } from '../../api/kind.ts'
import { Condition } from '../../api/meta.ts'
import { bytes, int32, listByKey, map, string, struct, time } from '../../api/schema/build.ts'

export const PodCertificateRequestSpec = struct('certificates.v1.PodCertificateRequestSpec', '', {
  signerName: string({ proto: 1, always: true, required: true }),
  podName: string({ proto: 2, always: true, required: true }),
  podUID: string({ proto: 3, always: true, required: true }),
  serviceAccountName: string({ proto: 4, always: true, required: true }),
  serviceAccountUID: string({ proto: 5, always: true, required: true }),
  nodeName: string({ proto: 6, always: true, required: true }),
  nodeUID: string({ proto: 7, always: true, required: true }),
  maxExpirationSeconds: int32({ proto: 8, optional: true, default: 86400 }),
  stubPKCS10Request: bytes({ proto: 12, always: true, required: true }),
  unverifiedUserAnnotations: map(string({}), { proto: 11 }),
})
export type PodCertificateRequestSpec = Of<typeof PodCertificateRequestSpec>

export const PodCertificateRequestStatus = struct('certificates.v1.PodCertificateRequestStatus', '', {
  conditions: listByKey('type', Condition, { proto: 1, mergeKey: 'type' }),
  certificateChain: string({ proto: 2 }),
  notBefore: time({ proto: 4, optional: true }),
  beginRefreshAt: time({ proto: 5, optional: true }),
  notAfter: time({ proto: 6, optional: true }),
})
export type PodCertificateRequestStatus = Of<typeof PodCertificateRequestStatus>

export const PodCertificateRequest = defineKind({
  group: 'certificates.k8s.io',
  version: 'v1',
  kind: 'PodCertificateRequest',
  plural: 'podcertificaterequests',
  scope: 'Namespaced',
  status: true,
  doc: 'A request for a certificate for one pod.',
  fields: {
    spec: PodCertificateRequestSpec.value({ proto: 2, required: true, doc: 'What is wanted.' }),
    status: PodCertificateRequestStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type PodCertificateRequest = Of<typeof PodCertificateRequest>
