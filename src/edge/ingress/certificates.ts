// What clients get whose host has no certificate.
import { issue, makeAuthority } from '../../wire/x509.ts'

const tenYearsMs = 10 * 365 * 24 * 3600_000

/** What is shown to clients whose host has no certificate. Nobody trusts it. */
export async function placeholderPem(now: number): Promise<string> {
  const authority = await makeAuthority({ commonName: 'kutter-ingress', now, validMs: tenYearsMs })
  const subject = { commonName: 'kutter-ingress', dnsNames: ['ingress.invalid'] }
  const { certPem, keyPem } = await issue(authority, subject, {
    usages: ['server auth', 'digital signature'],
    now,
    validMs: tenYearsMs,
  })
  return certPem + keyPem
}
