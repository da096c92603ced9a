// Finds out whether the servers of APIServices are there, and writes it into their condition Available. Requests go
// only to those that are.
//
//   APIService, Service or EndpointSlice changes ─┐
//   30 s have passed ─────────────────────────────┼─► look at Service and endpoints ─► ask for /apis/GROUP/VERSION
//   after a failure, 0.2 s to 30 s have passed ───┘                                └─► condition Available
//
// - Each APIService is checked by itself, never twice at the same time. One whose server hangs delays no other.
// - A check takes at most 10 s. It asks once, and after a failure four times more at once, since a Service may have
//   endpoints of which only some answer. One success is enough. The server's certificate is not verified here.
// - The status is written only if it differs. What is to be done after a check is waited for before the next one.
//
// Source: kube-aggregator pkg/controllers/status/{local,remote}.
import { joined } from '../../base/waiters.ts'
import { request } from 'node:https'
import { Chore } from '../../base/chore.ts'
import { isReason, messageOf } from '../../base/errors.ts'
import { counter, measure } from '../../base/metrics.ts'
import { sameJson } from '../../api/equal.ts'
import type { Mirror } from '../../api/mirror.ts'
import type { Operation, Serve, User } from '../../api/operation.ts'
import { asJson, type JsonObject } from '../../api/schema/node.ts'
import { timeText } from '../../api/time.ts'
import { APIService, type APIServiceCondition } from '../../kinds/apiregistration/apiservice.ts'
import { Service } from '../../kinds/core/service.ts'
import { EndpointSlice } from '../../kinds/discovery/endpointslice.ts'
import type { ServerCore } from '../core.ts'
import { withCondition } from '../extend/names.ts'
import { causeText } from '../extend/webhook.ts'
import { headersOf } from './identity.ts'
import { addressOf, type FrontProxyClient, prefixOf, tlsOf, urlAt } from './target.ts'
import { self } from '../self.ts'

type Verdict = Omit<APIServiceCondition, 'type' | 'lastTransitionTime'>

/** As whom the check asks: one who may always see discovery. */
const checker: User = { name: 'system:kube-aggregator', groups: ['system:masters'] }

const unavailable = counter('aggregator_unavailable_apiservice_total', 'Checks that found an APIService unavailable.')

const againMs = 30_000
const backoffMs = { first: 200, max: 30_000 }
const answerMs = 5_000
const furtherAttempts = 4

/** What is to be done after each check. It must not throw. */
type Checked = (service: APIService, isAvailable: boolean) => Promise<void>

/** One APIService: its work, and what wakes it next. */
interface Watched {
  chore: Chore
  failures: number
  cancel(): void
}

export class Availability {
  readonly #core: ServerCore
  readonly #serve: Serve
  readonly #client: FrontProxyClient | undefined
  readonly #services: Mirror<APIService>
  readonly #abort = new AbortController()
  readonly #watched = new Map<string, Watched>()
  #unsubscribe: readonly (() => void)[] = []

  readonly #checked: Checked

  /**
   * @param client the certificate for extension servers
   * @param checked is called after each check, and waited for before the next one
   */
  constructor(core: ServerCore, serve: Serve, client: FrontProxyClient | undefined, checked: Checked = async () => {}) {
    this.#checked = checked
    this.#core = core
    this.#serve = serve
    this.#client = client
    this.#services = core.storage.mirror(APIService)
  }

