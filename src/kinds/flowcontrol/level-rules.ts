// How a priority level may limit requests.
// Source: pkg/apis/flowcontrol/validation (ValidatePriorityLevelConfigurationSpec and below).
import { oneOf, type Problems } from '../../api/checks.ts'
import type { Path } from '../../api/path.ts'
import type {
  LimitedPriorityLevelConfiguration,
  LimitResponse,
  PriorityLevelConfigurationSpec,
  QueuingConfiguration,
} from './level-types.ts'

const maxQueues = 10_000_000
const maxEntropyBits = 60

export function* validateLevel(name: string, spec: PriorityLevelConfigurationSpec, at: Path): Problems {
  const { type, limited, exempt } = spec
  if ((name === 'exempt') !== (type === 'Exempt'))
    yield at.field('type').invalid(type, "must be 'Exempt' if and only if `name` is 'exempt'")
  if (type === 'Exempt') {
    if (limited) yield at.field('limited').forbidden('must be nil if the type is not Limited')
    if (exempt) yield* validateShares(exempt, at.field('exempt'))
  } else if (type === 'Limited') {
    if (exempt) yield at.field('exempt').forbidden('must be nil if the type is Limited')
    if (limited) yield* validateLimited(limited, at.field('limited'))
    else yield at.field('limited').required('must not be empty when type is Limited')
  } else yield* oneOf(type, ['Exempt', 'Limited'], at.field('type'))
}

interface Shares {
  readonly nominalConcurrencyShares?: number
  readonly lendablePercent?: number
}

function* validateShares(
  { nominalConcurrencyShares: shares = 0, lendablePercent: lent = 0 }: Shares,
  at: Path,
): Problems {
  if (shares < 0) yield at.field('nominalConcurrencyShares').invalid(shares, 'must be a non-negative integer')
  if (lent < 0 || lent > 100) yield at.field('lendablePercent').invalid(lent, 'must be between 0 and 100, inclusive')
}

function* validateLimited(limited: LimitedPriorityLevelConfiguration, at: Path): Problems {
  yield* validateShares(limited, at)
  yield* validateResponse(limited.limitResponse, at.field('limitResponse'))
  const { borrowingLimitPercent: borrowed = 0 } = limited
  if (borrowed < 0)
    yield at.field('borrowingLimitPercent').invalid(borrowed, 'if specified, must be a non-negative integer')
}

function* validateResponse({ type, queuing }: LimitResponse, at: Path): Problems {
  const path = at.field('queuing')
  if (type === 'Reject') {
    if (queuing) yield path.forbidden('must be nil if limited.limitResponse.type is not Limited')
  } else if (type === 'Queue') {
    if (queuing) yield* validateQueuing(queuing, path)
    else yield path.required('must not be empty if limited.limitResponse.type is Limited')
  } else yield* oneOf(type, ['Queue', 'Reject'], at.field('type'))
}

function* validateQueuing(queuing: QueuingConfiguration, at: Path): Problems {
  const { queueLengthLimit, queues, handSize } = queuing
  if (queueLengthLimit <= 0) yield at.field('queueLengthLimit').invalid(queueLengthLimit, 'must be positive')
  if (queues <= 0) yield at.field('queues').invalid(queues, 'must be positive')
  else if (queues > maxQueues) yield at.field('queues').invalid(queues, `must not be greater than ${maxQueues}`)
  if (handSize <= 0) yield at.field('handSize').invalid(handSize, 'must be positive')
  else if (handSize > queues)
    yield at.field('handSize').invalid(handSize, `should not be greater than queues (${queues})`)
  else if (handSize * Math.ceil(Math.log2(queues)) > maxEntropyBits)
    yield at
      .field('handSize')
      .invalid(
        handSize,
        `required entropy bits of deck ${queues} and hand ${handSize} should not be greater than ${maxEntropyBits}`,
      )
}
