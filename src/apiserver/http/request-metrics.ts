// What the API server counts of its requests, under the names, labels and buckets of upstream. Requests are counted when
// their response has been sent or their client has gone; those of clients in this process have no HTTP and are not.
//
// Labels come only from what is served: a request for an unknown resource, subresource or path is not counted. The
// texts of labels are made once for each combination, so that counting is a look into two maps.
//
// Source: apiserver pkg/endpoints/metrics.
import type { Clock } from '../../base/clock.ts'
import { counter, gauge, histogram, measure, type Tally } from '../../base/metrics.ts'
import type { Labels } from '../../base/exposition.ts'
import type { AnyKind } from '../../api/kind.ts'
import { handlers } from '../resources/handlers.ts'
import type { Request, RequestUrl, Response } from './call.ts'
import { isLongRunning } from './deadline.ts'
import { flag } from './options.ts'
import type { ResourcePath } from './route.ts'

const seconds = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60]
const sliSeconds = seconds.slice(2)

const requests = counter('apiserver_request_total', 'Requests by verb, resource and code.')
const durations = histogram('apiserver_request_duration_seconds', 'How long requests took.', seconds)
const sliDurations = histogram(
  'apiserver_request_sli_duration_seconds',
  'How long requests took, without the time of webhooks.',
  sliSeconds,
)
const sizes = histogram(
  'apiserver_response_sizes',
  'Bytes of responses to GET and LIST.',
  [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9],
)
const longRunning = gauge('apiserver_longrunning_requests', 'Watches and streams under way.')
const terminations = counter('apiserver_request_terminations_total', 'Requests that the server has ended or refused.')
const aborts = counter('apiserver_request_aborts_total', 'Requests that were broken off after their answer had begun.')
const watchEvents = counter('apiserver_watch_events_total', 'Events that were sent to watches.')
const watchSizes = histogram(
  'apiserver_watch_events_sizes',
  'Bytes of events that were sent to watches.',
  [1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072],
)

const inFlight = { readOnly: 0, mutating: 0 }
measure('apiserver_current_inflight_requests', 'Requests under way, without watches and streams.', 'gauge', () =>
  Object.entries(inFlight).map(([request_kind, value]) => ({ labels: { request_kind }, value })),
)

/** The paths without a resource that upstream counts, each as its own subresource. */
const countedPaths = new Set(['/healthz', '/livez', '/readyz', '/openapi/v2', '/metrics', '/version'])

/** Subresources whose requests are connections. */
const connecting = new Set(['exec', 'attach', 'portforward', 'proxy'])
const methods = new Set(['POST', 'PUT'])
const applyType = 'application/apply-patch'

const subresources = new Set(['', 'status', 'scale', 'log', ...connecting])
for (const key of handlers.keys()) subresources.add(key.slice(key.lastIndexOf('/') + 1, key.lastIndexOf(':')))

/** What is counted of the requests with the same labels. */
interface Series {
  readonly verb: string
  readonly labels: Labels
  readonly codes: Map<number, () => void>
  readonly duration: (seconds: number) => void
  readonly sliDuration: (seconds: number) => void
  readonly size: (bytes: number) => void
}

const ofPaths = new Map<string, Series>()
const ofKinds = new WeakMap<AnyKind, Map<string, Series>>()

/** One request, from its arrival to its end. */
export class MeasuredRequest {
  readonly #request: Request
  readonly #response: Response
  readonly #clock: Clock
  readonly #beganAt: number
  #series: Series | undefined
  /** How long webhooks were waited for. */
  #webhookMs = 0

  constructor(request: Request, response: Response, clock: Clock) {
    this.#request = request
    this.#response = response
    this.#clock = clock
    this.#beganAt = clock.steady()
  }

