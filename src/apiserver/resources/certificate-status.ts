// Which changes of a certificate request's status are valid. `/approval` sets the decisions, and `/status` sets the
// certificate and the other conditions. A decision cannot be removed, and a certificate cannot be replaced.
// Source: pkg/apis/certificates/validation/validation.go.
import { X509Certificate } from 'node:crypto'
import { sameJson } from '../../api/equal.ts'
import { type Problem, root } from '../../api/path.ts'
import type { CertificateSigningRequest } from '../../kinds/certificates/certificatesigningrequest.ts'

const at = root.field('status')
const final = ['Approved', 'Denied', 'Failed']
const decisions = ['Approved', 'Denied']

/** The problems of a status, and of the change from the old one. */
export function* statusProblems(
  next: CertificateSigningRequest,
  old: CertificateSigningRequest,
  subresource: string,
): Iterable<Problem> {
  yield* conditionProblems(next)
  if (next.status.certificate) yield* certificateProblems(next.status.certificate)
  for (const type of final)
    if (ofType(next, type).length < ofType(old, type).length)
      yield at.field('conditions').forbidden(`updates may not remove a condition of type ${JSON.stringify(type)}`)
  if (subresource !== 'approval')
    for (const type of decisions) {
      const [before, now] = [ofType(old, type), ofType(next, type)]
      const changed = now.some((condition, i) => !sameJson(condition, before[i]))
      if (now.length > before.length)
        yield at.field('conditions').forbidden(`updates may not add a condition of type ${JSON.stringify(type)}`)
      else if (now.length === before.length && changed)
        yield at.field('conditions').forbidden(`updates may not modify a condition of type ${JSON.stringify(type)}`)
    }
  if (old.status.certificate && next.status.certificate !== old.status.certificate)
    yield at.field('certificate').forbidden('updates may not modify existing certificate content')
}

const ofType = ({ status }: CertificateSigningRequest, type: string) =>
  (status.conditions ?? []).filter(c => c.type === type)

function* conditionProblems({ status }: CertificateSigningRequest): Iterable<Problem> {
  const seen = new Set<string>()
  for (const [i, { type = '', status: value = '' }] of (status.conditions ?? []).entries()) {
    const where = at.field('conditions').index(i)
    if (!type) yield where.field('type').required()
    const allowed = final.includes(type) ? ['True'] : ['False', 'True', 'Unknown']
    if (!value) yield where.field('status').required()
    else if (!allowed.includes(value)) yield where.field('status').notSupported(value, allowed)
    if (seen.has(type)) yield where.field('type').duplicate(type)
    seen.add(type)
  }
  if (decisions.every(type => seen.has(type)))
    yield at.field('conditions').invalid('Denied', 'Approved and Denied conditions are mutually exclusive')
}

function* certificateProblems(base64: string): Iterable<Problem> {
  const problem = certificateProblem(Buffer.from(base64, 'base64').toString())
  if (problem) yield at.field('certificate').invalid('<certificate data>', problem)
}

function certificateProblem(pem: string): string | undefined {
  const blocks = [...pem.matchAll(/-----BEGIN ([^-]+)-----[\s\S]*?-----END \1-----/g)]
  if (!blocks.length) return 'must contain at least one CERTIFICATE PEM block'
  for (const [block, type] of blocks) {
    if (type !== 'CERTIFICATE') return `only CERTIFICATE PEM blocks are allowed, found ${JSON.stringify(type)}`
    try {
      new X509Certificate(block)
    } catch (error) {
      return (error as Error).message
    }
  }
  return undefined
}
