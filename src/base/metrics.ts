// Counters, gauges and histograms in the text format of Prometheus. There is one registry for the process. A family is
// created by the module that counts it. Label values must come from a closed set, never from a request.
import { readdirSync, readFileSync } from 'node:fs'
import { headText, type Labels, labelText, type Sample } from './exposition.ts'

interface Family {
  help: string
  type: 'counter' | 'gauge'
  values: Map<string, number>
}

const families = new Map<string, Family>()
/** Limit of label sets in one family. Further ones are dropped, so that memory stays bounded even by mistake. */
const maxSeries = 5_000

function series(name: string, help: string, type: Family['type']): Family {
  let family = families.get(name)
  if (!family) families.set(name, (family = { help, type, values: new Map() }))
  return family
}

interface Counter {
  add(labels?: Readonly<Record<string, string>>, amount?: number): void
  /** Adds to the same labels each time, without the work to write them. */
  with(labels: Readonly<Record<string, string>>): (amount?: number) => void
}

/** Creates a counter: a number that only grows. By convention its name ends with `_total`. */
export function counter(name: string, help: string): Counter {
  const family = series(name, help, 'counter')
  const addTo = (key: string, amount: number) => {
    const value = family.values.get(key)
    if (value === undefined && family.values.size >= maxSeries) return
    family.values.set(key, (value ?? 0) + amount)
  }
  return {
    add: (labels = {}, amount = 1) => addTo(labelText(labels), amount),
    with(labels) {
      const key = labelText(labels)
      return (amount = 1) => addTo(key, amount)
    },
  }
}

/** Creates a gauge: a number that rises and falls. */
export function gauge(
  name: string,
  help: string,
): {
  set(value: number, labels?: Labels): void
  add(amount: number, labels?: Labels): void
  clear(): void
} {
  const family = series(name, help, 'gauge')
  const setTo = (key: string, value: number) => {
    if (family.values.has(key) || family.values.size < maxSeries) family.values.set(key, value)
  }
  return {
    clear: () => family.values.clear(),
    set: (value, labels = {}) => setTo(labelText(labels), value),
    add(amount, labels = {}) {
      const key = labelText(labels)
      setTo(key, (family.values.get(key) ?? 0) + amount)
    },
  }
}

/** Families whose values are read only when they are asked for, each from all of its sources. */
const measured = new Map<string, { help: string; type: Family['type']; sources: Set<() => Iterable<Sample>> }>()

/**
 * Adds a source of a family whose values are read with each scrape. Of two samples with the same labels, that of the
 * later source counts. Returns what removes the source.
 */
export function measure(name: string, help: string, type: Family['type'], read: () => Iterable<Sample>): () => void {
  let family = measured.get(name)
  if (!family) measured.set(name, (family = { help, type, sources: new Set() }))
  const { sources } = family
  sources.add(read)
  return () => void sources.delete(read)
}

function measuredLines(): string[] {
  return Array.from(measured, ([name, { help, type, sources }]) => {
    const values = new Map<string, number>()
    for (const read of sources)
      for (const { labels = {}, value } of read()) {
        const key = labelText(labels)
        if (values.has(key) || values.size < maxSeries) values.set(key, value)
      }
    return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...valueLines(name, values)]
  }).flat()
}

const valueLines = (name: string, values: ReadonlyMap<string, number>): string[] =>
  Array.from(values, ([labels, value]) => (labels ? `${name}{${labels}} ${value}` : `${name} ${value}`))

/** The count of each bucket, of which the last is beyond all bounds, and the sum of the values. */
interface HistogramSeries {
  counts: number[]
  sum: number
}

/** Values that have been sorted into the buckets of a histogram, to be observed together, also several times. */
export interface Tally {
  /** How many values there are. */
  readonly size: number
  readonly counts: readonly number[]
  readonly sum: number
}

interface Histogram {
  help: string
  bounds: readonly number[]
  series: Map<string, HistogramSeries>
}

const histograms = new Map<string, Histogram>()

const emptySeries = (bounds: readonly number[]): HistogramSeries => ({
  counts: Array.from({ length: bounds.length + 1 }, () => 0),
  sum: 0,
})

/** `count` bounds, of which each is `factor` times the previous one. */
export const exponentialBuckets = (first: number, factor: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => first * factor ** i)

