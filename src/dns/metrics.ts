// The metrics of the DNS server, under the names and labels of CoreDNS, so that dashboards and alerts made for it work.
// They are counted per query, so counting is an addition to an array; text is made only for a scrape. All label values
// are from closed sets, but for the resolvers, of which the first 100 are counted.
// Source: CoreDNS plugin/metrics, plugin/cache, plugin/forward, plugin/pkg/proxy, plugin/kubernetes.
import { familyText, headText, type Labels, labelText, type Sample } from '../base/exposition.ts'
import { exponentialBuckets, processText } from '../base/metrics.ts'
import { types } from './message.ts'

/** Which part of the server has answered, as CoreDNS names its plugins; '' for refusals. */
export type Plugin = 'kubernetes' | 'forward' | 'cache' | ''
const plugins: readonly Plugin[] = ['kubernetes', 'forward', 'cache', '']

const codeNames = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED']
const maxCodes = 24
const badVersion = 16
const countedTypes: readonly (keyof typeof types)[] = [
  'A',
  'AAAA',
  'ANY',
  'AXFR',
  'CNAME',
  'IXFR',
  'MX',
  'NS',
  'PTR',
  'SOA',
  'SRV',
  'TXT',
]
const typeSlots = new Map(countedTypes.map((name, slot) => [types[name] as number, slot]))
const otherSlot = countedTypes.length
const maxResolvers = 100

const timeBounds = exponentialBuckets(0.00025, 2, 16)
const sizeBounds = [0, 100, 200, 300, 400, 511, 1023, 2047, 4095, 8291, 16_000, 32_000, 48_000, 64_000]
const programmingBounds = exponentialBuckets(0.001, 2, 20)
const enabled = ['cache', 'errors', 'forward', 'kubernetes', 'loadbalance', 'loop', 'prometheus']

/** CoreDNS labels what it counts by the block of its configuration, of which this server has one. */
const server: Labels = { server: 'dns://:53' }
const all: Labels = { ...server, zone: '.', view: '' }

class Histogram {
  readonly #bounds: readonly number[]
  readonly #counts: Float64Array
  #sum = 0

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.#counts = new Float64Array(bounds.length + 1)
  }

  get count(): number {
    return this.#counts.reduce((sum, own) => sum + own, 0)
  }

  observe(value: number): void {
    let bucket = 0
    while (bucket < this.#bounds.length && value > this.#bounds[bucket]!) bucket++
    this.#counts[bucket]!++
    this.#sum += value
  }

  text(name: string, labels: Labels): string {
    let count = 0
    const lines = Array.from(this.#counts, (own, i) => {
      count += own
      return `${name}_bucket{${labelText({ ...labels, le: String(this.#bounds[i] ?? '+Inf') })}} ${count}\n`
    })
    const set = `{${labelText(labels)}}`
    return `${lines.join('')}${name}_sum${set} ${this.#sum}\n${name}_count${set} ${count}\n`
  }
}

type Proto = 'udp' | 'tcp'

interface Sizes {
  readonly requests: Histogram
  readonly responses: Histogram
}

/** What is counted for the queries that come in one way. */
export interface Way {
  readonly proto: Proto
  /** As CoreDNS has it, 1 is IPv4 and 2 is IPv6. */
  readonly family: '1' | '2'
  readonly queries: Float64Array
  readonly sizes: Sizes
}

const freshSizes = (): Sizes => ({ requests: new Histogram(sizeBounds), responses: new Histogram(sizeBounds) })

interface Forwarding {
  requests: number
  readonly responses: Map<string, Histogram>
  failures: number
}

/** One for each DNS server of the process. */
export class DnsMetrics {
  /** How many answers of other resolvers are kept. */
  kept: () => { success: number; denial: number } = () => ({ success: 0, denial: 0 })
  readonly #ways: Way[] = []
  readonly #sizes: Readonly<{ [proto in Proto]: Sizes }> = { udp: freshSizes(), tcp: freshSizes() }
  /** For each code, a number for each part. */
  readonly #responses = new Float64Array(maxCodes * plugins.length)
  readonly #durations = new Histogram(timeBounds)
  readonly #programming = new Histogram(programmingBounds)
  readonly #forwarding = new Map<string, Forwarding>()
  readonly #cache = { requests: 0, success: 0, denial: 0 }
  #panics = 0
  #reloadsFailed = 0
  #brokenHealth = 0
  #rejects = 0

