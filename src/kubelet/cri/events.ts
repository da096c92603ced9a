// The stream of container events, which replaces polling. containerd 1.6 has no CRI event stream, but its own event
// service reports the same. Events are hints to look: the kubelet relists after it subscribes, and every half a minute,
// so that a lost event delays a reaction and cannot prevent it.
// Source: containerd's api/services/events/v1 and api/events.
import { joined } from '../../base/waiters.ts'
import * as grpc from '@grpc/grpc-js'
import { realClock } from '../../base/clock.ts'
import {
  callUnary,
  capital,
  errorOf,
  clientsOf,
  messageReader,
  type Received,
  socketChannelOptions,
  type ServiceClient,
} from '../../wire/grpc.ts'
import { criNamespace } from '../cri-namespace.ts'

/** One event. `containerId` may be the id of a sandbox, since containerd does not distinguish them here. */
export type RuntimeEvent =
  /** Every later event is in the stream. What happened before must be read from the runtime. */
  | { topic: 'subscribed' }
  | { topic: 'created' | 'deleted' | 'oom'; containerId: string; atMs: number }
  | { topic: 'started'; containerId: string; pid: number; atMs: number }
  | { topic: 'exited'; containerId: string; pid: number; exitCode: number; atMs: number }
  /** The end of a process that exec started in a container. */
  | { topic: 'exec-exited'; containerId: string; execId: string; exitCode: number; atMs: number }
  | { topic: 'image-changed' | 'image-deleted'; image: string; atMs: number }

interface RuntimeEvents {
  /**
   * Yields `subscribed`, and then every event in order. Ends when `signal` aborts. Throws when the runtime ends the
   * stream; the caller then subscribes again.
   */
  subscribe(signal: AbortSignal): AsyncIterable<RuntimeEvent>
}

const enums = {} as const
const services = {
  Events: { publish: 'PublishRequest Empty', subscribe: 'SubscribeRequest stream Envelope' },
} as const
const messages = {
  Empty: {},
  PublishRequest: { topic: 'string = 1', event: 'Any = 2' },
  SubscribeRequest: { filters: 'string[] = 1' },
  Timestamp: { seconds: 'int64 = 1', nanos: 'int32 = 2' },
  Any: { typeUrl: 'string = 1', value: 'bytes = 2' },
  Envelope: { timestamp: 'Timestamp = 1', namespace: 'string = 2', topic: 'string = 3', event: 'Any = 4' },
  TaskStart: { containerId: 'string = 1', pid: 'uint32 = 2' },
  TaskExit: {
    containerId: 'string = 1',
    id: 'string = 2',
    pid: 'uint32 = 3',
    exitStatus: 'uint32 = 4',
    exitedAt: 'Timestamp = 5',
  },
  TaskOOM: { containerId: 'string = 1' },
  ContainerCreate: { id: 'string = 1', image: 'string = 2' },
  ContainerDelete: { id: 'string = 1' },
  ImageEvent: { name: 'string = 1' },
} as const
export const definition = { package: 'containerd.services.events.v1', messages, enums, services }

type Of<N extends keyof typeof messages> = Received<typeof messages, typeof enums, N>

/** The events of one containerd namespace, from its socket at `path`. */
export function containerdEvents(path: string, namespace = criNamespace): RuntimeEvents {
  return { subscribe: signal => subscribe(path, namespace, signal) }
}

