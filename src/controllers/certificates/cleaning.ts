// Deletes certificate requests that are not needed any more: an hour after they were denied, failed, or were approved
// and have their certificate; after a day without a decision; and when the certificate has expired.
// Source: pkg/controller/certificates/cleaner.
import { parseTime } from '../../api/time.ts'
import { CertificateSigningRequest } from '../../kinds/certificates/certificatesigningrequest.ts'
import { readCertificate } from '../../wire/x509.ts'
import { defineController } from '../harness.ts'

const hourMs = 3600_000
const pendingMs = 24 * hourMs

export const certificateCleaner = defineController({
  name: 'csrcleaner',
  identity: 'certificate-controller',
  reconciles: CertificateSigningRequest,
  async reconcile(csr, ctx) {
    const again = deleteAt(csr) - ctx.now()
    if (again > 0) return { again }
    await ctx.delete(CertificateSigningRequest, csr)
  },
})

/** When a request is deleted, in milliseconds since the epoch. */
export function deleteAt(csr: CertificateSigningRequest): number {
  const { conditions = [], certificate } = csr.status
  const since = (type: string) => {
    const condition = conditions.find(c => c.type === type)
    return condition && (parseTime(condition.lastUpdateTime) ?? 0) + hourMs
  }
  const created = parseTime(csr.metadata.creationTimestamp) ?? 0
  const times = [
    since('Denied'),
    since('Failed'),
    certificate ? since('Approved') : undefined,
    certificate ? endOf(certificate) : undefined,
    conditions.length ? undefined : created + pendingMs,
  ].filter(time => time !== undefined)
  // A request that is approved and not yet signed stays: its signer may be down.
  return times.length ? Math.min(...times) : Number.POSITIVE_INFINITY
}

function endOf(certificate: string): number {
  return readCertificate(Buffer.from(certificate, 'base64').toString()).notAfter
}
