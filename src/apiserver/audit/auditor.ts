// The audit of the API server: a request that a rule of the policy names leaves events in the backends, one for each of
// its stages.
//
//   request ─► begin ─RequestReceived─► started ─ResponseStarted (watches, streams)─► complete ─ResponseComplete
//
// - `begin` comes after authentication and before everything else, so refused requests are written down, too. A request
//   whose user is unknown is written down when its level without a user is not None.
// - Bodies are kept only at the levels that write them, so the contents of a Secret are never in an event of the level
//   Metadata. An event of more than `maxEventBytes` loses its bodies, and is marked.
// - Events are given to the backends at once, and never waited for: a backend that is behind drops them, and counts them.
import { randomUUID } from 'node:crypto'
import type { Clock } from '../../base/clock.ts'
import { counter } from '../../base/metrics.ts'
import type { Operation, OperationResult, User } from '../../api/operation.ts'
import type { Json, JsonObject } from '../../api/schema/node.ts'
import { type AuditEvent, auditUser, type ObjectRef, responseBody, withoutManagedFields } from './event.ts'
import { type AuditAttributes, type AuditPolicy, type AuditRule, type AuditStage, ruleFor } from './policy.ts'

/** Where events go. `write` returns at once. */
export interface AuditBackend {
  /** @param line the event as JSON, without an end of line */
  write(line: string): void
  /** Writes what is still there, and ends. */
  close(): Promise<void>
}

/** What is known of a request when it begins. */
interface AuditedRequest {
  readonly auditId: string
  /** The path with its query, as it was sent. */
  readonly uri: () => string
  readonly attributes: AuditAttributes
  readonly apiVersion: string
  readonly sourceIPs: readonly string[]
  readonly userAgent: string
}

const maxEventBytes = 10 << 20
/** Limits of what clients may put into an event. Source: apiserver pkg/endpoints/filters/request_received_time.go. */
const maxUserAgent = 1024
const maxAuditId = 64

const levels = counter('apiserver_audit_level_total', 'Requests by the level at which they are audited')
const events = counter('apiserver_audit_event_total', 'Audit events generated and sent to the backends')

export const newAuditId = (given: string | undefined): string =>
  given && given.length <= maxAuditId && /^[\x21-\x7e]+$/.test(given) ? given : randomUUID()

export class Auditor {
  readonly #clock: Clock
  readonly #backends: readonly AuditBackend[]
  #policy: AuditPolicy

  constructor(policy: AuditPolicy, backends: readonly AuditBackend[], clock: Clock) {
    this.#policy = policy
    this.#backends = backends
    this.#clock = clock
  }

  /** Replaces the policy. Requests that have begun are audited to their end by the rule they began with. */
  use(policy: AuditPolicy): void {
    this.#policy = policy
  }

