// A request for a certificate for one pod.
import { defineKind, type Of } from '../../api/kind.ts'
import { Condition } from '../../api/meta.ts'
import { bytes, int32, listByKey, map, string, struct, time } from '../../api/schema/build.ts'

export const PodCertificateRequestSpec = struct(
  'certificates.v1.PodCertificateRequestSpec',
  'The certificate that a pod’s kubelet asks for.',
  {
    signerName: string({ proto: 1, always: true, required: true, doc: 'Who should sign it.' }),
    podName: string({ proto: 2, always: true, required: true, doc: 'Name of the pod.' }),
    podUID: string({ proto: 3, always: true, required: true, doc: 'UID of the pod.' }),
    serviceAccountName: string({ proto: 4, always: true, required: true, doc: 'The pod’s service account.' }),
    serviceAccountUID: string({ proto: 5, always: true, required: true, doc: 'UID of the service account.' }),
    nodeName: string({ proto: 6, always: true, required: true, doc: 'The pod’s node.' }),
    nodeUID: string({ proto: 7, always: true, required: true, doc: 'UID of the node.' }),
    maxExpirationSeconds: int32({
      proto: 8,
      optional: true,
      default: 86400,
      doc: 'Most seconds the certificate may be valid.',
    }),
    stubPKCS10Request: bytes({
      proto: 12,
      always: true,
      required: true,
      doc: 'Request that carries the public key and proves the private one is there, as base64.',
    }),
    unverifiedUserAnnotations: map(string({}), {
      proto: 11,
      doc: 'Values from the pod’s author; nobody has checked them.',
    }),
  },
)
export type PodCertificateRequestSpec = Of<typeof PodCertificateRequestSpec>

export const PodCertificateRequestStatus = struct(
  'certificates.v1.PodCertificateRequestStatus',
  'What became of a request.',
  {
    conditions: listByKey('type', Condition, { proto: 1, mergeKey: 'type', doc: 'Issued, Denied or Failed.' }),
    certificateChain: string({ proto: 2, doc: 'The certificate and those above it, in PEM.' }),
    notBefore: time({ proto: 4, optional: true, doc: 'When it begins to be valid.' }),
    beginRefreshAt: time({ proto: 5, optional: true, doc: 'When the kubelet should ask for the next one.' }),
    notAfter: time({ proto: 6, optional: true, doc: 'When it stops being valid.' }),
  },
)
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
