// At which time of its schedule a CronJob is due, as a table: what was missed, what is too late, and time zones in which
// an hour is missing or comes twice.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Draft } from '../../api/kind.ts'
import { timeText } from '../../api/time.ts'
import { CronJob } from '../../kinds/batch/cronjob.ts'
import { parseSchedule } from '../../kinds/batch/schedule.ts'
import { objectOf } from '../../kinds/testing.ts'
import { planDue } from './cronjob.ts'

const at = (text: string) => Date.parse(`2026-${text}Z`)

interface Given {
  schedule: string
  /** When the last Job was started, or the CronJob created. */
  last?: string
  created?: string
  now: string
  more?: Partial<Draft<CronJob>['spec']>
}

/** The time as `03-01T10:00`, and `many` behind it if too many were missed. */
function dueOf({ schedule, last, created = '01-01T00:00', now, more = {} }: Given): string | undefined {
  const cron = objectOf(CronJob, {
    metadata: { name: 'c', creationTimestamp: timeText(at(created)) },
    spec: { schedule, ...more },
    ...(last && { status: { lastScheduleTime: timeText(at(last)) } }),
  })
  const due = planDue(cron, parseSchedule(schedule), at(now))
  if (due.at === undefined) return undefined
  return `${new Date(due.at).toISOString().slice(5, 16)}${due.tooMany ? ' many' : ''}`
}

test('the latest time since the last run is due, and earlier ones are not made up for', () => {
  const hourly = '0 * * * *'
  const table: [what: string, given: Given, due: string | undefined][] = [
    ['not yet', { schedule: hourly, last: '03-01T10:00', now: '03-01T10:59:59' }, undefined],
    ['at its time', { schedule: hourly, last: '03-01T10:00', now: '03-01T11:00' }, '03-01T11:00'],
    ['a moment later', { schedule: hourly, last: '03-01T10:00', now: '03-01T11:00:07' }, '03-01T11:00'],
    ['started already', { schedule: hourly, last: '03-01T11:00', now: '03-01T11:00:07' }, undefined],
    ['three missed', { schedule: hourly, last: '03-01T10:00', now: '03-01T13:10' }, '03-01T13:00'],
    ['never run', { schedule: hourly, created: '03-01T10:30', now: '03-01T11:01' }, '03-01T11:00'],
    ['created after the time', { schedule: hourly, created: '03-01T11:00:30', now: '03-01T11:01' }, undefined],
    [
      'minutes missed for weeks',
      { schedule: '* * * * *', last: '03-01T10:00', now: '03-20T10:00:30' },
      '03-20T10:00 many',
    ],
    ['a hundred missed', { schedule: '* * * * *', last: '03-01T10:00', now: '03-01T11:40:30' }, '03-01T11:40'],
    ['once a year', { schedule: '0 0 1 1 *', last: '01-01T00:00', now: '12-31T23:59' }, undefined],
    ['a day that does not exist', { schedule: '0 0 30 2 *', last: '01-01T00:00', now: '12-31T23:59' }, undefined],
  ]
  for (const [what, given, due] of table) assert.equal(dueOf(given), due, what)
})

test('with a deadline, times before it count no more', () => {
  const given: Given = { schedule: '0 * * * *', last: '03-01T10:00', now: '03-01T13:10' }
  assert.equal(dueOf({ ...given, more: { startingDeadlineSeconds: 900 } }), '03-01T13:00')
  assert.equal(dueOf({ ...given, more: { startingDeadlineSeconds: 300 } }), undefined)
  // So weeks of missed minutes are not counted.
  const minutes: Given = { schedule: '* * * * *', last: '03-01T10:00', now: '03-20T10:00:30' }
  assert.equal(dueOf({ ...minutes, more: { startingDeadlineSeconds: 120 } }), '03-20T10:00')
})

test('a time zone moves the schedule, also when its clocks change', () => {
  const berlin = (given: Given) => dueOf({ ...given, more: { timeZone: 'Europe/Berlin' } })
  const daily = '30 9 * * *'
  assert.equal(berlin({ schedule: daily, last: '02-01T08:30', now: '02-02T08:31' }), '02-02T08:30')
  assert.equal(berlin({ schedule: daily, last: '07-01T07:30', now: '07-02T07:31' }), '07-02T07:30')
  // On 29 March 2026 the hour from 2 to 3 is missing.
  assert.equal(berlin({ schedule: '30 1 * * *', last: '03-28T00:30', now: '03-29T12:00' }), '03-29T00:30')
  assert.equal(berlin({ schedule: '30 3 * * *', last: '03-28T02:30', now: '03-29T12:00' }), '03-29T01:30')
  // On 25 October 2026 it comes twice.
  assert.equal(berlin({ schedule: '30 4 * * *', last: '10-24T02:30', now: '10-25T12:00' }), '10-25T03:30')
})
