// A request to sign a certificate.
import { defineKind, type Of } from '../../api/kind.ts'
import { bytes, int32, list, listByKey, map, string, struct, time } from '../../api/schema/build.ts'
import { ageColumn } from '../columns.ts'
import { shortAge } from '../../api/time.ts'

export const CertificateSigningRequestSpec = struct('certificates.v1.CertificateSigningRequestSpec', '', {
  request: bytes({ proto: 1, always: true }),
  signerName: string({ proto: 7, always: true }),
  expirationSeconds: int32({ proto: 8, optional: true }),
  usages: list(string({}), { proto: 5 }),
  username: string({ proto: 2 }),
  uid: string({ proto: 3 }),
  groups: list(string({}), { proto: 4 }),
  extra: map(list(string({}), { wrapped: true }), { proto: 6 }),
})
export type CertificateSigningRequestSpec = Of<typeof CertificateSigningRequestSpec>

export const CertificateSigningRequestCondition = struct('certificates.v1.CertificateSigningRequestCondition', '', {
  type: string({ proto: 1, always: true }),
  status: string({ proto: 6, always: true }),
  reason: string({ proto: 2 }),
  message: string({ proto: 3 }),
  lastUpdateTime: time({ proto: 4, always: true }),
  lastTransitionTime: time({ proto: 5, always: true }),
})
export type CertificateSigningRequestCondition = Of<typeof CertificateSigningRequestCondition>

export const CertificateSigningRequestStatus = struct('certificates.v1.CertificateSigningRequestStatus', '', {
  conditions: listByKey('type', CertificateSigningRequestCondition, { proto: 1 }),
  certificate: bytes({ proto: 2 }),
})
export type CertificateSigningRequestStatus = Of<typeof CertificateSigningRequestStatus>

export const CertificateSigningRequest = defineKind({
  group: 'certificates.k8s.io',
  version: 'v1',
  kind: 'CertificateSigningRequest',
  plural: 'certificatesigningrequests',
  scope: 'Cluster',
  shortNames: ['csr'],
  subresources: ['approval'],
  status: true,
  doc: 'A request to sign a certificate.',
  selectable: { 'spec.signerName': c => c.spec.signerName ?? '' },
  columns: [
    ageColumn as never,
    { name: 'SignerName', type: 'string', value: o => o.spec.signerName ?? '' },
    { name: 'Requestor', type: 'string', value: o => o.spec.username ?? '' },
    {
      name: 'RequestedDuration',
      type: 'string',
      value: o => (o.spec.expirationSeconds ? shortAge(o.spec.expirationSeconds * 1000) : '<none>'),
    },
    {
      name: 'Condition',
      type: 'string',
      value: o => {
        const types = (o.status.conditions ?? []).map(c => c.type)
        const text = types.join(',') || 'Pending'
        return o.status.certificate ? `${text},Issued` : text
      },
    },
  ],
  fields: {
    spec: CertificateSigningRequestSpec.value({ proto: 2, doc: 'What is wanted.' }),
    status: CertificateSigningRequestStatus.value({ proto: 3, doc: 'What is the case, as last observed.' }),
  },
})
export type CertificateSigningRequest = Of<typeof CertificateSigningRequest>
