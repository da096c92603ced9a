// The backend that sends audit events to a server: batches, bounds, and what becomes of a batch that fails.
import { deepStrictEqual, strictEqual } from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { VirtualClock } from '../../base/clock.ts'
import { silentLog } from '../../base/log.ts'
import { metricsText } from '../../base/metrics.ts'
import { jsonServer } from '../post-json-testing.ts'
import { AuditWebhook } from './webhook.ts'

interface List {
  kind: string
  apiVersion: string
  items: { n: number }[]
}

async function backendOf(t: TestContext, code: () => number = () => 200) {
  const { poster, asked } = await jsonServer<List>(t, () => ({ code: code(), body: {} }))
  const clock = new VirtualClock()
  const backend = new AuditWebhook(poster, clock, silentLog)
  const write = (from: number, count: number) => {
    for (let n = from; n < from + count; n++) backend.write(JSON.stringify({ n }))
  }
  return { backend, asked, clock, write }
}

const untilAsked = async (asked: readonly unknown[], count: number) => {
  while (asked.length < count) await new Promise<void>(resolve => void setImmediate(resolve))
}
const droppedCount = () => Number(/apiserver_audit_error_total\{plugin="webhook"\} (\d+)/.exec(metricsText())?.[1] ?? 0)

test('events go in batches: when there are many, and otherwise after a while', async t => {
  const { backend, asked, clock, write } = await backendOf(t)
  write(0, 400)
  await untilAsked(asked, 1)
  write(400, 3)
  await clock.forward(29_000)
  strictEqual(asked.length, 1)
  await clock.forward(2_000)
  await untilAsked(asked, 2)
  deepStrictEqual(
    asked.map(({ kind, apiVersion, items }) => [kind, apiVersion, items[0]!.n, items.length]),
    [
      ['EventList', 'audit.k8s.io/v1', 0, 400],
      ['EventList', 'audit.k8s.io/v1', 400, 3],
    ],
  )
  write(403, 1)
  await backend.close()
  strictEqual(asked.length, 3)
})

test('a batch that fails is sent again, and more than fits is dropped and counted', async t => {
  let code = 500
  const { backend, asked, clock, write } = await backendOf(t, () => code)
  const before = droppedCount()
  write(0, 400)
  await untilAsked(asked, 1)
  write(400, 10_002)
  strictEqual(droppedCount() - before, 2)
  code = 200
  for (let i = 0; asked.length < 2; i++) await clock.forward(1_000)
  strictEqual(asked[1]!.items[0]!.n, 0)
  await backend.close()
  strictEqual(
    asked.slice(1).reduce((sum, { items }) => sum + items.length, 0),
    10_400,
  )
})
