// Calls to a cluster of etcd. All go to one member; when it fails, they go to the next. So a call succeeds as long as
// any member that can reach the others answers in time.
import { credentials } from '@grpc/grpc-js'
import { realClock } from '../../base/clock.ts'
import { messageOf, StatusError } from '../../base/errors.ts'
import { callUnary, followDuplex, grpcOf, type ServiceClient } from '../../wire/grpc.ts'
import { type Calls, etcdService, type ServiceName, serviceOf, type WatchResponse } from './protocol.ts'

const clientLimits = {
  /** How long one member may take for a call before the next one is asked, and how long all of them may. */
  attemptMs: 5000,
  callMs: 20_000,
  /** The pause after each member has failed once. */
  pauseMs: 100,
  maxPauseMs: 1000,
  /** Of one answer. A watch is answered in fragments, and pages of a range are made smaller when they exceed this. */
  answerBytes: 64 << 20,
  /** A connection is given up when a ping is not answered in time. etcd refuses pings more often than every 5 s. */
  pingEveryMs: 10_000,
  pingTimeoutMs: 5000,
} as const

export interface EtcdTls {
  /** PEM of the authority of the members' certificates. Without it, those that the machine trusts. */
  ca?: Buffer
  /** PEM of the client's own certificate and key. */
  cert?: Buffer
  key?: Buffer
}

/** The failures after which another member may succeed. Others are answers. */
const passing: ReadonlySet<string> = new Set(['Unavailable', 'DeadlineExceeded', 'Cancelled', 'Internal'])

export class EtcdClient {
  readonly endpoints: readonly string[]
  readonly #members: Record<ServiceName, ServiceClient>[]
  /** The member that calls go to. */
  #current = 0
  readonly #closed = new AbortController()

  /** @param endpoints `host:port` of each member, at least one */
  constructor(endpoints: readonly string[], tls?: EtcdTls) {
    this.endpoints = endpoints
    const secrets = tls
      ? credentials.createSsl(tls.ca ?? null, tls.key ?? null, tls.cert ?? null)
      : credentials.createInsecure()
    this.#members = endpoints.map(endpoint => ({
      KV: new (etcdService('KV'))(endpoint, secrets, channelOptions),
      Watch: new (etcdService('Watch'))(endpoint, secrets, channelOptions),
      Maintenance: new (etcdService('Maintenance'))(endpoint, secrets, channelOptions),
    }))
  }

  /**
   * Makes a call, with one member after the other until one answers. It may be carried out more than once, since a member
   * that failed may have done it. Throws the answer's StatusError (see `errorOf`), or ServiceUnavailable when the time
   * is over.
   */
  async call<M extends keyof Calls>(
    method: M,
    request: Calls[M][1],
    { limitMs = clientLimits.callMs as number } = {},
  ): Promise<Calls[M][2]> {
    const until = realClock.now() + limitMs
    const { signal } = this.#closed
    for (let failures = 1; ; failures++) {
      const member = this.#current
      const timeoutMs = Math.max(1, Math.min(clientLimits.attemptMs, until - realClock.now()))
      try {
        const client = this.#members[member]![serviceOf[method]]
        return (await callUnary(client, method, request, { timeoutMs, signal })) as Calls[M][2]
      } catch (error) {
        if (signal.aborted || !passing.has(grpcOf(error)?.code ?? '')) throw error
        if (realClock.now() >= until) throw unavailable(this.endpoints, error)
        this.#leave(member)
      }
      await realClock.sleep(this.#pause(failures), signal)
    }
  }

  /**
   * Watches the keys of a range from a revision on, and yields each answer. Throws when the stream ends for any reason;
   * the next watch is then with the next member.
   */
  async *watch(
    range: { key: Uint8Array; range_end: Uint8Array },
    startRevision: number,
    signal: AbortSignal,
  ): AsyncGenerator<WatchResponse> {
    const member = this.#current
    const request = { create_request: { ...range, start_revision: startRevision, fragment: true } }
    try {
      // A member that has lost the others ends its watches when this is asked for, rather than be silent.
      const metadata = { hasleader: 'true' }
      const answers = followDuplex(this.#members[member]!.Watch, 'watch', request, { signal, metadata })
      yield* answers as AsyncGenerator<WatchResponse>
      throw new StatusError('ServiceUnavailable', 'the watch of etcd has ended')
    } catch (error) {
      this.#leave(member)
      throw error
    }
  }

  close(): void {
    this.#closed.abort(new StatusError('ServiceUnavailable', 'the store is closed'))
    for (const member of this.#members) for (const client of Object.values(member)) client.close()
  }

  #leave(member: number): void {
    if (member === this.#current) this.#current = (member + 1) % this.endpoints.length
  }

  /** The next member is asked at once, and all of them again only after a pause. */
  #pause(failures: number): number {
    const rounds = Math.floor(failures / this.endpoints.length)
    if (failures % this.endpoints.length !== 0) return 0
    return Math.min(clientLimits.maxPauseMs, clientLimits.pauseMs * 2 ** (rounds - 1))
  }
}

const unavailable = (endpoints: readonly string[], cause: unknown) =>
  new StatusError('ServiceUnavailable', `etcd does not answer at ${endpoints.join(', ')}: ${messageOf(cause)}`, {
    cause,
    details: { retryAfterSeconds: 1 },
  })

const channelOptions = {
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 2000,
  'grpc.max_receive_message_length': clientLimits.answerBytes,
  'grpc.max_send_message_length': -1,
  'grpc.keepalive_time_ms': clientLimits.pingEveryMs,
  'grpc.keepalive_timeout_ms': clientLimits.pingTimeoutMs,
  'grpc.enable_retries': 0,
}
