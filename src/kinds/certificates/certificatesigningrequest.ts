// A request to sign a certificate.
import { pathSegmentErrors } from '../../api/names.ts'
import { requiredName } from '../../api/checks.ts'
import { asGiven } from '../../api/schema/empties.ts'
import { signerErrors } from './signer-names.ts'
import { defineKind, type Of } from '../../api/kind.ts'
import { bytes, int32, list, listByKey, map, string, struct, time } from '../../api/schema/build.ts'
import { ageColumn } from '../columns.ts'
import { shortAge } from '../../api/time.ts'

export const CertificateSigningRequestSpec = struct(
  'certificates.v1.CertificateSigningRequestSpec',
  'Requested certificate. Only request, signerName, expirationSeconds and usages are set by the user. Cannot be changed.',
  {
    request: bytes({
      proto: 1,
      always: true,
      doc: 'PKCS#10 certificate signing request in a PEM block of type CERTIFICATE REQUEST, encoded as base64.',
    }),
    signerName: string({
      proto: 7,
      always: true,
      doc: 'Name of the requested signer, such as kubernetes.io/kube-apiserver-client. It determines how the request is approved and which certificates are issued.',
    }),
    expirationSeconds: int32({
      proto: 8,
      optional: true,
      doc: 'Requested lifetime of the certificate in seconds, at least 600 (10 minutes). The signer may issue a certificate with another lifetime.',
    }),
    usages: list(string({}), {
      proto: 5,
      doc: 'Key usages that the certificate is requested for, such as digital signature and client auth. At least one is required.',
    }),
    username: string({ proto: 2, doc: 'Name of the user that created the request. Set by the server.' }),
    uid: string({ proto: 3, doc: 'UID of the user that created the request. Set by the server.' }),
    groups: list(string({}), { proto: 4, doc: 'Groups of the user that created the request. Set by the server.' }),
    extra: map(list(string({}), { wrapped: true }), {
      proto: 6,
      doc: 'Additional attributes of the user that created the request. Set by the server.',
    }),
  },
)
export type CertificateSigningRequestSpec = Of<typeof CertificateSigningRequestSpec>

export const CertificateSigningRequestCondition = struct(
  'certificates.v1.CertificateSigningRequestCondition',
  'One aspect of the current state of a CertificateSigningRequest.',
  {
    type: string({ proto: 1, always: true, doc: 'Type of the condition: Approved, Denied or Failed.' }),
    status: string({ proto: 6, always: true, doc: 'Status of the condition: True, False or Unknown.' }),
    reason: string({ proto: 2, doc: 'Machine-readable reason in CamelCase for the last transition of the condition.' }),
    message: string({ proto: 3, doc: 'Human-readable message with details about the last transition.' }),
    lastUpdateTime: time({ proto: 4, always: true, doc: 'Time when the condition was last updated.' }),
    lastTransitionTime: time({ proto: 5, always: true, doc: 'Time when the status of the condition last changed.' }),
  },
)
export type CertificateSigningRequestCondition = Of<typeof CertificateSigningRequestCondition>

export const CertificateSigningRequestStatus = struct(
  'certificates.v1.CertificateSigningRequestStatus',
  'Most recently observed state of a CertificateSigningRequest.',
  {
    conditions: listByKey('type', CertificateSigningRequestCondition, {
      proto: 1,
      doc: 'Conditions of the request: Approved, Denied or Failed. Approved and Denied exclude each other and cannot be removed.',
    }),
    certificate: bytes({
      proto: 2,
      doc: 'Issued certificate with its chain in PEM format, encoded as base64. Set by the signer after approval. Cannot be changed.',
    }),
  },
)
export type CertificateSigningRequestStatus = Of<typeof CertificateSigningRequestStatus>

const usages: readonly string[] = [
  'any',
  'cert sign',
  'client auth',
  'code signing',
  'content commitment',
  'crl sign',
  'data encipherment',
  'decipher only',
  'digital signature',
  'email protection',
  'encipher only',
  'ipsec end system',
  'ipsec tunnel',
  'ipsec user',
  'key agreement',
  'key encipherment',
  'microsoft sgc',
  'netscape sgc',
  'ocsp signing',
  's/mime',
  'server auth',
  'signing',
  'timestamping',
]

export const CertificateSigningRequest = defineKind({
  group: 'certificates.k8s.io',
  version: 'v1',
  kind: 'CertificateSigningRequest',
  plural: 'certificatesigningrequests',
  scope: 'Cluster',
  shortNames: ['csr'],
  subresources: ['approval'],
  status: true,
  // What is asked for belongs to who asked, and the decisions to who made them.
  unowned: [['spec'], ['status', 'conditions']],
  doc: 'CertificateSigningRequest requests a certificate from a signer. Once it is approved, the signer issues the certificate.',
  selectable: { 'spec.signerName': c => c.spec.signerName ?? '' },
  columns: [
    ageColumn,
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
  prepare(csr, old) {
    // What was asked for stays as it was asked.
    if (old) csr.spec = structuredClone(old.spec) as typeof csr.spec
  },
  explicit: true,
  validateName: pathSegmentErrors,
  *validate({ spec }, at) {
    const path = at.field('spec')
    const request = Buffer.from(spec.request ?? '', 'base64').toString('latin1')
    if (!request.includes('-----BEGIN CERTIFICATE REQUEST-----'))
      yield path.field('request').invalid(asGiven(spec, 'request'), 'PEM block type must be CERTIFICATE REQUEST')
    if (!spec.usages?.length) yield path.field('usages').required()
    for (const [i, usage] of (spec.usages ?? []).entries()) {
      if (!usages.includes(usage)) yield path.field('usages').index(i).notSupported(usage, usages)
      else if (spec.usages!.indexOf(usage) < i) yield path.field('usages').index(i).duplicate(usage)
    }
    yield* requiredName(signerErrors, spec.signerName, path.field('signerName'))
    if (spec.signerName === 'kubernetes.io/legacy-unknown')
      yield path
        .field('signerName')
        .invalid(spec.signerName, 'the legacy signerName is not allowed via this API version')
    if (spec.expirationSeconds !== undefined && spec.expirationSeconds < 600)
      yield path
        .field('expirationSeconds')
        .invalid(spec.expirationSeconds, 'may not specify a duration less than 600 seconds (10 minutes)')
  },
  fields: {
    spec: CertificateSigningRequestSpec.value({
      proto: 2,
      doc: 'Requested certificate, and the signer that should issue it. Cannot be changed.',
    }),
    status: CertificateSigningRequestStatus.value({
      proto: 3,
      doc: 'Decision about the request, and the certificate once it is issued.',
    }),
  },
})
export type CertificateSigningRequest = Of<typeof CertificateSigningRequest>
