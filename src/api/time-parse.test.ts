import { strictEqual } from 'node:assert'
import { test } from 'node:test'
import { timeProblem } from './time-parse.ts'

test('text that is not a time is refused with the message of Go', () => {
  const layout = '2006-01-02T15:04:05Z07:00'
  const table: [type: 'time' | 'microTime', text: string, expected: string | undefined][] = [
    ['time', '2020-01-01T00:00:00Z', undefined],
    ['time', '2020-01-01T00:00:00.5+02:00', undefined],
    [
      'time',
      '2020-01-01T1:00:00Z',
      `parsing time "2020-01-01T1:00:00Z" as "${layout}": cannot parse "1:00:00Z" as "15"`,
    ],
    ['time', '', `parsing time "" as "${layout}": cannot parse "" as "2006"`],
    ['time', 'x', `parsing time "x" as "${layout}": cannot parse "x" as "2006"`],
    ['time', '2020', `parsing time "2020" as "${layout}": cannot parse "" as "-"`],
    ['time', '2020-1-01T', `parsing time "2020-1-01T" as "${layout}": cannot parse "1-01T" as "01"`],
    ['time', '2020-13-01T00:00:00Z', 'parsing time "2020-13-01T00:00:00Z": month out of range'],
    ['time', '2021-02-29T00:00:00Z', 'parsing time "2021-02-29T00:00:00Z": day out of range'],
    ['time', '2020-01-01T24:00:00Z', 'parsing time "2020-01-01T24:00:00Z": hour out of range'],
    ['time', '2020-01-01T00:00:00Zx', 'parsing time "2020-01-01T00:00:00Zx": extra text: "x"'],
    ['time', '2020-01-01T00:00:00', `parsing time "2020-01-01T00:00:00" as "${layout}": cannot parse "" as "Z07:00"`],
    ['microTime', '2020-01-01T00:00:00.000000Z', undefined],
    [
      'microTime',
      '2020-01-01T00:00:00Z',
      'parsing time "2020-01-01T00:00:00Z" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "Z" as ".000000"',
    ],
  ]
  for (const [type, text, expected] of table) strictEqual(timeProblem(text, type), expected)
})
