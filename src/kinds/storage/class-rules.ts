// What classes of volumes have in common: a driver, and settings for it.
// Source: pkg/apis/storage/validation (validateProvisioner, validateParameters, validateAllowedTopologies).
import { sameJson } from '../../api/equal.ts'
import { own } from '../../base/own.ts'
import { named, type Problems, present } from '../../api/checks.ts'
import { qualifiedNameErrors } from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import type { TopologySelectorTerm } from '../core/affinity.ts'
import { validateTopologyTerm } from '../core/affinity-rules.ts'

const maxParameters = 512
const maxParameterBytes = 256 * 1024

/** The driver that makes the volumes. Its name may have capitals. */
export function* validateProvisioner(name: string, at: Path): Problems {
  yield* present(name, at)
  if (name) yield* named(qualifiedNameErrors, name.toLowerCase(), at)
}

export function* validateParameters(parameters: Readonly<Record<string, string>>, at: Path): Problems {
  const entries = Object.entries(parameters)
  if (entries.length > maxParameters) return yield at.tooLong(maxParameters)
  let bytes = 0
  for (const [key, value] of entries) {
    if (!key) yield at.invalid(key, 'field can not be empty.')
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value)
  }
  if (bytes > maxParameterBytes) yield at.tooLong(maxParameterBytes)
}

/** Places where volumes may be made, each of them once. */
export function* validateTopologies(terms: readonly TopologySelectorTerm[], at: Path): Problems {
  // Kubernetes compares with as many empty places as there are terms, too.
  const seen: object[] = terms.map(() => ({}))
  for (const [i, term] of terms.entries()) {
    yield* validateTopologyTerm(term, at.index(i))
    const place = valuesByKey(term)
    for (const other of seen) if (sameJson(place, other)) yield at.index(i).field('matchLabelExpressions').duplicate('')
    seen.push(place)
  }
}

/** By key the values, whatever their order; of expressions with the same key the first counts. */
function valuesByKey({ matchLabelExpressions = [] }: TopologySelectorTerm): object {
  const place: Record<string, readonly string[]> = {}
  for (const { key, values } of matchLabelExpressions)
    if (!own(place, key)) place[key] = [...new Set(values ?? [])].sort()
  return place
}
