// What is wrong with a bundle of trust anchors: with the name that its signer gives it, and with its certificates.
// Source: pkg/apis/certificates/validation (ValidateClusterTrustBundle, validateTrustBundle).
import { X509Certificate } from 'node:crypto'
import type { Path, Problem } from '../../api/path.ts'
import { signerErrors, trustBundleErrors } from './signer-names.ts'

type Problems = Iterable<Problem>
interface Bundle {
  metadata: { name?: string }
  spec: { signerName?: string; trustBundle: string }
}

const maxBundleBytes = 1024 * 1024

export function* validateBundle({ metadata, spec }: Bundle, old: Bundle | undefined, at: Path): Problems {
  const { signerName = '' } = spec
  const { name = '' } = metadata
  for (const error of trustBundleErrors(name, signerName)) yield at.field('metadata', 'name').invalid(name, error)
  if (signerName)
    for (const error of signerErrors(signerName)) yield at.field('spec', 'signerName').invalid(signerName, error)
  // What was stored once stays good, whatever is thought of certificates since.
  if (old?.spec.trustBundle !== spec.trustBundle)
    yield* validateAnchors(spec.trustBundle, at.field('spec', 'trustBundle'))
}

function* validateAnchors(text: string, at: Path): Problems {
  if (Buffer.byteLength(text) > maxBundleBytes) {
    yield at.tooLong(maxBundleBytes)
    return
  }
  const invalid = (why: string) => at.invalid('<value omitted>', why)
  const places = new Map<string, number[]>()
  const problems: Problem[] = []
  for (const [i, entry] of entriesOf(text).entries()) {
    const why = entryProblem(entry)
    if (why) problems.push(invalid(`entry ${i} ${why}`))
    else places.set(entry.der.toString('base64'), [...(places.get(entry.der.toString('base64')) ?? []), i])
  }
  if (problems.length) yield* problems
  else if (!places.size) yield invalid('at least one trust anchor must be provided')
  for (const indices of problems.length ? [] : places.values())
    if (indices.length > 1) yield invalid(`duplicate trust anchor (indices [${indices.join(' ')}])`)
}

interface Entry {
  type: string
  hasHeaders: boolean
  der: Buffer
}

/** The blocks of a text in PEM format, with anything between them. */
function entriesOf(text: string): Entry[] {
  const blocks = text.matchAll(/^-----BEGIN ([^\n]*?)-----[ \t\r]*\n([^-]*?)^-----END \1-----[ \t\r]*$/gms)
  return [...blocks].map(([, type = '', body = '']) => {
    const lines = body.split('\n')
    const data = lines.filter(line => !line.includes(':'))
    return { type, hasHeaders: data.length < lines.length, der: Buffer.from(data.join(''), 'base64') }
  })
}

function entryProblem({ type, hasHeaders, der }: Entry): string | undefined {
  if (type !== 'CERTIFICATE') return `has bad block type: ${type}`
  if (hasHeaders) return 'has PEM block headers'
  try {
    return new X509Certificate(der).ca ? undefined : 'does not have the CA bit set'
  } catch {
    return 'does not parse as X.509'
  }
}
