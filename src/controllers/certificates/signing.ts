// Signs approved certificate requests with the cluster's authority, for Kubernetes' own signers.
// Source: pkg/controller/certificates/signer.
import { CertificateSigningRequest } from '../../kinds/certificates/certificatesigningrequest.ts'
import { type Authority, readRequest, signRequest, type Usage } from '../../wire/x509.ts'
import { type Controller, defineController } from '../harness.ts'
import { hasCondition, ourSigners, signerProblem } from './recognize.ts'

/** The longest life of a certificate. Source: the default of --cluster-signing-duration. */
const defaultLifeMs = 365 * 24 * 3600_000

/**
 * Every approved request for one of our signers ends with a certificate or with the condition Failed.
 * @param lifeMs the longest life of a certificate; a request may ask for less
 */
export const certificateSigner = (authority: Authority, lifeMs: number = defaultLifeMs): Controller =>
  defineController({
    name: 'csrsigning',
    identity: 'certificate-controller',
    reconciles: CertificateSigningRequest,
    async reconcile(csr, ctx) {
      const { spec, status } = csr
      if (status.certificate || !hasCondition(csr, 'Approved') || hasCondition(csr, 'Failed')) return
      if (hasCondition(csr, 'Denied') || !ourSigners.includes(spec.signerName ?? '')) return
      const pem = Buffer.from(spec.request ?? '', 'base64').toString()
      const problem = signerProblem(csr, await readRequest(pem))
      if (problem) {
        const failed = { type: 'Failed', status: 'True', reason: 'SignerValidationFailure', message: problem }
        await ctx.writeStatus(CertificateSigningRequest, csr, {
          ...status,
          conditions: [...(status.conditions ?? []), failed],
        })
        return
      }
      const asked = spec.expirationSeconds ? spec.expirationSeconds * 1000 : lifeMs
      const certificate = await signRequest(authority, pem, {
        usages: (spec.usages ?? []) as Usage[],
        now: ctx.now(),
        validMs: Math.min(asked, lifeMs),
      })
      await ctx.writeStatus(CertificateSigningRequest, csr, {
        ...status,
        certificate: Buffer.from(certificate).toString('base64'),
      })
    },
  })
