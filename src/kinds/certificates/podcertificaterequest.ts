// A request for a certificate for one pod.
import { defineKind, type Of } from '../../api/kind.ts'
import { Condition } from '../../api/meta.ts'
import { bytes, int32, listByKey, map, string, struct, time } from '../../api/schema/build.ts'

export const PodCertificateRequestSpec = struct(
  'certificates.v1.PodCertificateRequestSpec',
  'Requested certificate and the pod that it is for.',
  {
    signerName: string({
      proto: 1,
      always: true,
      required: true,
      doc: 'Name of the requested signer. Names that begin with kubernetes.io are reserved.',
    }),
    podName: string({
      proto: 2,
      always: true,
      required: true,
      doc: 'Name of the pod that the certificate is mounted into.',
    }),
    podUID: string({ proto: 3, always: true, required: true, doc: 'UID of the pod.' }),
    serviceAccountName: string({
      proto: 4,
      always: true,
      required: true,
      doc: 'Name of the service account that the pod runs as.',
    }),
    serviceAccountUID: string({ proto: 5, always: true, required: true, doc: 'UID of the service account.' }),
    nodeName: string({ proto: 6, always: true, required: true, doc: 'Name of the node that the pod runs on.' }),
    nodeUID: string({ proto: 7, always: true, required: true, doc: 'UID of the node.' }),
    maxExpirationSeconds: int32({
      proto: 8,
      optional: true,
      default: 86400,
      doc: 'Maximum lifetime of the certificate in seconds. The signer may issue a shorter one. Defaults to 86400.',
    }),
    stubPKCS10Request: bytes({
      proto: 12,
      always: true,
      required: true,
      doc: 'PKCS#10 request with the public key, signed with the private key to prove possession, encoded as base64.',
    }),
    unverifiedUserAnnotations: map(string({}), {
      proto: 11,
      doc: 'Additional information from the pod spec. It is not verified, and the signer should check it.',
    }),
  },
)
export type PodCertificateRequestSpec = Of<typeof PodCertificateRequestSpec>

export const PodCertificateRequestStatus = struct(
  'certificates.v1.PodCertificateRequestStatus',
  'Most recently observed state of a PodCertificateRequest.',
  {
    conditions: listByKey('type', Condition, {
      proto: 1,
      mergeKey: 'type',
      doc: 'Conditions of the request: Issued, Denied or Failed.',
    }),
    certificateChain: string({
      proto: 2,
      doc: 'Issued certificate and its intermediates in PEM format.',
    }),
    notBefore: time({ proto: 4, optional: true, doc: 'Time when the certificate becomes valid.' }),
    beginRefreshAt: time({
      proto: 5,
      optional: true,
      doc: 'Time when the kubelet should begin to renew the certificate.',
    }),
    notAfter: time({ proto: 6, optional: true, doc: 'Time when the certificate expires.' }),
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
  doc: 'PodCertificateRequest requests a certificate for a pod from a signer. It is created by the kubelet.',
  fields: {
    spec: PodCertificateRequestSpec.value({
      proto: 2,
      required: true,
      doc: 'Requested certificate and the pod that it is for.',
    }),
    status: PodCertificateRequestStatus.value({
      proto: 3,
      doc: 'Decision about the request, and the certificate once it is issued.',
    }),
  },
})
export type PodCertificateRequest = Of<typeof PodCertificateRequest>