/** Creates a histogram of values over buckets. `bounds` must be in rising order. */
export function histogram(
  name: string,
  help: string,
  bounds: readonly number[],
): {
  observe(value: number, labels?: Labels): void
  /** Observes values with the same labels each time, without the work to write and find them. */
  with(labels: Labels): (value: number) => void
  /** Sorts values into the buckets. */
  tally(values: readonly number[]): Tally
  /** Observes tallies with the same labels each time. */
  tallies(labels: Labels): (tally: Tally) => void
} {
  let family = histograms.get(name)
  if (!family) histograms.set(name, (family = { help, bounds, series: new Map() }))
  const { series: all } = family
  const seriesOf = (key: string) => {
    let own = all.get(key)
    if (!own && all.size < maxSeries) all.set(key, (own = emptySeries(bounds)))
    return own
  }
  const observeIn = (own: HistogramSeries | undefined, value: number) => {
    if (!own) return
    let bucket = 0
    while (bucket < bounds.length && value > bounds[bucket]!) bucket++
    own.counts[bucket]!++
    own.sum += value
  }
  return {
    observe: (value, labels = {}) => observeIn(seriesOf(labelText(labels)), value),
    with(labels) {
      const key = labelText(labels)
      let own: HistogramSeries | undefined
      return value => observeIn((own ??= seriesOf(key)), value)
    },
    tally(values) {
      const tally = emptySeries(bounds)
      for (const value of values) observeIn(tally, value)
      return { ...tally, size: values.length }
    },
    tallies(labels) {
      const key = labelText(labels)
      let own: HistogramSeries | undefined
      return ({ counts, sum }) => {
        own ??= seriesOf(key)
        if (!own) return
        for (let i = 0; i < counts.length; i++) own.counts[i]! += counts[i]!
        own.sum += sum
      }
    },
  }
}

function histogramLines(name: string, { help, bounds, series: all }: Histogram): string[] {
  const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`]
  for (const [labels, { counts, sum }] of all) {
    let total = 0
    counts.forEach((count, i) => {
      total += count
      const le = `le="${bounds[i] ?? '+Inf'}"`
      lines.push(`${name}_bucket{${labels ? `${labels},${le}` : le}} ${total}`)
    })
    const set = labels && `{${labels}}`
    lines.push(`${name}_sum${set} ${sum}`, `${name}_count${set} ${total}`)
  }
  return lines
}

/** What client libraries of Prometheus say of their process. Source: proc_pid_stat(5), proc_pid_limits(5). */
function processLines(): string[] {
  const { user, system } = process.cpuUsage()
  const gauge = (name: string, help: string, value: number) => `${headText(name, 'gauge', help)}${name} ${value}`
  const cpu = 'process_cpu_seconds_total'
  const limits = readFileSync('/proc/self/limits', 'utf8')
  const [pages = 0] = readFileSync('/proc/self/statm', 'utf8').split(' ').map(Number)
  const startedAt = Date.now() / 1000 - process.uptime()
  return [
    `${headText(cpu, 'counter', 'CPU time that the process has used.')}${cpu} ${(user + system) / 1e6}`,
    gauge('process_resident_memory_bytes', 'Memory of the process that is in RAM.', process.memoryUsage.rss()),
    gauge('process_virtual_memory_bytes', 'Address space of the process.', pages * pageBytes),
    gauge('process_start_time_seconds', 'When the process was started, as Unix time.', startedAt),
    gauge('process_open_fds', 'Open file descriptors of the process.', readdirSync('/proc/self/fd').length),
    gauge(
      'process_max_fds',
      'Most file descriptors that it may open.',
      Number(/^Max open files +(\d+)/m.exec(limits)?.[1]),
    ),
  ]
}

const pageBytes = 4096

/** What client libraries of Prometheus say of their process, as a part of a scrape. */
export const processText = (): string => `${processLines().join('\n')}\n`

/** All families, and what there is to say of the process itself, as a scrape of /metrics returns them. */
export function metricsText(): string {
  const lines = processLines()
  for (const [name, { help, type, values }] of families) {
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...valueLines(name, values))
  }
  lines.push(...measuredLines())
  for (const [name, family] of histograms) lines.push(...histogramLines(name, family))
  return `${lines.join('\n')}\n`
}
