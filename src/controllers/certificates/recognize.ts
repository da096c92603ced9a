// The rules of Kubernetes' own signers: which subject, names and usages a certificate request may have for each.
// Source: pkg/apis/certificates/helpers.go, pkg/controller/certificates/signer;
// kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests.
import type { CertificateSigningRequest } from '../../kinds/certificates/certificatesigningrequest.ts'
import type { Node } from '../../kinds/core/node.ts'
import type { RequestInfo } from '../../wire/x509.ts'

const clientSigner = 'kubernetes.io/kube-apiserver-client'
export const kubeletClientSigner = 'kubernetes.io/kube-apiserver-client-kubelet'
export const kubeletServingSigner = 'kubernetes.io/kubelet-serving'
const legacySigner = 'kubernetes.io/legacy-unknown'

const nodePrefix = 'system:node:'
const nodesGroup = 'system:nodes'

export const hasCondition = (csr: CertificateSigningRequest, type: string): boolean =>
  csr.status.conditions?.some(c => c.type === type) ?? false

/**
 * Why the signer that a request names must not sign it. Undefined when it may, or when the signer is not one of ours.
 */
export function signerProblem(csr: CertificateSigningRequest, asked: RequestInfo): string | undefined {
  switch (csr.spec.signerName) {
    case clientSigner:
      return usageProblem(csr, 'client auth')
    case kubeletClientSigner:
      return kubeletClientProblem(csr, asked)
    case kubeletServingSigner:
      return kubeletServingProblem(csr, asked)
    default:
      return undefined
  }
}

/** The signers whose requests the cluster signs itself. */
export const ourSigners: readonly string[] = [clientSigner, kubeletClientSigner, kubeletServingSigner, legacySigner]

function usageProblem({ spec }: CertificateSigningRequest, needed: string): string | undefined {
  const usages = new Set(spec.usages ?? [])
  const allowed = [needed, 'digital signature', 'key encipherment']
  const wrong = [...usages].filter(usage => !allowed.includes(usage))
  if (wrong.length) return `usages did not match: ${wrong.join(', ')} must not be asked for`
  return usages.has(needed) ? undefined : `usages did not match: ${needed} is missing`
}

function nodeSubjectProblem({ commonName, organizations }: RequestInfo): string | undefined {
  if (organizations.length !== 1 || organizations[0] !== nodesGroup) return 'subject organization is not system:nodes'
  if (!commonName.startsWith(nodePrefix)) return 'subject common name does not begin with system:node: '
  return undefined
}

export function kubeletClientProblem(csr: CertificateSigningRequest, asked: RequestInfo): string | undefined {
  if (asked.dnsNames.length) return 'DNS subjectAltNames are not allowed'
  if (asked.emails.length) return 'email subjectAltNames are not allowed'
  if (asked.ips.length) return 'IP subjectAltNames are not allowed'
  if (asked.uris.length) return 'URI subjectAltNames are not allowed'
  return nodeSubjectProblem(asked) ?? usageProblem(csr, 'client auth')
}

function kubeletServingProblem(csr: CertificateSigningRequest, asked: RequestInfo): string | undefined {
  if (!asked.dnsNames.length && !asked.ips.length) return 'DNS or IP subjectAltName is required'
  if (asked.emails.length) return 'email subjectAltNames are not allowed'
  if (asked.uris.length) return 'URI subjectAltNames are not allowed'
  return nodeSubjectProblem(asked) ?? usageProblem(csr, 'server auth')
}

/** Whether a node requests a serving certificate in its own name, with only its own names and addresses. */
export function isOwnServing(csr: CertificateSigningRequest, asked: RequestInfo, node: Node | undefined): boolean {
  if (!node || csr.spec.username !== asked.commonName || !csr.spec.groups?.includes(nodesGroup)) return false
  if (asked.commonName !== nodePrefix + node.metadata.name || kubeletServingProblem(csr, asked)) return false
  const own = new Set((node.status.addresses ?? []).map(a => a.address))
  return [...asked.dnsNames, ...asked.ips].every(name => own.has(name))
}
