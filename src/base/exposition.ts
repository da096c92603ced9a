// The text format of Prometheus, in which monitoring systems read metrics.
// Source: prometheus.io/docs/instrumenting/exposition_formats.

export type Labels = Readonly<Record<string, string>>

export interface Sample {
  labels?: Labels
  value: number
  /** When it was measured, in ms since the epoch, if that is not the moment of the answer. */
  atMs?: number | undefined
}

/** Labels without braces, `a="b",c="d"`; '' for none. */
export const labelText = (labels: Labels): string =>
  Object.entries(labels)
    .map(([name, value]) => `${name}="${value.replace(/[\\"\n]/g, c => (c === '\n' ? '\\n' : `\\${c}`))}"`)
    .join(',')

export const headText = (name: string, type: string, help: string): string =>
  `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`

/** A family with its samples; '' if it has none. */
export function familyText(name: string, type: 'counter' | 'gauge', help: string, samples: readonly Sample[]): string {
  if (!samples.length) return ''
  const lines = samples.map(({ labels = {}, value, atMs }) => {
    const set = labelText(labels)
    return `${name}${set && `{${set}}`} ${value}${atMs === undefined ? '' : ` ${atMs}`}\n`
  })
  return headText(name, type, help) + lines.join('')
}
