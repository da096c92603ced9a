// The bytes of a watch. A small batch of events is encoded once for all watches that share it. A large one, such as the
// state with which a watch begins, is encoded piece by piece for each watch, so that no bytes are kept for it.
import type { AnyKind } from '../../api/kind.ts'
import type { WatchEvent } from '../../api/operation.ts'
import { encodeEvent, type EncodeContext } from './encode.ts'
import { gathered, pieceBytes } from './list-pieces.ts'

/** Events as they are sent, and the size of each. */
interface Chunk {
  bytes: Buffer
  sizes: readonly number[]
}

/** Encoded batches of events. Watches with the same selection share the array of events, and so its bytes. */
const chunks = new WeakMap<readonly WatchEvent[], Partial<Record<EncodeContext['encoding'], Chunk>>>()
const maxSharedEvents = 100

/**
 * The pieces of a batch of events. `first` says whether the watch begins with it. `count` is called with the sizes of
 * the events that are in the next piece.
 */
export function* eventPieces(
  context: EncodeContext,
  kind: AnyKind,
  events: readonly WatchEvent[],
  first: boolean,
  count: (sizes: readonly number[]) => void,
): Generator<Buffer, void> {
  const encode = (i: number) => encodeEvent(context, kind, events[i]!.type, events[i]!.item, first && i === 0)
  if (isSmall(events)) {
    const { bytes, sizes } = sharedChunk(context, events, encode)
    count(sizes)
    return yield bytes
  }
  const encoded = function* () {
    for (const i of events.keys()) {
      const bytes = encode(i)
      count([bytes.length])
      yield bytes
    }
  }
  yield* gathered(encoded())
}

function sharedChunk(context: EncodeContext, events: readonly WatchEvent[], encode: (i: number) => Buffer): Chunk {
  const make = () => {
    const all = events.map((_, i) => encode(i))
    return { bytes: Buffer.concat(all), sizes: all.map(({ length }) => length) }
  }
  if (context.view !== 'object') return make()
  let shared = chunks.get(events)
  if (!shared) chunks.set(events, (shared = {}))
  return (shared[context.encoding] ??= make())
}

function isSmall(events: readonly WatchEvent[]): boolean {
  if (events.length > maxSharedEvents) return false
  return events.length === 1 || events.reduce((sum, { item }) => sum + item.storedBytes, 0) <= pieceBytes
}