  /** Begins to follow a request. Undefined when no rule wants it. */
  begin(request: AuditedRequest): AuditTrail | undefined {
    const rule = ruleFor(this.#policy, request.attributes)
    levels.add({ level: rule?.level ?? 'None' })
    if (!rule || rule.level === 'None') return undefined
    return new AuditTrail(request, rule, this.#clock, event => this.#write(event))
  }

  async close(): Promise<void> {
    await Promise.all(this.#backends.map(backend => backend.close()))
  }

  #write(event: AuditEvent): void {
    events.add()
    let line = JSON.stringify(event)
    if (line.length > maxEventBytes) {
      const { requestObject: _request, responseObject: _response, ...rest } = event
      line = JSON.stringify({ ...rest, annotations: { ...event.annotations, 'audit.k8s.io/truncated': 'true' } })
    }
    for (const backend of this.#backends) backend.write(line)
  }
}

/** One request on its way. */
export class AuditTrail {
  readonly #request: AuditedRequest
  readonly #rule: AuditRule
  readonly #clock: Clock
  readonly #emit: (event: AuditEvent) => void
  readonly #receivedAt: string
  /** Notes of authorization and admission, by their keys. */
  readonly annotations = new Map<string, string>()
  #impersonated: User | undefined
  #requestBody: Json | undefined
  #responseBody: Json | undefined
  #status: JsonObject | undefined
  #created: Pick<ObjectRef, 'name' | 'namespace' | 'uid' | 'resourceVersion'> = {}
  #isDone = false

  constructor(request: AuditedRequest, rule: AuditRule, clock: Clock, emit: (event: AuditEvent) => void) {
    this.#request = request
    this.#rule = rule
    this.#clock = clock
    this.#emit = emit
    this.#receivedAt = microTime(clock.now())
    this.#stage('RequestReceived')
  }

  /** The user as whom the user of the request acts. */
  impersonates(user: User): void {
    this.#impersonated = user
  }

  /** What the client sent. */
  sent({ body, verb }: Pick<Operation, 'body' | 'verb'>): void {
    if (body === undefined || verb === 'get' || verb === 'list' || verb === 'watch') return
    const { name, namespace, uid, resourceVersion } = ((body as JsonObject | null)?.metadata ?? {}) as Record<
      string,
      string | undefined
    >
    this.#created = {
      ...(name && { name }),
      ...(namespace && { namespace }),
      ...(uid && { uid }),
      ...(resourceVersion && { resourceVersion }),
    }
    if (this.#rule.level !== 'Metadata') this.#requestBody = this.#trimmed(body)
  }

  /** What the client gets. */
  answered(result: OperationResult): void {
    if (this.#rule.level !== 'RequestResponse') return
    const body = responseBody(result)
    if (body !== undefined) this.#responseBody = this.#trimmed(body)
  }

  /** The Status of a refusal or a failure. */
  failed(status: JsonObject): void {
    this.#status = status
    if (this.#rule.level === 'RequestResponse') this.#responseBody = status
  }

  /** The headers of an answer without an end have been sent. */
  started(code: number): void {
    this.#stage('ResponseStarted', this.#responseStatus(code))
  }

  /** The answer has ended; without a code, the connection has ended before it. Later calls do nothing. */
  complete(code?: number): void {
    if (this.#isDone) return
    this.#isDone = true
    if (code === undefined) this.#status ??= { status: 'Success', message: 'Connection closed early' }
    this.#stage('ResponseComplete', this.#responseStatus(code ?? 200))
  }

  #trimmed(body: Json): Json {
    return this.#rule.omitManagedFields ? withoutManagedFields(body) : body
  }

  #responseStatus(code: number): JsonObject {
    const { status, message, reason, details } = this.#status ?? {}
    return {
      metadata: {},
      ...(status !== undefined && { status }),
      ...(message !== undefined && { message }),
      ...(reason !== undefined && { reason }),
      ...(details !== undefined && { details }),
      code,
    }
  }

  #stage(stage: AuditStage, responseStatus?: JsonObject): void {
    if (this.#rule.omitStages.includes(stage)) return
    const { auditId, uri, attributes, sourceIPs, userAgent } = this.#request
    const objectRef = this.#objectRef()
    this.#emit({
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      level: this.#rule.level,
      auditID: auditId,
      stage,
      requestURI: uri(),
      verb: attributes.verb,
      user: auditUser(attributes.user),
      ...(this.#impersonated && { impersonatedUser: auditUser(this.#impersonated) }),
      ...(sourceIPs.length && { sourceIPs }),
      ...(userAgent && { userAgent: shortened(userAgent) }),
      ...(objectRef && { objectRef }),
      ...(responseStatus && { responseStatus }),
      ...(this.#requestBody !== undefined && { requestObject: this.#requestBody }),
      ...(this.#responseBody !== undefined && stage === 'ResponseComplete' && { responseObject: this.#responseBody }),
      requestReceivedTimestamp: this.#receivedAt,
      stageTimestamp: microTime(this.#clock.now()),
      ...(this.annotations.size && { annotations: Object.fromEntries(this.annotations) }),
    })
  }

  #objectRef(): ObjectRef | undefined {
    const { attributes, apiVersion } = this.#request
    if (attributes.path !== undefined) return undefined
    const { resource, namespace, name, group, subresource } = attributes
    return {
      resource,
      ...(namespace && { namespace }),
      ...(name && { name }),
      ...this.#created,
      ...(group && { apiGroup: group }),
      ...(apiVersion && { apiVersion }),
      ...(subresource && { subresource }),
    }
  }
}

const shortened = (text: string) => (text.length > maxUserAgent ? `${text.slice(0, maxUserAgent)}...TRUNCATED` : text)
const microTime = (ms: number) => `${new Date(ms).toISOString().slice(0, -1)}000Z`