  /** A way in which queries come, to be given with each of them. */
  way(proto: Proto, family: Way['family']): Way {
    const way = { proto, family, queries: new Float64Array(otherSlot + 1), sizes: this.#sizes[proto] }
    this.#ways.push(way)
    return way
  }

  /** Counts an answer. */
  answered(way: Way, type: number, requestBytes: number, reply: Answered): void {
    way.queries[typeSlots.get(type) ?? otherSlot]!++
    way.sizes.requests.observe(requestBytes)
    way.sizes.responses.observe(reply.bytes)
    this.#durations.observe(reply.tookMs / 1000)
    this.#responses[reply.rcode * plugins.length + plugins.indexOf(reply.plugin)]!++
  }

  panicked(): void {
    this.#panics++
  }

  /** Counts settings that could not be used. */
  reloadFailed(): void {
    this.#reloadsFailed++
  }

  /** Notes how long after a change of pods the endpoints of a headless Service were in effect here. */
  programmed(tookMs: number): void {
    this.#programming.observe(tookMs / 1000)
  }

  cacheAsked(hit: 'success' | 'denial' | undefined): void {
    this.#cache.requests++
    if (hit) this.#cache[hit]++
  }

  rejected(): void {
    this.#rejects++
  }

  /** Counts that all resolvers rest. */
  broken(): void {
    this.#brokenHealth++
  }

  unhealthy(to: string): void {
    const forwarding = this.#forwardingTo(to)
    if (forwarding) forwarding.failures++
  }

  forwarded(to: string, rcode: number | undefined, tookMs: number): void {
    const forwarding = this.#forwardingTo(to)
    if (!forwarding) return
    forwarding.requests++
    if (rcode === undefined) return
    const code = codeName(rcode)
    let durations = forwarding.responses.get(code)
    if (!durations) forwarding.responses.set(code, (durations = new Histogram(timeBounds)))
    durations.observe(tookMs / 1000)
  }

  #forwardingTo(to: string): Forwarding | undefined {
    const known = this.#forwarding.get(to)
    if (known || this.#forwarding.size >= maxResolvers) return known
    const fresh: Forwarding = { requests: 0, responses: new Map(), failures: 0 }
    this.#forwarding.set(to, fresh)
    return fresh
  }

  /** All of it, and what there is to say of the process, in the text format of Prometheus. */
  text(): string {
    return processText() + this.#requestText() + this.#cacheText() + this.#forwardText() + this.#otherText()
  }

  #requestText(): string {
    const requests = this.#ways.flatMap(({ proto, family, queries }) =>
      Array.from(queries, (value, slot): Sample => {
        const labels: Labels = { ...all, proto, family, type: countedTypes[slot] ?? 'other' }
        return { labels, value }
      }).filter(({ value }) => value > 0),
    )
    const responses = Array.from(this.#responses, (value, i): Sample => {
      const [rcode, plugin] = [Math.floor(i / plugins.length), plugins[i % plugins.length]!]
      return { labels: { ...all, rcode: codeName(rcode), plugin }, value }
    }).filter(({ value }) => value > 0)
    const sizes = (which: keyof Sizes) =>
      (['udp', 'tcp'] as const).map(proto => [{ ...all, proto }, this.#sizes[proto][which]] as const)
    return [
      familyText('coredns_dns_requests_total', 'counter', 'DNS queries by protocol, family and type.', requests),
      familyText('coredns_dns_responses_total', 'counter', 'DNS answers by their code.', responses),
      histogramText('coredns_dns_request_duration_seconds', 'How long an answer took.', [[all, this.#durations]]),
      histogramText('coredns_dns_request_size_bytes', 'Bytes of a query.', sizes('requests')),
      histogramText('coredns_dns_response_size_bytes', 'Bytes of an answer.', sizes('responses')),
    ].join('')
  }

  #cacheText(): string {
    const of: Labels = { ...server, zones: '.', view: '' }
    const typed = (counts: { success: number; denial: number }): Sample[] =>
      (['success', 'denial'] as const).map(type => ({ labels: { ...of, type }, value: counts[type] }))
    const { requests, success, denial } = this.#cache
    const misses = requests - success - denial
    return [
      familyText('coredns_cache_entries', 'gauge', 'Answers of other resolvers that are kept.', typed(this.kept())),
      familyText('coredns_cache_hits_total', 'counter', 'Questions to which an answer was kept.', typed(this.#cache)),
      familyText('coredns_cache_requests_total', 'counter', 'Questions for other resolvers.', [
        { labels: of, value: requests },
      ]),
      familyText('coredns_cache_misses_total', 'counter', 'Questions to which no answer was kept.', [
        { labels: of, value: misses },
      ]),
    ].join('')
  }

  #forwardText(): string {
    const entries = [...this.#forwarding]
    const counted = (value: (forwarding: Forwarding) => number): Sample[] =>
      entries.map(([to, forwarding]) => ({ labels: { to }, value: value(forwarding) }))
    const responses = entries.flatMap(([to, forwarding]) =>
      Array.from(forwarding.responses, ([rcode, durations]) => ({ labels: { to, rcode }, durations })),
    )
    const proxies = (value: (forwarding: Forwarding) => number): Sample[] =>
      entries.map(([to, forwarding]) => ({ labels: { proxy_name: 'forward', to }, value: value(forwarding) }))
    const took = 'How long another resolver took to answer.'
    return [
      familyText(
        'coredns_forward_requests_total',
        'counter',
        'Questions to a resolver.',
        counted(f => f.requests),
      ),
      familyText(
        'coredns_forward_responses_total',
        'counter',
        'Answers of a resolver.',
        responses.map(({ labels, durations }) => ({ labels, value: durations.count })),
      ),
      histogramText(
        'coredns_forward_request_duration_seconds',
        took,
        responses.map(({ labels, durations }) => [labels, durations]),
      ),
      histogramText(
        'coredns_proxy_request_duration_seconds',
        took,
        responses.map(({ labels, durations }) => [{ proxy_name: 'forward', ...labels }, durations]),
      ),
      familyText(
        'coredns_forward_healthcheck_failures_total',
        'counter',
        'How often a resolver began to rest.',
        counted(f => f.failures),
      ),
      familyText(
        'coredns_proxy_healthcheck_failures_total',
        'counter',
        'How often a resolver began to rest.',
        proxies(f => f.failures),
      ),
      single('coredns_forward_healthcheck_broken_total', 'Questions while all resolvers rested.', this.#brokenHealth),
      single('coredns_forward_max_concurrent_rejects_total', 'Questions beyond those under way.', this.#rejects),
    ].join('')
  }

  #otherText(): string {
    const info = { version: 'kutter', revision: '', goversion: '' }
    return [
      histogramText(
        'coredns_kubernetes_dns_programming_duration_seconds',
        'From a change of pods to its effect here.',
        [[{ service_kind: 'headless_with_selector' }, this.#programming]],
      ),
      single('coredns_panics_total', 'Queries on which the server failed.', this.#panics),
      single('coredns_reload_failed_total', 'Settings that could not be used.', this.#reloadsFailed),
      familyText(
        'coredns_plugin_enabled',
        'gauge',
        'What the server does, by the plugin of CoreDNS that does it.',
        enabled.map(name => ({ labels: { ...all, name }, value: 1 })),
      ),
      familyText('coredns_build_info', 'gauge', 'Which server this is.', [{ labels: info, value: 1 }]),
    ].join('')
  }
}

interface Answered {
  readonly rcode: number
  readonly plugin: Plugin
  readonly bytes: number
  readonly tookMs: number
}

const codeName = (rcode: number) => codeNames[rcode] ?? (rcode === badVersion ? 'BADVERS' : String(rcode))

const single = (name: string, help: string, value: number) => familyText(name, 'counter', help, [{ value }])

const histogramText = (name: string, help: string, series: readonly (readonly [Labels, Histogram])[]) =>
  series.length
    ? headText(name, 'histogram', help) + series.map(([labels, one]) => one.text(name, labels)).join('')
    : ''
