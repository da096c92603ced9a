// Admission of certificate requests and trust bundles.
//
// - The server sets who has made a request, whatever the request contains.
// - Approving, signing, and attesting the root certificates of a signer need rights of their own, for one signer or for
//   all signers of its domain.
// - A certificate for the API server with the group of superusers is refused.
//
// Source: plugin/pkg/admission/certificates (approval, signing, subjectrestriction, ctbattest),
// pkg/registry/certificates (certificates, podcertificaterequest).
import type { Clock } from '../../base/clock.ts'
import { messageOf } from '../../base/errors.ts'
import { sameJson } from '../../api/equal.ts'
import { invalidError, root } from '../../api/path.ts'
import type { User } from '../../api/operation.ts'
import { timeText } from '../../api/time.ts'
import { CertificateSigningRequest } from '../../kinds/certificates/certificatesigningrequest.ts'
import { ClusterTrustBundle } from '../../kinds/certificates/clustertrustbundle.ts'
import { PodCertificateRequest } from '../../kinds/certificates/podcertificaterequest.ts'
import { readRequest } from '../../wire/x509.ts'
import type { Authorizer } from '../authz/authorizer.ts'
import { forbidden } from '../errors.ts'
import { statusProblems } from '../resources/certificate-status.ts'
import { throwProblems } from '../write.ts'
import type { AdmissionRequest } from './request.ts'
import type { AdmissionPlugin } from './chain.ts'
import { onlyReleased } from './released.ts'
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
      if (request.operation.kind === ClusterTrustBundle) return checkBundle(authorizer, request)
      if (request.operation.kind === PodCertificateRequest) return checkPodCertificate(authorizer, request)
      if (!isCertificate(request)) return
      const csr = request.object as Mutable<CertificateSigningRequest>
      if (request.type === 'CREATE') return checkSubject(request, csr)
      if (request.type !== 'UPDATE') return
      const old = request.old as CertificateSigningRequest
      const { subresource } = request.operation
      if (subresource === 'approval') await demand(authorizer, request, 'approve', csr.spec.signerName ?? '')
      else if (subresource === 'status' && isSigning(csr, old))
        await demand(authorizer, request, 'sign', csr.spec.signerName ?? '')
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

/** Throws Forbidden unless a user who writes the trust bundle of a signer may attest for that signer. */
async function checkBundle(authorizer: Authorizer, request: AdmissionRequest): Promise<void> {
  const { type, operation } = request
  const bundle = request.object as ClusterTrustBundle | undefined
  if ((type !== 'CREATE' && type !== 'UPDATE') || !bundle?.spec.signerName || onlyReleased(request)) return
  const { signerName } = bundle.spec
  if (!(await mayFor(authorizer, operation.user, 'attest', signerName)))
    throw forbidden(
      operation.kind,
      operation.name,
      `user not permitted to attest for signerName ${JSON.stringify(signerName)}`,
    )
}

/** Throws Invalid unless a user who sets the certificate of a pod may sign for the request's signer. */
async function checkPodCertificate(authorizer: Authorizer, request: AdmissionRequest): Promise<void> {
  const { type, operation } = request
  if (type !== 'UPDATE' || operation.subresource !== 'status') return
  const [next, old] = [request.object as Mutable<PodCertificateRequest>, request.old as PodCertificateRequest]
  const { signerName = '' } = old.spec
  if (next.status.certificateChain === old.status.certificateChain) return
  if (!(await mayFor(authorizer, operation.user, 'sign', signerName)))
    throw invalidError(operation.kind, operation.name, [
      root
        .field('spec', 'signerName')
        .forbidden(`User ${JSON.stringify(operation.user.name)} is not permitted to "sign" for signer "${signerName}"`),
    ])
}

/** Throws Forbidden unless the user may `verb` requests for this signer. */
async function demand(
  authorizer: Authorizer,
  { operation }: AdmissionRequest,
  verb: string,
  signer: string,
): Promise<void> {
  if (!(await mayFor(authorizer, operation.user, verb, signer)))
    throw forbidden(
      operation.kind,
      operation.name,
      `user not permitted to ${verb} requests with signerName ${JSON.stringify(signer)}`,
    )
}

/** Whether the user may `verb` for a signer, or for all of its domain. */
async function mayFor(authorizer: Authorizer, user: User, verb: string, signer: string): Promise<boolean> {
  const all = { user, verb, group: 'certificates.k8s.io', resource: 'signers', subresource: '', namespace: '' }
  for (const name of [signer, `${signer.slice(0, signer.indexOf('/'))}/*`])
    if ((await authorizer.authorize({ ...all, name })).allowed) return true
  return false
}

function stamp(csr: Mutable<CertificateSigningRequest>, old: CertificateSigningRequest, now: string): void {
  for (const condition of csr.status.conditions ?? []) {
    const before = old.status.conditions?.find(c => c.type === condition.type)
    condition.lastTransitionTime ??= before?.lastTransitionTime ?? now
    condition.lastUpdateTime ??= now
  }
}

const isSigning = (csr: CertificateSigningRequest, old: CertificateSigningRequest): boolean =>
  csr.status.certificate !== old.status.certificate || !sameJson(csr.status, old.status)
