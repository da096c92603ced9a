// Counters and gauges in Prometheus' text form. One registry for the process; families are few and named here
// by whoever counts, label values must come from a closed set.

interface Family {
  help: string
  type: 'counter' | 'gauge'
  values: Map<string, number>
}

const families = new Map<string, Family>()
/** Label sets one family may have; more are dropped, so that no request can make memory grow. */
const maxSeries = 2_000

function series(name: string, help: string, type: Family['type']): Family {
  let family = families.get(name)
  if (!family) families.set(name, (family = { help, type, values: new Map() }))
  return family
}

const labelText = (labels: Readonly<Record<string, string>>) =>
  Object.entries(labels)
    .map(([k, v]) => `${k}="${v.replace(/[\\"\n]/g, c => (c === '\n' ? '\\n' : `\\${c}`))}"`)
    .join(',')

/** A number that only grows. */
export function counter(
  name: string,
  help: string,
): { add(labels?: Readonly<Record<string, string>>, amount?: number): void } {
  const family = series(name, help, 'counter')
  return {
    add(labels = {}, amount = 1) {
      const key = labelText(labels)
      const value = family.values.get(key)
      if (value === undefined && family.values.size >= maxSeries) return
      family.values.set(key, (value ?? 0) + amount)
    },
  }
}

/** A number that goes up and down. */
export function gauge(
  name: string,
  help: string,
): { set(value: number, labels?: Readonly<Record<string, string>>): void } {
  const family = series(name, help, 'gauge')
  return {
    set(value, labels = {}) {
      const key = labelText(labels)
      if (family.values.has(key) || family.values.size < maxSeries) family.values.set(key, value)
    },
  }
}

/** Everything counted so far, with the process's own numbers. */
export function metricsText(): string {
  const { user, system } = process.cpuUsage()
  const lines = [
    '# TYPE process_cpu_seconds_total counter',
    `process_cpu_seconds_total ${(user + system) / 1e6}`,
    '# TYPE process_resident_memory_bytes gauge',
    `process_resident_memory_bytes ${process.memoryUsage.rss()}`,
  ]
  for (const [name, { help, type, values }] of families) {
    lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`)
    for (const [labels, value] of values) lines.push(labels ? `${name}{${labels}} ${value}` : `${name} ${value}`)
  }
  return `${lines.join('\n')}\n`
}
