// Checks the text of a time, with the messages of Go's parser, which Kubernetes passes on.
// Source: Go time.Parse (format.go); apimachinery meta/v1 time.go, micro_time.go.

interface Element {
  /** The text before the element. */
  before: string
  /** The element in Go's layout. */
  as: string
  pattern: RegExp
  /** The name of the element in messages, and the limits of its value. */
  range?: readonly [what: string, min: number, max: number]
}

const date: readonly Element[] = [
  { before: '', as: '2006', pattern: /^\d{4}/ },
  { before: '-', as: '01', pattern: /^\d\d/, range: ['month', 1, 12] },
  { before: '-', as: '02', pattern: /^\d\d/ },
  { before: 'T', as: '15', pattern: /^\d\d/, range: ['hour', 0, 23] },
  { before: ':', as: '04', pattern: /^\d\d/, range: ['minute', 0, 59] },
]
const second: Element = { before: ':', as: '05', pattern: /^\d\d/, range: ['second', 0, 59] }
const zone: Element = { before: '', as: 'Z07:00', pattern: /^(Z|[+-]\d\d:\d\d)/ }

/** The layouts of metav1.Time, where the fraction is optional, and of metav1.MicroTime, where it is required. */
const layouts: Readonly<Record<'time' | 'microTime', readonly Element[]>> = {
  time: [...date, { ...second, pattern: /^\d\d([.,]\d+)?/ }, zone],
  microTime: [...date, second, { before: '', as: '.000000', pattern: /^[.,]\d{6}/ }, zone],
}

const usual = /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d)T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{6})?Z$/

/** The message for a text that is not a time; undefined for a time. */
export function timeProblem(text: string, type: keyof typeof layouts): string | undefined {
  // Fast path: nearly every time has the usual spelling, and every month has 28 days.
  if (usual.test(text) && Number(text.slice(8, 10)) <= 28 && (type === 'time') === (text.length === 20))
    return undefined
  const layout = layouts[type].map(({ before, as }) => before + as).join('')
  const unlike = (rest: string, as: string) =>
    `parsing time ${JSON.stringify(text)} as ${JSON.stringify(layout)}: cannot parse ${JSON.stringify(rest)} as ${JSON.stringify(as)}`
  const outOfRange = (what: string) => `parsing time ${JSON.stringify(text)}: ${what} out of range`
  let rest = text
  for (const { before, as, pattern, range } of layouts[type]) {
    if (!rest.startsWith(before)) return unlike(rest, before)
    rest = rest.slice(before.length)
    const found = pattern.exec(rest)?.[0]
    if (found === undefined) return unlike(rest, as)
    const number = Number.parseInt(found, 10)
    if (range && (number < range[1] || number > range[2])) return outOfRange(range[0])
    rest = rest.slice(found.length)
  }
  if (rest) return `parsing time ${JSON.stringify(text)}: extra text: ${JSON.stringify(rest)}`
  return isDay(text) ? undefined : outOfRange('day')
}

function isDay(text: string): boolean {
  const [year = 0, month = 0, day = 0] = text.slice(0, 10).split('-').map(Number)
  return day >= 1 && day <= new Date(Date.UTC(year, month, 0)).getUTCDate()
}
