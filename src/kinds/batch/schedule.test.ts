import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nextTime, parseSchedule } from './schedule.ts'

const table: [string, string, string, string?][] = [
  ['* * * * *', '2026-01-01T00:00:30Z', '2026-01-01T00:01:00Z'],
  ['*/15 * * * *', '2026-01-01T00:15:00Z', '2026-01-01T00:30:00Z'],
  ['30 7 * * 1-5', '2026-01-02T08:00:00Z', '2026-01-05T07:30:00Z'],
  ['0 0 29 2 *', '2026-03-01T00:00:00Z', '2028-02-29T00:00:00Z'],
  ['0 12 13 * FRI', '2026-02-10T00:00:00Z', '2026-02-13T12:00:00Z'],
  ['0 12 1 * mon', '2026-02-02T13:00:00Z', '2026-02-09T12:00:00Z'],
  ['0 0 * * 0', '2026-01-01T00:00:00Z', '2026-01-04T00:00:00Z'],
  ['@hourly', '2026-01-01T00:00:00Z', '2026-01-01T01:00:00Z'],
  ['@every 90s', '2026-01-01T00:00:00Z', '2026-01-01T00:01:30Z'],
  ['5 4 * jan,jul *', '2026-02-01T00:00:00Z', '2026-07-01T04:05:00Z'],
  ['0 9 * * *', '2026-07-01T00:00:00Z', '2026-07-01T07:00:00Z', 'Europe/Berlin'],
  ['30 2 * * *', '2026-03-08T00:00:00Z', '2026-03-08T07:30:00Z', 'Etc/GMT+5'],
  // 02:30 does not exist in New York on the day the clocks go forward: the next one is a day later.
  ['30 2 * * *', '2026-03-08T05:00:00Z', '2026-03-09T06:30:00Z', 'America/New_York'],
  ['0 0 * * *', '2026-11-01T05:00:00Z', '2026-11-02T05:00:00Z', 'America/New_York'],
]
for (const [text, after, expected, zone] of table) {
  test(`${text} ${zone ?? ''} after ${after}`, () => {
    const next = nextTime(parseSchedule(text), Date.parse(after), zone)
    assert.equal(next === undefined ? undefined : new Date(next).toISOString(), expected.replace('Z', '.000Z'))
  })
}

test('a day that never comes has no time', () => {
  assert.equal(nextTime(parseSchedule('0 0 30 2 *'), Date.UTC(2026, 0, 1)), undefined)
})

const refused: [string, string][] = [
  ['', 'empty spec string'],
  ['* * * *', 'expected exactly 5 fields, found 4: [* * * *]'],
  ['61 * * * *', 'end of range (61) above maximum (59): 61'],
  ['* * 0 * *', 'beginning of range (0) below minimum (1): 0'],
  ['0 0 * * 7', 'end of range (7) above maximum (6): 7'],
  ['* * * * funday', 'failed to parse int from funday: strconv.Atoi: parsing "funday": invalid syntax'],
  ['5-1 * * * *', 'beginning of range (5) beyond end of range (1): 5-1'],
  ['1-2-3 * * * *', 'too many hyphens: 1-2-3'],
  ['*/0 * * * *', 'step of range should be a positive number: */0'],
  ['@sometimes', 'unrecognized descriptor: @sometimes'],
  ['@every soon', 'failed to parse duration @every soon: time: invalid duration "soon"'],
]
for (const [text, message] of refused)
  test(`${JSON.stringify(text)} is refused`, () => assert.throws(() => parseSchedule(text), { message }))
