// The bytes of a watch. A small batch of events is encoded once for all watches that share it. A large one, such as the
// state with which a watch begins, is encoded piece by piece for each watch, so that no bytes are kept for it.
import type { AnyKind } from '../../api/kind.ts'
import type { WatchEvent } from '../../api/operation.ts'
import type { Tally } from '../../base/metrics.ts'
import { type EncodeContext, eventParts } from './encode.ts'
import { pieceBytes } from './list-pieces.ts'
import { tallyOfEvents } from './request-metrics.ts'

/** Events as they are sent, and what there is to count of them. */
interface EventPiece {
  readonly bytes: Buffer
  readonly sizes: Tally
}

/** Encoded batches of events. Watches with the same selection share the array of events, and so its bytes. */
const shared = new WeakMap<readonly WatchEvent[], Partial<Record<EncodeContext['encoding'], EventPiece>>>()
const maxSharedEvents = 100

/** The pieces of a batch of events. `first` says whether the watch begins with it. */
export function* eventPieces(
  context: EncodeContext,
  kind: AnyKind,
  events: readonly WatchEvent[],
  first: boolean,
): Generator<EventPiece, void> {
  if (isSmall(events)) return yield sharedPiece(context, kind, events, first)
  for (let at = 0; at < events.length; ) {
    const piece = new PieceOfEvents()
    while (at < events.length && piece.bytes < pieceBytes) {
      piece.add(eventParts(context, kind, events[at]!, first && at === 0))
      at++
    }
    yield piece.finish()
  }
}

/** The piece that a batch of events is together. */
function sharedPiece(context: EncodeContext, kind: AnyKind, events: readonly WatchEvent[], first: boolean): EventPiece {
  const make = () => {
    const piece = new PieceOfEvents()
    for (const [i, event] of events.entries()) piece.add(eventParts(context, kind, event, first && i === 0))
    return piece.finish()
  }
  if (context.view !== 'object') return make()
  let pieces = shared.get(events)
  if (!pieces) shared.set(events, (pieces = {}))
  return (pieces[context.encoding] ??= make())
}

/** Events that are joined when all are there. */
class PieceOfEvents {
  bytes = 0
  readonly #parts: Buffer[] = []
  readonly #sizes: number[] = []

  add(parts: readonly Buffer[]): void {
    let size = 0
    for (const part of parts) {
      this.#parts.push(part)
      size += part.length
    }
    this.#sizes.push(size)
    this.bytes += size
  }

  finish(): EventPiece {
    return { bytes: Buffer.concat(this.#parts, this.bytes), sizes: tallyOfEvents(this.#sizes) }
  }
}

function isSmall(events: readonly WatchEvent[]): boolean {
  if (events.length > maxSharedEvents) return false
  return events.length === 1 || events.reduce((sum, { item }) => sum + item.storedBytes, 0) <= pieceBytes
}
