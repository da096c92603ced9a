// gRPC clients from definitions that are plain objects. `{ id: 'string = 1', envs: 'KeyValue[] = 6' }` stands for a
// message of a .proto file: TypeScript derives the types of messages from it, and a client for a Unix socket is made
// from it. The services of CRI, of containerd and of health checks are defined this way.
import * as grpc from '@grpc/grpc-js'
import { fromJSON, type MessageTypeDefinition } from '@grpc/proto-loader'
import { realClock } from '../base/clock.ts'
import { type Reason, StatusError } from '../base/errors.ts'

/**
 * Message name → field name → `TYPE = NUMBER`. A type is a scalar, `map`, `map<MESSAGE or bytes>`, a message or an enum; `[]`
 * repeats it.
 */
type MessageWords = Readonly<Record<string, Readonly<Record<string, string>>>>
/** Enum name → its names in order from 0, separated by one space. */
type EnumWords = Readonly<Record<string, string>>

/** Method, first letter small → `Request Response`; `stream ` before one of them makes it a stream. */
export type ServiceWords = Readonly<Record<string, string>>

type Scalars = {
  string: string
  bool: boolean
  bytes: Uint8Array
  /** A map from string to string. */
  map: Record<string, string>
  double: number
  int32: number
  uint32: number
  /** 64-bit numbers are read as doubles, so that nanoseconds since the epoch lose their last two digits. */
  int64: number
  uint64: number
  /**
   * A 64-bit number as its decimal digits, without loss. A definition that has one has no `int64` or `uint64`, since all
   * 64-bit numbers of a definition are read the same way.
   */
  digits: string
}
// The second argument collects the result. Such recursion may be as deep as CRI's list of signals needs.
type Words<S extends string, Found = never> = S extends `${infer Head} ${infer Tail}`
  ? Words<Tail, Found | Head>
  : Found | S
type TypeOf<T, M extends MessageWords, E extends EnumWords> = T extends `${infer Item}[]`
  ? TypeOf<Item, M, E>[]
  : T extends 'map<bytes>'
    ? Record<string, Uint8Array>
    : T extends `map<${infer Value extends keyof M & string}>`
      ? Record<string, Received<M, E, Value>>
      : T extends keyof Scalars
        ? Scalars[T]
        : T extends keyof M
          ? Received<M, E, T> | null
          : T extends keyof E
            ? Words<E[T]>
            : never

/** A message as it is received: every scalar, list and map has a value, and an absent message is null. */
export type Received<M extends MessageWords, E extends EnumWords, N extends keyof M> = {
  [K in keyof M[N]]: M[N][K] extends `${infer T} = ${number}`
    ? T extends `${infer Item}[]`
      ? NonNullable<TypeOf<Item, M, E>>[]
      : TypeOf<T, M, E>
    : never
}

/** A message as it is sent. Fields that are left out have their zero value. */
export type Sent<T> = T extends string | number | boolean | Uint8Array
  ? T
  : T extends (infer Item)[]
    ? readonly Sent<Item>[]
    : { readonly [K in keyof T]?: Sent<NonNullable<T[K]>> | undefined }

export interface Definition {
  package: string
  messages: MessageWords
  enums: EnumWords
  services: Readonly<Record<string, ServiceWords>>
}

/** A client of a service, with a method for each call. */
export type ServiceClient = InstanceType<grpc.ServiceClientConstructor>

/** The constructors of the clients of a definition's services, by name. */
export function clientsOf(definition: Definition): Readonly<Record<string, grpc.ServiceClientConstructor>> {
  let at = grpc.loadPackageDefinition(packageOf(definition))
  for (const name of definition.package.split('.')) at = at[name] as grpc.GrpcObject
  return at as Record<string, grpc.ServiceClientConstructor>
}

/** A client of one service of the program that listens on a Unix socket. `maxBytes`: of an answer. */
export function socketClient(
  definition: Definition,
  service: string,
  socket: string,
  maxBytes = maxAnswerBytes,
): ServiceClient {
  const Client = clientsOf(definition)[service]!
  const options = { ...socketChannelOptions, 'grpc.max_receive_message_length': maxBytes }
  return new Client(`unix:${socket}`, grpc.credentials.createInsecure(), options)
}

/** A function that decodes messages that others contain as bytes (`Any`), by the message's short name. */
export function messageReader(definition: Definition): (message: string, bytes: Uint8Array) => unknown {
  const loaded = packageOf(definition)
  return (message, bytes) => {
    const type = loaded[`${definition.package}.${message}`] as MessageTypeDefinition<object, object>
    return type.deserialize(Buffer.from(bytes))
  }
}

