// Answers operations on the objects of extension servers, for clients in this process. Requests over HTTPS are passed
// on unread instead (proxy.ts).
//
// - The user must be allowed to do what the operation says, and the extension server gets the user's name, as with any
//   other client.
// - The answer to a request other than a watch must be complete after 60 s, and has at most 64 MiB. A watch ends after
//   ten minutes at the latest, since a connection that is dead reports nothing. One event has at most 8 MiB.
// - What the server answers is not trusted: of an object of a kind that only discovery lists, the metadata alone is read,
//   and an object without a name, or of another namespace than the one that was asked for, is an error. Objects of known
//   kinds are decoded by their schema.
// - A redirect is an error, as is an answer that is not JSON.
import { joined } from '../../base/waiters.ts'
import type { IncomingMessage } from 'node:http'
import { StatusError } from '../../base/errors.ts'
import type { AnyKind } from '../../api/kind.ts'
import type { Item } from '../../api/mirror.ts'
import type { Operation, Serve, ServedResult, WatchEvent } from '../../api/operation.ts'
import { errorOf, eventsOf, requestOf, resultOf } from '../../api/rest.ts'
import type { APIService } from '../../kinds/apiregistration/apiservice.ts'
import { authorize } from '../authz/authorize.ts'
import type { ServerCore } from '../core.ts'
import { resourceNotFound } from '../errors.ts'
import type { ExtensionProxy } from './proxy.ts'
import { prefixOf } from './target.ts'

const answerMs = 60_000
const watchMs = 600_000
const maxAnswerBytes = 64 << 20
const maxEventBytes = 8 << 20

/**
 * Answers operations on kinds of extension servers by those, and all others by `own`. A kind that this server computes
 * and does not store, such as metrics, is an extension server's if its group and version are registered for one.
 */
export const withExtensions =
  (core: ServerCore, proxy: ExtensionProxy, own: Serve): Serve =>
  operation => {
    const { kind } = operation
    const service = kind.remote || !core.storage.has(kind) ? proxy.find(`/${prefixOf(kind)}`) : undefined
    if (service) return serveRemote(core, proxy, service, operation)
    return kind.remote ? Promise.reject(resourceNotFound()) : own(operation)
  }

async function serveRemote(
  core: ServerCore,
  proxy: ExtensionProxy,
  service: APIService,
  operation: Operation,
): Promise<ServedResult> {
  const waiting = authorize(core, operation)
  if (waiting) await waiting
  const { verb, user } = operation
  // Whatever the kind is, its objects are decoded, since nothing is known about their types.
  const kind = operation.kind.remote ? operation.kind : { ...operation.kind, remote: true }
  const isWatch = verb === 'watch'
  const late = new AbortController()
  const { signal, release } = joined(late.signal, operation.signal)
  const stop = core.clock.after(isWatch ? watchMs : answerMs, () => late.abort())
  const cancel = () => {
    stop()
    release()
  }
  try {
    const answer = await proxy.ask(service, user, requestOf(operation), signal)
    if (isWatch && answer.statusCode === 200)
      return { type: 'watch', kind, events: watchEvents(answer, operation, cancel) }
    const text = await readAll(answer)
    cancel()
    const code = answer.statusCode ?? 0
    // Redirects are not followed, and have no result.
    if (isWatch || code >= 300) throw errorOf(code, text)
    return checked(operation, resultOf({ ...operation, kind }, code, text))
  } catch (error) {
    cancel()
    if (!late.signal.aborted) throw error
    throw new StatusError('Timeout', `the extension server did not answer within ${answerMs / 1000} seconds`, {
      cause: error,
    })
  }
}

async function readAll(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxAnswerBytes) throw new StatusError('InternalError', 'the answer of the extension server is too long')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

async function* watchEvents(
  answer: IncomingMessage,
  operation: Operation,
  cancel: () => void,
): AsyncGenerator<readonly WatchEvent[]> {
  try {
    let rest: Buffer = Buffer.alloc(0)
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      const read = eventsOf(operation.kind, rest, chunk)
      rest = read.rest
      if (rest.length > maxEventBytes)
        throw new StatusError('InternalError', 'an event of the extension server is too long')
      for (const { type, item } of read.events) if (type !== 'BOOKMARK' && type !== 'ERROR') checkItem(operation, item)
      if (read.events.length) yield read.events
    }
  } finally {
    cancel()
    answer.destroy()
  }
}

function checked(operation: Operation, result: ServedResult): ServedResult {
  if (result.type === 'object') checkItem(operation, result.item)
  else if (result.type === 'list') for (const item of result.items) checkItem(operation, item)
  return result
}

function checkItem({ kind, namespace, subresource }: Operation, { object }: Item): void {
  if (subresource || !kind.remote) return
  const { name, uid, namespace: own = '' } = object.metadata
  const isMisplaced = kind.namespaced ? !own || (namespace !== '' && own !== namespace) : own !== ''
  if (name && uid && !isMisplaced) return
  throw malformed(kind, `${own}/${name}`)
}

const malformed = ({ plural }: AnyKind, which: string) =>
  new StatusError('InternalError', `the extension server answered with an object of ${plural} that is none: ${which}`)
