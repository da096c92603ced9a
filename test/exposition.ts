// A strict reader of the text format of Prometheus, for tests: what it does not accept, Prometheus does not either.
// Source: prometheus.io/docs/instrumenting/exposition_formats.
import assert from 'node:assert/strict'

export interface Family {
  type: string
  help: string
  samples: { name: string; labels: Readonly<Record<string, string>>; value: number }[]
}

const sampleLine = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: (-?\d+))?$/
const labelPair = /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y
const endings: Readonly<Record<string, readonly string[]>> = { histogram: ['_bucket', '_sum', '_count'] }

/** All families of a text. Throws at a line that is not right, a family that comes twice, and a sample without one. */
export function readExposition(text: string): Map<string, Family> {
  assert.ok(text.endsWith('\n'), 'the text ends with the end of a line')
  const families = new Map<string, Family>()
  const seen = new Set<string>()
  let current: [name: string, family: Family] | undefined
  for (const line of text.slice(0, -1).split('\n')) {
    const [, what, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? []
    if (what === 'HELP') {
      assert.ok(!families.has(name), `the family ${name} comes once`)
      families.set(name, (current = [name, { type: '', help: rest, samples: [] }])[1])
    } else if (what === 'TYPE') {
      assert.equal(current?.[0], name, line)
      current![1].type = rest
    } else {
      const [, sample = '', inside = '', value = ''] = sampleLine.exec(line) ?? []
      assert.ok(sample, `a sample: ${line}`)
      const [family, { type, samples }] = current ?? assert.fail(line)
      const names = (endings[type] ?? ['']).map(end => family + end)
      assert.ok(names.includes(sample), `${line} is of the family ${family}`)
      const labels = readLabels(inside, line)
      const key = `${sample} ${JSON.stringify(Object.entries(labels).sort())}`
      assert.ok(!seen.has(key), `one sample: ${line}`)
      seen.add(key)
      assert.ok(/^[+-]Inf$|^NaN$/.test(value) || Number.isFinite(Number(value)), line)
      samples.push({ name: sample, labels, value: Number(value.replace('Inf', 'Infinity')) })
    }
  }
  for (const [name, { type, samples }] of families) if (type === 'histogram') checkBuckets(name, samples)
  return families
}

function readLabels(text: string, line: string): Record<string, string> {
  const labels: Record<string, string> = {}
  labelPair.lastIndex = 0
  while (labelPair.lastIndex < text.length) {
    const [, name = '', value = ''] = labelPair.exec(text) ?? assert.fail(`labels: ${line}`)
    assert.ok(!(name in labels), line)
    labels[name] = value
  }
  return labels
}

/** Buckets rise, and the last one is the count. */
function checkBuckets(name: string, samples: Family['samples']): void {
  const last = new Map<string, number>()
  for (const { name: sample, labels, value } of samples) {
    const { le, ...rest } = labels
    const key = JSON.stringify(rest)
    if (sample.endsWith('_bucket')) {
      assert.ok(le !== undefined && value >= (last.get(key) ?? 0), `the buckets of ${name} rise`)
      last.set(key, value)
    } else if (sample.endsWith('_count')) assert.equal(value, last.get(key), `the count of ${name}`)
  }
}

/** A row of the table in docs/metrics.md. */
export interface Documented {
  name: string
  type: string
  labels: readonly string[]
  where: string
  /** Whether it is there only once it has happened. */
  isRare: boolean
}

export const readTable = (markdown: string): Documented[] =>
  Array.from(
    markdown.matchAll(/^\| `([a-z_]+)` \| (counter|gauge|histogram) \| ([a-z_, ]*) \| ([^|]+?)( \*)? \|$/gm),
    ([, name = '', type = '', labels = '', where = '', star]) => ({
      name,
      type,
      labels: labels.split(', ').filter(Boolean).sort(),
      where,
      isRare: star !== undefined,
    }),
  )

/** What is wrong with families, as far as the rows go; nothing if all is as documented. */
export function differences(rows: readonly Documented[], families: ReadonlyMap<string, Family>): string[] {
  return rows.flatMap(({ name, type, labels, isRare }) => {
    const family = families.get(name)
    if (!family) return isRare ? [] : [`${name} is missing`]
    const problems = family.type === type ? [] : [`${name} is a ${family.type}`]
    if (!isRare && !family.samples.length) problems.push(`${name} has no samples`)
    for (const sample of family.samples) {
      const own = Object.keys(sample.labels).filter(key => type !== 'histogram' || key !== 'le')
      if (own.sort().join() !== labels.join()) return [...problems, `${name} has the labels ${own.join()}`]
    }
    return problems
  })
}