/** Functions that encode and decode a message that is stored rather than sent, by its short name. */
export function messageCodec(
  definition: Definition,
  message: string,
): { encode(value: object): Buffer; decode(bytes: Uint8Array): object } {
  const type = packageOf(definition)[`${definition.package}.${message}`] as MessageTypeDefinition<object, object>
  return { encode: value => type.serialize(value), decode: bytes => type.deserialize(Buffer.from(bytes)) }
}

function packageOf(definition: Definition): ReturnType<typeof fromJSON> {
  const nested: Record<string, object> = {}
  const fieldsOf = Object.values(definition.messages).flatMap(words => Object.values(words))
  const longs = fieldsOf.some(text => text.startsWith('digits')) ? String : Number
  for (const [name, words] of Object.entries(definition.messages)) {
    const fields = Object.entries(words).map(([field, text]) => [field, readField(text)])
    nested[name] = { fields: Object.fromEntries(fields) }
  }
  for (const [name, words] of Object.entries(definition.enums)) {
    nested[name] = { values: Object.fromEntries(words.split(' ').map((word, number) => [word, number])) }
  }
  for (const [name, words] of Object.entries(definition.services)) {
    const methods = Object.entries(words).map(([method, text]) => {
      const [, requestStream, requestType, responseStream, responseType] = methodSyntax.exec(text) ?? []
      const streams = { requestStream: requestStream !== undefined, responseStream: responseStream !== undefined }
      return [capital(method), { requestType, responseType, ...streams }]
    })
    nested[name] = { methods: Object.fromEntries(methods) }
  }
  let json: object = { nested }
  for (const part of definition.package.split('.').reverse()) json = { nested: { [part]: json } }
  return fromJSON(json as Parameters<typeof fromJSON>[0], { longs, enums: String, defaults: true })
}

const methodSyntax = /^(stream )?(\S+) (stream )?(\S+)$/

function readField(text: string): object {
  const [word = '', number] = text.split(' = ')
  const type = word.replace(/^digits/, 'uint64')
  const id = Number(number)
  const map = /^map(?:<(.+)>)?$/.exec(type)
  if (map) return { keyType: 'string', type: map[1] ?? 'string', id }
  return type.endsWith('[]') ? { rule: 'repeated', type: type.slice(0, -2), id } : { type, id }
}

export interface CallOptions {
  signal?: AbortSignal | undefined
  /** After this time the call fails with the reason Timeout. Without it, there is no limit. */
  timeoutMs?: number | undefined
  /** Headers of the call. */
  metadata?: Readonly<Record<string, string>>
}

/** A method of a client, which `clientsOf` makes by name. */
type UnaryMethod = (
  request: object,
  metadata: grpc.Metadata,
  options: grpc.CallOptions,
  callback: (error: grpc.ServiceError | null, response: object) => void,
) => grpc.ClientUnaryCall

type StreamMethod = (
  request: object,
  metadata: grpc.Metadata,
  options: grpc.CallOptions,
) => grpc.ClientReadableStream<object>

function metadataOf({ metadata = {} }: Pick<CallOptions, 'metadata'>): grpc.Metadata {
  const out = new grpc.Metadata()
  for (const [key, value] of Object.entries(metadata)) out.set(key, value)
  return out
}

