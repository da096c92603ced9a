// Certificate requests: who asks is written down by the server; approving and signing are rights of their own, per
// signer; nobody gets a certificate that would make him a superuser.
// Source: plugin/pkg/admission/certificates, pkg/registry/certificates/certificates/strategy.go.
import type { Clock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import { invalidError, root } from '../../api/path.ts'
import { timeText } from '../../api/time.ts'
import { CertificateSigningRequest } from '../../kinds/certificates/certificatesigningrequest.ts'
import { readRequest } from '../../wire/x509.ts'
import type { Authorizer } from '../authz/authorizer.ts'
import { forbidden } from '../errors.ts'
import { statusProblems } from '../resources/certificate-status.ts'
import { throwProblems } from '../write.ts'
import type { AdmissionRequest } from './request.ts'
import type { AdmissionPlugin } from './chain.ts'
import type { Mutable } from '../../api/schema/node.ts'

export function certificateAdmission(clock: Clock, authorizer: Authorizer): AdmissionPlugin {
  const isCertificate = ({ operation: { kind } }: AdmissionRequest) =>
    kind.group === CertificateSigningRequest.group && kind.plural === CertificateSigningRequest.plural
  return {
    name: 'Certificates',
    mutate(request) {
      if (!isCertificate(request)) return
      const csr = request.object as Mutable<CertificateSigningRequest>
      if (request.type === 'CREATE') {
        const { name, uid, groups, extra } = request.operation.user
        csr.spec.username = name
        csr.spec.groups = [...groups]
        if (uid) csr.spec.uid = uid
        else delete csr.spec.uid
        if (extra) csr.spec.extra = Object.fromEntries(Object.entries(extra).map(([key, list]) => [key, [...list]]))
        else delete csr.spec.extra
      } else if (request.type === 'UPDATE') {
        const old = request.old as CertificateSigningRequest
        stamp(csr, old, timeText(clock.now()))
      }
    },
    async validate(request) {
      if (!isCertificate(request)) return
      const csr = request.object as Mutable<CertificateSigningRequest>
      if (request.type === 'CREATE') return checkSubject(request, csr)
      if (request.type !== 'UPDATE') return
      const old = request.old as CertificateSigningRequest
      const { subresource } = request.operation
      if (subresource === 'approval') demand(authorizer, request, 'approve', csr.spec.signerName ?? '')
      else if (subresource === 'status' && isSigning(csr, old))
        demand(authorizer, request, 'sign', csr.spec.signerName ?? '')
      throwProblems(request.operation.kind, csr.metadata.name ?? '', statusProblems(csr, old, subresource))
    },
  }
}

async function checkSubject({ operation }: AdmissionRequest, csr: CertificateSigningRequest): Promise<void> {
  let asked: Awaited<ReturnType<typeof readRequest>>
  try {
    asked = await readRequest(Buffer.from(csr.spec.request ?? '', 'base64').toString())
  } catch (error) {
    throw invalidError(operation.kind, operation.name, [
      root.field('spec', 'request').invalid(csr.spec.request, messageOf(error)),
    ])
  }
  if (csr.spec.signerName === 'kubernetes.io/kube-apiserver-client' && asked.organizations.includes('system:masters'))
    throw forbidden(
      operation.kind,
      operation.name,
      'use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed',
    )
}

/** Throws Forbidden unless the user may `verb` for this signer, or for all of its domain. */
function demand(authorizer: Authorizer, { operation }: AdmissionRequest, verb: string, signer: string): void {
  const domain = signer.slice(0, signer.indexOf('/'))
  const may = [signer, `${domain}/*`].some(
    name =>
      authorizer.authorize({
        user: operation.user,
        verb,
        group: 'certificates.k8s.io',
        resource: 'signers',
        subresource: '',
        namespace: '',
        name,
      }).allowed,
  )
  if (!may)
    throw forbidden(
      operation.kind,
      operation.name,
      `user not permitted to ${verb} requests with signerName ${JSON.stringify(signer)}`,
    )
}

function stamp(csr: Mutable<CertificateSigningRequest>, old: CertificateSigningRequest, now: string): void {
  for (const condition of csr.status.conditions ?? []) {
    const before = old.status.conditions?.find(c => c.type === condition.type)
    condition.lastTransitionTime ??= before?.lastTransitionTime ?? now
    condition.lastUpdateTime ??= now
  }
}

const isSigning = (csr: CertificateSigningRequest, old: CertificateSigningRequest): boolean =>
  csr.status.certificate !== old.status.certificate || JSON.stringify(csr.status) !== JSON.stringify(old.status)