  /** Begins to count the request, when it is clear what it is for. */
  isFor(url: RequestUrl, path: ResourcePath | undefined, kind: AnyKind | undefined): void {
    const series = path ? kind && seriesOfKind(kind, path, verbOf(this.#request, url, path), url) : seriesOfPath(url)
    if (!series) return
    this.#series = series
    if (isLongRunning(url, path)) this.#response.once('close', lasts(series))
    else {
      const kindOf = series.verb === 'GET' || series.verb === 'LIST' ? 'readOnly' : 'mutating'
      inFlight[kindOf]++
      this.#response.once('close', () => inFlight[kindOf]--)
    }
  }

  /** Counts time that is not the server's own. */
  waitedForWebhook(ms: number): void {
    this.#webhookMs += ms
  }

  /** Counts that the server has ended the request. */
  terminated(code: number): void {
    if (!this.#series) return
    const { dry_run: _, ...labels } = this.#series.labels
    terminations.add({ ...labels, code: String(code) })
  }

  /** Counts that the request was broken off. */
  broken(): void {
    if (!this.#series) return
    const { dry_run: _, component: __, ...labels } = this.#series.labels
    aborts.add(labels)
  }

  /** To be called when the response is closed. */
  done(): void {
    const { headersSent, statusCode } = this.#response
    if (!this.#series || !headersSent) return
    const { verb, labels, codes, duration, sliDuration, size } = this.#series
    countCode(codes, labels, statusCode)
    const tookMs = this.#clock.steady() - this.#beganAt
    duration(tookMs / 1000)
    sliDuration((tookMs - this.#webhookMs) / 1000)
    if (verb !== 'GET' && verb !== 'LIST') return
    const bytes = Number(this.#response.getHeader('content-length') ?? -1)
    if (bytes >= 0) size(bytes)
  }
}

/** Counts a request for another protocol. Returns what is to be called at its end. */
export function countUpgrade(
  request: Request,
  url: RequestUrl,
  path: ResourcePath | undefined,
  kind: AnyKind | undefined,
  clock: Clock,
): (() => void) | undefined {
  const series = path && kind && seriesOfKind(kind, path, verbOf(request, url, path), url)
  if (!series) return undefined
  const beganAt = clock.steady()
  const ended = lasts(series)
  return () => {
    ended()
    countCode(series.codes, series.labels, switchingProtocols)
    series.duration((clock.steady() - beganAt) / 1000)
    series.sliDuration((clock.steady() - beganAt) / 1000)
  }
}

const switchingProtocols = 101

/** Counts a request as long as it is under way. Returns what ends that. */
function lasts({ labels }: Series): () => void {
  const { dry_run: _, ...plain } = labels
  longRunning.add(1, plain)
  return () => longRunning.add(-1, plain)
}

function countCode(codes: Series['codes'], labels: Labels, code: number): void {
  let count = codes.get(code)
  if (!count) codes.set(code, (count = requests.with({ ...labels, code: String(code) })))
  count()
}

function verbOf({ method = 'GET', headers }: Request, { searchParams }: RequestUrl, path: ResourcePath): string {
  if (connecting.has(path.subresource)) return 'CONNECT'
  if (method === 'GET' || method === 'HEAD')
    return path.watch || (!path.name && flag(searchParams, 'watch')) ? 'WATCH' : path.name ? 'GET' : 'LIST'
  if (method === 'PATCH') return headers['content-type']?.startsWith(applyType) ? 'APPLY' : 'PATCH'
  if (method === 'DELETE') return path.name ? 'DELETE' : 'DELETECOLLECTION'
  return methods.has(method) ? method : 'OTHER'
}

function seriesOfKind(kind: AnyKind, path: ResourcePath, verb: string, { search, searchParams }: RequestUrl) {
  const { subresource, name, namespace } = path
  if (!subresources.has(subresource)) return undefined
  const scope = name || verb === 'POST' ? 'resource' : namespace ? 'namespace' : 'cluster'
  const dryRun = search.includes('dryRun') ? dryRunOf(searchParams) : ''
  let all = ofKinds.get(kind)
  if (!all) ofKinds.set(kind, (all = new Map()))
  const key = `${verb} ${scope} ${dryRun} ${subresource}`
  let series = all.get(key)
  if (!series) {
    const { group, version, plural: resource } = kind
    const labels = { verb, dry_run: dryRun, group, version, resource, subresource, scope, component: 'apiserver' }
    all.set(key, (series = newSeries(verb, labels)))
  }
  return series
}

function dryRunOf(query: URLSearchParams): string {
  const values = query.getAll('dryRun')
  return values.every(value => value === 'All') ? (values.length ? 'All' : '') : 'invalid'
}

function seriesOfPath({ pathname }: RequestUrl): Series | undefined {
  let series = ofPaths.get(pathname)
  if (series || !countedPaths.has(pathname)) return series
  const none = { dry_run: '', group: '', version: '', resource: '', scope: '', component: '' }
  ofPaths.set(pathname, (series = newSeries('GET', { verb: 'GET', subresource: pathname, ...none })))
  return series
}

function newSeries(verb: string, labels: Labels): Series {
  const { dry_run: _, ...plain } = labels
  return {
    verb,
    labels,
    codes: new Map(),
    duration: durations.with(labels),
    sliDuration: sliDurations.with(plain),
    size: sizes.with(plain),
  }
}

const watched = new WeakMap<AnyKind, (sizes: Tally) => void>()

/** What there is to count of events with these sizes in bytes. */
export const tallyOfEvents = (sizes: readonly number[]): Tally => watchSizes.tally(sizes)

/** Counts events that are sent to a watch. */
export function countEvents(kind: AnyKind, sizes: Tally): void {
  let count = watched.get(kind)
  if (!count) {
    const labels = { group: kind.group, version: kind.version, resource: kind.plural }
    const [add, observe] = [watchEvents.with(labels), watchSizes.tallies(labels)]
    watched.set(kind, (count = tally => (add(tally.size), observe(tally))))
  }
  count(sizes)
}