/** A call with one answer. Throws the StatusError of `errorOf`, or the signal's reason. */
export function callUnary(client: ServiceClient, method: string, request: object, o: CallOptions): Promise<object> {
  return new Promise((resolve, reject) => {
    if (o.signal?.aborted) return reject(o.signal.reason)
    // grpc-js takes a point in time instead of a duration.
    const options: grpc.CallOptions = o.timeoutMs === undefined ? {} : { deadline: deadlineAfter(o.timeoutMs) }
    const call = (client[capital(method)] as UnaryMethod).call(
      client,
      request,
      metadataOf(o),
      options,
      (error, response) => {
        o.signal?.removeEventListener('abort', onAbort)
        if (!error) resolve(response)
        else reject(o.signal?.aborted ? o.signal.reason : errorOf(error))
      },
    )
    const onAbort = () => call.cancel()
    o.signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** A call whose answers are a stream. Returns all of them; throws the StatusError of `errorOf`. */
export async function callStream(
  client: ServiceClient,
  method: string,
  request: object,
  o: Pick<CallOptions, 'timeoutMs' | 'metadata'>,
): Promise<object[]> {
  const options: grpc.CallOptions = o.timeoutMs === undefined ? {} : { deadline: deadlineAfter(o.timeoutMs) }
  const stream = (client[capital(method)] as StreamMethod).call(client, request, metadataOf(o), options)
  const answers: object[] = []
  try {
    for await (const answer of stream as AsyncIterable<object>) answers.push(answer)
    return answers
  } catch (error) {
    throw errorOf(error as grpc.ServiceError)
  }
}

/**
 * A call whose answers are a stream without an end. Yields each answer; the next is read only when it is asked for. Ends
 * with the stream; throws the StatusError of `errorOf`, or the signal's reason.
 */
export async function* followStream(
  client: ServiceClient,
  method: string,
  request: object,
  signal: AbortSignal,
): AsyncGenerator<object> {
  signal.throwIfAborted()
  yield* answersOf((client[capital(method)] as StreamMethod).call(client, request, new grpc.Metadata(), {}), signal)
}

async function* answersOf(
  stream: grpc.ClientReadableStream<object> | grpc.ClientDuplexStream<object, object>,
  signal: AbortSignal,
): AsyncGenerator<object> {
  const onAbort = () => stream.cancel()
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    yield* stream as AsyncIterable<object>
  } catch (error) {
    signal.throwIfAborted()
    throw errorOf(error as grpc.ServiceError)
  } finally {
    signal.removeEventListener('abort', onAbort)
    stream.cancel()
  }
}

type DuplexMethod = (metadata: grpc.Metadata) => grpc.ClientDuplexStream<object, object>

/**
 * A call in which both sides are streams: sends one request, and yields each answer as `followStream` does. The side of
 * the requests stays open until the end.
 */
export async function* followDuplex(
  client: ServiceClient,
  method: string,
  request: object,
  { signal, metadata }: { signal: AbortSignal } & Pick<CallOptions, 'metadata'>,
): AsyncGenerator<object> {
  signal.throwIfAborted()
  const stream = (client[capital(method)] as DuplexMethod).call(client, metadataOf({ ...(metadata && { metadata }) }))
  stream.write(request)
  yield* answersOf(stream, signal)
}

/** Connects, with retries until the time is over. Returns the milliseconds left, or undefined without a connection. */
export function timeToConnect(
  client: grpc.Client,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<number | undefined> {
  const deadline = deadlineAfter(timeoutMs)
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    client.waitForReady(deadline, error => {
      signal.removeEventListener('abort', onAbort)
      resolve(error ? undefined : Math.max(0, deadline.getTime() - realClock.now()))
    })
  })
}

const codeNames = new Map(
  Object.entries(grpc.status).flatMap(([name, code]) => (typeof code === 'number' ? [[code, camel(name)]] : [])) as [
    number,
    string,
  ][],
)

const reasons: Readonly<Record<string, Reason>> = {
  NotFound: 'NotFound',
  AlreadyExists: 'AlreadyExists',
  InvalidArgument: 'BadRequest',
  FailedPrecondition: 'Conflict',
  Aborted: 'Conflict',
  PermissionDenied: 'Forbidden',
  Unauthenticated: 'Unauthorized',
  ResourceExhausted: 'TooManyRequests',
  DeadlineExceeded: 'Timeout',
  Unavailable: 'ServiceUnavailable',
  Unimplemented: 'MethodNotAllowed',
}

/**
 * A gRPC failure as a StatusError, with the corresponding reason. The message is as Go programs print it
 * (`rpc error: code = NotFound desc = …`), since events and statuses contain it.
 */
export function errorOf(error: grpc.ServiceError): StatusError {
  const code = codeNames.get(error.code) ?? 'Unknown'
  const message = `rpc error: code = ${code} desc = ${error.details}`
  return new StatusError(reasons[code] ?? 'InternalError', message, { cause: error })
}

/** The gRPC code, such as `NotFound`, and the description of an error from `errorOf`. Undefined for other errors. */
export function grpcOf(error: unknown): { code: string; desc: string } | undefined {
  if (!(error instanceof StatusError)) return undefined
  const cause = error.cause as Partial<grpc.ServiceError> | undefined
  if (typeof cause?.code !== 'number' || typeof cause.details !== 'string') return undefined
  return { code: codeNames.get(cause.code) ?? 'Unknown', desc: cause.details }
}

const maxAnswerBytes = 64 * 1024 * 1024

/** Options of a client for a Unix socket. It reconnects quickly, since the other side is on the same machine. */
export const socketChannelOptions: grpc.ChannelOptions = {
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.min_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 1000,
  'grpc.max_receive_message_length': maxAnswerBytes,
  'grpc.enable_retries': 0,
  // Each client has its own connection, so that two clients for one path do not share a broken one.
  'grpc.use_local_subchannel_pool': 1,
}

function deadlineAfter(ms: number): Date {
  return new Date(realClock.now() + ms)
}

/** `runPodSandbox` here is `RunPodSandbox` on the wire. */
export const capital = (method: string) => `${method[0]!.toUpperCase()}${method.slice(1)}`

function camel(name: string): string {
  return name.toLowerCase().replace(/(^|_)([a-z])/g, (_, __, letter: string) => letter.toUpperCase())
}
