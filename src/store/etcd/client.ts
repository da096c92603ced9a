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
  /** The same while it has been found out that no member can answer. Writes wait for each other, so it is short. */
  hopelessMs: 500,
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
  /** The name that the members' certificates have, if not that by which they are reached. */
  serverName?: string
  /** PEM of the client's own certificate and key. */
  cert?: Buffer
  key?: Buffer
}

/** The failures after which another member may succeed. Others are answers. */
const passing: ReadonlySet<string> = new Set(['Unavailable', 'DeadlineExceeded', 'Cancelled', 'Internal'])

type Services = Record<ServiceName, ServiceClient>

export class EtcdClient {
  #endpoints: readonly string[] = []
  #tls: EtcdTls | undefined
  #members: Services[] = []
  /** Why no call can succeed now, as far as somebody has found out. */
  #problem: string | undefined
  /** The member that calls go to. */
  #current = 0
  readonly #closed = new AbortController()

  /** @param endpoints `host:port` of each member, at least one */
  constructor(endpoints: readonly string[], tls?: EtcdTls) {
    this.use(endpoints, tls)
  }

  get endpoints(): readonly string[] {
    return this.#endpoints
  }

  /** Goes on with other members, or with other credentials. Calls under way are made again, and watches end. */
  use(endpoints: readonly string[], tls = this.#tls): void {
    if (tls === this.#tls && endpoints.join() === this.#endpoints.join()) return
    const secrets = tls
      ? credentials.createSsl(tls.ca ?? null, tls.key ?? null, tls.cert ?? null)
      : credentials.createInsecure()
    const before = this.#members
    const current = this.#endpoints[this.#current]
    this.#tls = tls
    this.#endpoints = endpoints
    const options = { ...channelOptions, ...nameOptions(tls) }
    this.#members = endpoints.map(endpoint => ({
      KV: new (etcdService('KV'))(endpoint, secrets, options),
      Watch: new (etcdService('Watch'))(endpoint, secrets, options),
      Maintenance: new (etcdService('Maintenance'))(endpoint, secrets, options),
    }))
    this.#current = Math.max(0, endpoints.indexOf(current ?? ''))
    close(before)
  }

  /**
   * Takes why no call can succeed at present, such as that a quorum is lost; undefined when that is over. Calls then
   * fail sooner, with these words.
   */
  suspect(problem: string | undefined): void {
    this.#problem = problem
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
    const began = realClock.steady()
    const { signal } = this.#closed
    for (let failures = 1; ; failures++) {
      const member = this.#current
      const until = began + (this.#problem === undefined ? limitMs : Math.min(limitMs, clientLimits.hopelessMs))
      const timeoutMs = Math.max(1, Math.min(clientLimits.attemptMs, until - realClock.steady()))
      const members = this.#members
      try {
        const client = members[member]![serviceOf[method]]
        return (await callUnary(client, method, request, { timeoutMs, signal })) as Calls[M][2]
      } catch (error) {
        if (signal.aborted || !passing.has(grpcOf(error)?.code ?? '')) throw error
        if (realClock.steady() >= until) throw unavailable(this.#endpoints, this.#problem, error)
        this.#leave(members, member)
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
    const members = this.#members
    const member = this.#current
    const request = { create_request: { ...range, start_revision: startRevision, fragment: true } }
    try {
      // A member that has lost the others ends its watches when this is asked for, rather than be silent.
      const metadata = { hasleader: 'true' }
      const answers = followDuplex(members[member]!.Watch, 'watch', request, { signal, metadata })
      yield* answers as AsyncGenerator<WatchResponse>
      throw new StatusError('ServiceUnavailable', 'the watch of etcd has ended')
    } catch (error) {
      this.#leave(members, member)
      throw error
    }
  }

  close(): void {
    this.#closed.abort(new StatusError('ServiceUnavailable', 'the store is closed'))
    close(this.#members)
  }

  #leave(members: readonly Services[], member: number): void {
    if (members === this.#members && member === this.#current) this.#current = (member + 1) % members.length
  }

  /** The next member is asked at once, and all of them again only after a pause. */
  #pause(failures: number): number {
    const rounds = Math.floor(failures / this.#endpoints.length)
    if (failures % this.#endpoints.length !== 0) return 0
    return Math.min(clientLimits.maxPauseMs, clientLimits.pauseMs * 2 ** (rounds - 1))
  }
}

const close = (members: readonly Services[]) => {
  for (const member of members) for (const client of Object.values(member)) client.close()
}

const unavailable = (endpoints: readonly string[], problem: string | undefined, cause: unknown) =>
  new StatusError(
    'ServiceUnavailable',
    problem ?? `etcd does not answer at ${endpoints.join(', ')}: ${messageOf(cause)}`,
    // A client that is to try again soon would do so in vain while the reason stays.
    { cause, ...(problem === undefined && { details: { retryAfterSeconds: 1 } }) },
  )

/** What the certificate of a member has to be for. */
export const nameOptions = (tls: EtcdTls | undefined): Readonly<Record<string, string>> =>
  tls?.serverName === undefined ? {} : { 'grpc.ssl_target_name_override': tls.serverName }

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
