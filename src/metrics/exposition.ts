// Parses the text format of metrics, in which kubelets answer at /metrics/resource.
// Source: prometheus.io/docs/instrumenting/exposition_formats.

interface Sample {
  name: string
  labels: Readonly<Record<string, string>>
  value: number
  /** The time of the sample in milliseconds since the epoch, if the line has one. */
  atMs?: number
}

const line = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+(-?\d+))?\s*$/
const label = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g
const escapes: Readonly<Record<string, string>> = { n: '\n', '"': '"', '\\': '\\' }

/** All samples of a text. Comments and lines in another form are skipped. */
export function* readSamples(text: string): Iterable<Sample> {
  for (const row of text.split('\n')) {
    const match = line.exec(row)
    if (!match) continue
    const [, name = '', inside = '', value = '', at] = match
    const labels: Record<string, string> = {}
    for (const [, key = '', quoted = ''] of inside.matchAll(label))
      labels[key] = quoted.replace(/\\(.)/g, (whole, c: string) => escapes[c] ?? whole)
    yield { name, labels, value: Number(value), ...(at !== undefined && { atMs: Number(at) }) }
  }
}