  start(): void {
    const { storage } = this.#core
    const of = 'availability of APIServices'
    this.#unsubscribe = [
      measure('aggregator_unavailable_apiservice', 'Whether an APIService is unavailable.', 'gauge', () =>
        this.#services.list().map(service => ({
          labels: { name: service.metadata.name ?? '' },
          value: condition(service)?.status === 'True' ? 0 : 1,
        })),
      ),
      this.#services.follow(({ item, before }) => {
        // Its own writes change the status only, and need no other look.
        if (!before || !sameJson(asJson(before.object.spec), asJson(item.object.spec)) || !condition(item.object))
          this.#wake(item.object.metadata.name ?? '')
        else if (!this.#services.get(undefined, item.object.metadata.name ?? ''))
          this.#drop(item.object.metadata.name ?? '')
      }, of),
      storage.mirror(Service).subscribeEach(({ item: { object } }) => this.#wakeUsersOf(object), of),
      storage.mirror(EndpointSlice).subscribeEach(({ item: { object } }) => {
        const name = object.metadata.labels?.['kubernetes.io/service-name']
        if (name) this.#wakeUsersOf({ metadata: { name, namespace: object.metadata.namespace ?? '' } })
      }, of),
    ]
  }

  async close(): Promise<void> {
    this.#abort.abort()
    for (const end of this.#unsubscribe) end()
    const all = [...this.#watched.values()]
    for (const { cancel } of all) cancel()
    await Promise.all(all.map(({ chore }) => chore.settled()))
  }

  #wakeUsersOf({ metadata: { namespace = '', name = '' } }: { metadata: { namespace?: string; name?: string } }): void {
    const key = `${namespace}/${name}`
    for (const { metadata } of this.#services.byIndex('service', serviceKeys, key)) this.#wake(metadata.name ?? '')
  }

  #wake(name: string): void {
    let one = this.#watched.get(name)
    if (!one) {
      const chore = new Chore({ signal: this.#abort.signal }, () => this.#check(name))
      this.#watched.set(name, (one = { chore, failures: 0, cancel: () => {} }))
    }
    one.chore.wake()
  }

  #drop(name: string): void {
    this.#watched.get(name)?.cancel()
    this.#watched.delete(name)
  }

  /** Checks one APIService, and plans the next check. Never throws. */
  async #check(name: string): Promise<void> {
    const service = this.#services.get(undefined, name)
    const one = this.#watched.get(name)
    if (!service || !one) return this.#drop(name)
    one.cancel()
    let good = false
    try {
      const verdict = await this.#verdict(service)
      if (verdict.status !== 'True') unavailable.add({ name, reason: verdict.reason ?? '' })
      await this.#write(service, verdict)
      await this.#checked(service, verdict.status === 'True')
      good = verdict.status === 'True' || verdict.reason !== 'FailedDiscoveryCheck'
    } catch (error) {
      if (this.#abort.signal.aborted) return
      this.#core.log.warn('an APIService could not be checked, will be retried', { name, why: messageOf(error) })
    }
    if (this.#abort.signal.aborted || this.#watched.get(name) !== one) return
    one.failures = good ? 0 : one.failures + 1
    // What this server serves itself is always available.
    if (good && !service.spec.service) return
    const delayMs = good ? againMs : Math.min(backoffMs.first * 2 ** (one.failures - 1), backoffMs.max)
    one.cancel = this.#core.clock.after(delayMs, () => one.chore.wake())
  }

  async #verdict(service: APIService): Promise<Verdict> {
    const { service: reference } = service.spec
    if (!reference) return local
    const { storage } = this.#core
    const { namespace = '', name = '' } = reference
    const slices = storage.mirror(EndpointSlice).byIndex('service of a slice', sliceKeys, `${namespace}/${name}`)
    const problem = planAvailability(reference, storage.mirror(Service).get(namespace, name), slices)
    if (problem) return problem
    const ask = () => this.#ask(service)
    try {
      await ask().catch(() => Promise.any(Array.from({ length: furtherAttempts }, ask)))
      return { status: 'True', reason: 'Passed', message: 'all checks passed' }
    } catch (error) {
      const why: unknown = error instanceof AggregateError ? error.errors[0] : error
      return { status: 'False', reason: 'FailedDiscoveryCheck', message: messageOf(why) }
    }
  }

  /** Asks the server for what every extension server has. Rejects with the message for the condition. */
  async #ask(service: APIService): Promise<void> {
    const address = addressOf(this.#core.storage, service)
    const url = urlAt(address, prefixOf(service.spec))
    const late = AbortSignal.timeout(answerMs)
    const { signal, release } = joined(late, this.#abort.signal)
    const options = {
      ...address,
      ...tlsOf(service, this.#client),
      rejectUnauthorized: false,
      agent: false,
      path: url.pathname,
      headers: { host: url.host, accept: 'application/json', ...headersOf(checker) },
      signal,
    } as const
    const code = await new Promise<number>((resolve, reject) => {
      const asked = request(options, response => {
        resolve(response.statusCode ?? 0)
        response.destroy()
      })
      asked.on('error', reject)
      asked.end()
    })
      .finally(release)
      .catch((error: unknown) => {
        const why = late.aborted
          ? 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
          : causeText(error, { ...address, name: url.hostname })
        throw new Error(`failing or missing response from ${url.href}: Get ${JSON.stringify(url.href)}: ${why}`)
      })
    if (code < 200 || code > 299)
      throw new Error(`failing or missing response from ${url.href}: bad status from ${url.href}: ${code}`)
  }

  async #write(service: APIService, verdict: Verdict): Promise<void> {
    const before = service.status.conditions ?? []
    const conditions = withCondition(before, { type: 'Available', ...verdict }, timeText(this.#core.clock.now()))
    if (sameJson(asJson(conditions), asJson(before))) return
    const operation: Operation = {
      verb: 'update',
      kind: APIService,
      subresource: 'status',
      namespace: '',
      name: service.metadata.name ?? '',
      user: self,
      options: {},
      userAgent: 'kutter-apiserver',
      body: { ...(asJson(service) as JsonObject), status: asJson({ conditions }) },
    }
    try {
      await this.#serve(operation)
    } catch (error) {
      // A change by somebody else: the present object is looked at once more.
      if (!isReason(error, 'NotFound', 'Conflict')) throw error
      this.#wake(service.metadata.name ?? '')
    }
  }
}

const local: Verdict = { status: 'True', reason: 'Local', message: 'Local APIServices are always available' }

/** The condition Available of an APIService. */
const condition = ({ status }: APIService) => status.conditions?.find(({ type }) => type === 'Available')

/** Whether requests may be sent to the server of an APIService. */
export const isAvailable = (service: APIService): boolean => condition(service)?.status === 'True'

const serviceKeys = ({ spec: { service } }: APIService) => (service ? [`${service.namespace}/${service.name}`] : [])
const sliceKeys = ({ metadata: { namespace, labels } }: EndpointSlice) => [
  `${namespace}/${labels?.['kubernetes.io/service-name'] ?? ''}`,
]

/** What counts of a Service and of its slices. */
interface ServiceSketch {
  readonly spec: {
    readonly type: string
    readonly ports?: readonly { readonly port: number; readonly name?: string }[]
  }
}
interface SliceSketch {
  readonly endpoints?: readonly { readonly conditions?: { readonly ready?: boolean } }[]
  readonly ports?: readonly { readonly name?: string; readonly port?: number }[]
}

/** Why a server cannot be asked, as far as its Service and endpoints show it. Undefined if it can be. */
export function planAvailability(
  { namespace = '', name = '', port = 443 }: NonNullable<APIService['spec']['service']>,
  service: ServiceSketch | undefined,
  slices: readonly SliceSketch[],
): Verdict | undefined {
  const where = `service/${name} in ${JSON.stringify(namespace)}`
  const no = (reason: string, message: string): Verdict => ({ status: 'False', reason, message })
  if (!service) return no('ServiceNotFound', `${where} is not present`)
  // Only Services with a cluster IP have ports and endpoints that must be there.
  if (service.spec.type !== 'ClusterIP') return undefined
  const found = (service.spec.ports ?? []).find(one => one.port === port)
  if (!found) return no('ServicePortError', `${where} is not listening on port ${port}`)
  if (!slices.length) return no('EndpointsNotFound', `cannot find endpointslices for ${where}`)
  const portName = found.name ?? ''
  const serves = ({ endpoints, ports }: SliceSketch) =>
    (endpoints ?? []).some(({ conditions }) => conditions?.ready ?? true) &&
    (ports ?? []).some(one => (one.name ?? '') === portName && one.port !== undefined)
  if (!slices.some(serves))
    return no(
      'MissingEndpoints',
      `endpointslices for ${where} have no addresses with port name ${JSON.stringify(portName)}`,
    )
  return undefined
}
