// Approves certificate requests of nodes: their first client certificate, its renewals, and serving certificates for
// their own addresses. A SubjectAccessReview decides whether the requester may have a client certificate.
// Source: pkg/controller/certificates/approver. Upstream leaves the approval of serving certificates to administrators.
import { SubjectAccessReview } from '../../kinds/authorization/subjectaccessreview.ts'
import { CertificateSigningRequest } from '../../kinds/certificates/certificatesigningrequest.ts'
import { Node } from '../../kinds/core/node.ts'
import { type RequestInfo, readRequest } from '../../wire/x509.ts'
import type { Context } from '../context.ts'
import { defineController, watch } from '../harness.ts'
import {
  hasCondition,
  isOwnServing,
  kubeletClientProblem,
  kubeletClientSigner,
  kubeletServingSigner,
} from './recognize.ts'

export const certificateApprover = defineController({
  name: 'csrapproving',
  identity: 'certificate-controller',
  reconciles: CertificateSigningRequest,
  watches: [
    // A node may request its serving certificate before its addresses are in its status.
    watch(Node, function* (node, caches) {
      const user = `system:node:${node.metadata.name}`
      const own = caches(CertificateSigningRequest).matching('csrapproving', csr => csr.spec.username === user)
      for (const { metadata } of own) yield metadata.name ?? ''
    }),
  ],
  when: csr => !csr.status.certificate,
  async reconcile(csr, ctx) {
    if (csr.status.certificate || hasCondition(csr, 'Approved') || hasCondition(csr, 'Denied')) return
    const { signerName } = csr.spec
    if (signerName !== kubeletClientSigner && signerName !== kubeletServingSigner) return
    const asked = await readRequest(Buffer.from(csr.spec.request ?? '', 'base64').toString())
    if (signerName === kubeletServingSigner) {
      const node = ctx.cache(Node).get(undefined, asked.commonName.slice('system:node:'.length))
      if (isOwnServing(csr, asked, node))
        await approve(csr, 'Auto approving kubelet serving certificate for the addresses of its own node.', ctx)
      return
    }
    await approveClient(csr, asked, ctx)
  },
})

async function approveClient(csr: CertificateSigningRequest, asked: RequestInfo, ctx: Context): Promise<void> {
  if (kubeletClientProblem(csr, asked)) return
  const self = csr.spec.username === asked.commonName
  if (!(await allowed(csr, self ? 'selfnodeclient' : 'nodeclient', ctx))) return
  const what = self ? 'self kubelet client certificate' : 'kubelet client certificate'
  await approve(csr, `Auto approving ${what} after SubjectAccessReview.`, ctx)
}

async function allowed({ spec }: CertificateSigningRequest, subresource: string, ctx: Context): Promise<boolean> {
  const attributes = {
    group: 'certificates.k8s.io',
    resource: 'certificatesigningrequests',
    verb: 'create',
    subresource,
    namespace: '*',
    version: '*',
  }
  const review = await ctx.client.create(SubjectAccessReview, {
    metadata: {},
    spec: {
      user: spec.username ?? '',
      groups: [...(spec.groups ?? [])],
      ...(spec.uid && { uid: spec.uid }),
      resourceAttributes: attributes,
    },
  })
  return review.status.allowed ?? false
}

async function approve(csr: CertificateSigningRequest, message: string, ctx: Context): Promise<void> {
  const condition = { type: 'Approved', status: 'True', reason: 'AutoApproved', message }
  const conditions = [...(csr.status.conditions ?? []), condition]
  await ctx.update(
    CertificateSigningRequest,
    { ...csr, status: { ...csr.status, conditions } },
    {
      subresource: 'approval',
    },
  )
}
