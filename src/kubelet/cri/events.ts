// What happens to containers, as containerd tells it: a stream that replaces polling. containerd 1.6 has no CRI event
// stream, but its own event service has said the same since 1.0. The kubelet relists after subscribing and, rarely,
// after that: events are a hint to look, never the only truth.
// Source: containerd's api/services/events/v1 and api/events.
import * as grpc from '@grpc/grpc-js'
import { capital, errorOf, loadDefinition, messageReader, type Received, socketChannelOptions } from '../grpc.ts'

/** One event; `containerId` names a container or a sandbox, which containerd does not tell apart here. */
export type RuntimeEvent =
  | { topic: 'created' | 'deleted' | 'oom'; containerId: string; atMs: number }
  | { topic: 'started'; containerId: string; pid: number; atMs: number }
  | { topic: 'exited'; containerId: string; pid: number; exitCode: number; atMs: number }
  /** A process that was put into a container by exec. */
  | { topic: 'exec-exited'; containerId: string; execId: string; exitCode: number; atMs: number }
  | { topic: 'image-changed' | 'image-deleted'; image: string; atMs: number }

export interface RuntimeEvents {
  /**
   * Events from now on, in order. Ends when `signal` aborts; throws when the runtime goes away, after which the caller
   * subscribes again and relists.
   */
  subscribe(signal: AbortSignal): AsyncIterable<RuntimeEvent>
}

const enums = {} as const
const services = { Events: { subscribe: 'SubscribeRequest stream Envelope' } } as const
const messages = {
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
const definition = { package: 'containerd.services.events.v1', messages, enums, services }

type Of<N extends keyof typeof messages> = Received<typeof messages, typeof enums, N>

/** The events of one containerd namespace, from its socket at `path`. */
export function containerdEvents(path: string, namespace = 'k8s.io'): RuntimeEvents {
  return { subscribe: signal => subscribe(path, namespace, signal) }
}

async function* subscribe(path: string, namespace: string, signal: AbortSignal): AsyncGenerator<RuntimeEvent> {
  const read = messageReader(definition)
  const root = loadDefinition(definition) as unknown as {
    containerd: { services: { events: { v1: Record<string, grpc.ServiceClientConstructor> } } }
  }
  const Client = root.containerd.services.events.v1.Events!
  const client = new Client(`unix:${path}`, grpc.credentials.createInsecure(), socketChannelOptions)
  // The stream is read at the reader's pace; containerd keeps what waits, so there is no queue of our own to bound.
  const open = (client as unknown as Record<string, (request: object) => grpc.ClientReadableStream<Of<'Envelope'>>>)[
    capital('subscribe')
  ]!
  const stream = open.call(client, { filters: [`namespace==${namespace}`] })
  const onAbort = () => stream.cancel()
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    if (signal.aborted) return
    for await (const envelope of stream as AsyncIterable<Of<'Envelope'>>) {
      const event = eventOf(envelope, read)
      if (event) yield event
    }
    if (!signal.aborted) throw errorOf(endedError())
  } catch (error) {
    if (signal.aborted) return
    throw isServiceError(error) ? errorOf(error) : error
  } finally {
    signal.removeEventListener('abort', onAbort)
    stream.cancel()
    client.close()
  }
}

type Reader = ReturnType<typeof messageReader>

/** Undefined for topics the kubelet has no use for (snapshots, content, namespaces, task metadata). */
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