async function* subscribe(path: string, namespace: string, signal: AbortSignal): AsyncGenerator<RuntimeEvent> {
  const read = messageReader(definition)
  const Client = clientsOf(definition).Events!
  const client = new Client(`unix:${path}`, grpc.credentials.createInsecure(), socketChannelOptions)
  // Events are read at the reader's pace and wait in containerd, so there is no queue here.
  const open = client[capital('subscribe')] as (request: object) => grpc.ClientReadableStream<Of<'Envelope'>>
  const stream = open.call(client, { filters: [`namespace==${namespace}`] })
  const onAbort = () => stream.cancel()
  signal.addEventListener('abort', onAbort, { once: true })
  const subscribed = new AbortController()
  try {
    if (signal.aborted) return
    publishMarks(client, namespace, joined(signal, subscribed.signal).signal).catch((error: Error) =>
      stream.destroy(error),
    )
    for await (const envelope of stream as AsyncIterable<Of<'Envelope'>>) {
      if (!subscribed.signal.aborted) {
        subscribed.abort()
        yield { topic: 'subscribed' }
      }
      const event = eventOf(envelope, read)
      if (event) yield event
    }
    if (!signal.aborted) throw errorOf(endedError())
  } catch (error) {
    if (signal.aborted) return
    throw isServiceError(error) ? errorOf(error) : error
  } finally {
    signal.removeEventListener('abort', onAbort)
    subscribed.abort()
    stream.cancel()
    client.close()
  }
}

/** A topic that containerd itself does not use. */
const markTopic = '/kutter/subscribed'
const markPauseMs = { first: 5, most: 1_000 }
const markTimeoutMs = 30_000

// containerd sends nothing before the first event, so there is no sign of when a subscription begins. Events are
// published until the first one arrives, which proves it.
async function publishMarks(client: ServiceClient, namespace: string, signal: AbortSignal): Promise<void> {
  const mark = { topic: markTopic, event: { typeUrl: '', value: new Uint8Array() } }
  const call = { signal, timeoutMs: markTimeoutMs, metadata: { 'containerd-namespace': namespace } }
  try {
    for (let pauseMs = markPauseMs.first; ; pauseMs = Math.min(pauseMs * 2, markPauseMs.most)) {
      await callUnary(client, 'publish', mark, call)
      await realClock.sleep(pauseMs, signal)
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

type Reader = ReturnType<typeof messageReader>

/** Undefined for topics that the kubelet does not use: snapshots, content, namespaces, task metadata. */
export function eventOf(envelope: Of<'Envelope'>, read: Reader): RuntimeEvent | undefined {
  const body = <N extends keyof typeof messages>(message: N) =>
    read(message, envelope.event?.value ?? new Uint8Array()) as Of<N>
  const atMs = millisOf(envelope.timestamp)
  switch (envelope.topic) {
    case '/tasks/start': {
      const { containerId, pid } = body('TaskStart')
      return { topic: 'started', containerId, pid, atMs }
    }
    case '/tasks/exit': {
      const { containerId, id, pid, exitStatus, exitedAt } = body('TaskExit')
      const exitCode = exitStatus
      const at = exitedAt ? millisOf(exitedAt) : atMs
      if (id !== containerId) return { topic: 'exec-exited', containerId, execId: id, exitCode, atMs: at }
      return { topic: 'exited', containerId, pid, exitCode, atMs: at }
    }
    case '/tasks/oom':
      return { topic: 'oom', containerId: body('TaskOOM').containerId, atMs }
    case '/containers/create':
      return { topic: 'created', containerId: body('ContainerCreate').id, atMs }
    case '/containers/delete':
      return { topic: 'deleted', containerId: body('ContainerDelete').id, atMs }
    case '/images/create':
    case '/images/update':
      return { topic: 'image-changed', image: body('ImageEvent').name, atMs }
    case '/images/delete':
      return { topic: 'image-deleted', image: body('ImageEvent').name, atMs }
    default:
      return undefined
  }
}

function millisOf(stamp: Of<'Timestamp'> | null): number {
  return stamp ? stamp.seconds * 1000 + Math.floor(stamp.nanos / 1e6) : 0
}

const isServiceError = (error: unknown): error is grpc.ServiceError =>
  error instanceof Error && typeof (error as Partial<grpc.ServiceError>).code === 'number' && 'details' in error

function endedError(): grpc.ServiceError {
  const details = 'the runtime closed its event stream'
  return Object.assign(new Error(details), { code: grpc.status.UNAVAILABLE, details, metadata: new grpc.Metadata() })
}
