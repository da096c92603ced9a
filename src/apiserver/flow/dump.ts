// /debug/api_priority_and_fairness/dump_priority_levels, dump_queues and dump_requests: tables of what executes and what
// waits, for people. Source: apiserver pkg/util/flowcontrol/apf_controller_debug.go.
import { type PathHandler, send } from '../http/call.ts'
import type { FlowControl } from './control.ts'
import type { Level } from './level.ts'
import { estimateMs } from './queues.ts'

type Row = readonly string[]

const root = '/debug/api_priority_and_fairness/'

/** Answers the paths of the dumps. As for all paths, RBAC must allow it. */
export function flowDumps(flow: FlowControl): PathHandler {
  const dumps: Readonly<Record<string, () => Row[]>> = {
    dump_priority_levels: () => levelRows(flow.levels),
    dump_queues: () => queueRows(flow.levels),
    dump_requests: () => requestRows(flow),
  }
  return ({ url, response }) => {
    if (!url.pathname.startsWith(root)) return false
    const name = url.pathname.slice(root.length)
    if (!Object.hasOwn(dumps, name)) return false
    const rows = dumps[name]!()
    send(response, 200, 'text/plain; charset=utf-8', Buffer.from(table(rows)))
    return true
  }
}

/** Cells end with a comma, and columns are aligned with at least one space between them. */
function table(rows: readonly Row[]): string {
  const widths: number[] = []
  const cells = rows.map(row => row.map((cell, i) => (i < row.length - 1 ? `${cell},` : cell)))
  for (const row of cells)
    row.slice(0, -1).forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? minWidth, cell.length + 1)))
  return cells
    .map(row => `${row.map((cell, i) => (i < row.length - 1 ? cell.padEnd(widths[i]!) : cell)).join('')}\n`)
    .join('')
}

const minWidth = 8
const none = (count: number) => Array.from({ length: count }, () => '<none>')

function levelRows(levels: Iterable<Level>): Row[] {
  const head = ['PriorityLevelName', 'ActiveQueues', 'IsIdle', 'IsQuiescing', 'WaitingRequests', 'ExecutingRequests']
  const rows = [...levels].map(({ name, queues, quiescing }) => {
    if (!queues) return [name, ...none(5)]
    const active = queues.dump().filter(({ waiting }) => waiting.length).length
    return [name, active, queues.isIdle, quiescing, queues.waiting, queues.executing].map(String)
  })
  return [head, ...rows]
}

function queueRows(levels: Iterable<Level>): Row[] {
  const head = [
    'PriorityLevelName',
    'Index',
    'PendingRequests',
    'ExecutingRequests',
    'SeatsInUse',
    'NextDispatchR',
    'InitialSeatsSum',
    'MaxSeatsSum',
    'TotalWorkSum',
  ]
  const rows = [...levels].flatMap(({ name, queues }) => {
    if (!queues) return [[name, ...none(8)]]
    return queues.dump().map(({ index, waiting, executing, seatsInUse, nextR }) => {
      const seats = waiting.reduce((sum, { entrant }) => sum + entrant.seats, 0)
      const most = waiting.reduce((sum, { entrant }) => sum + Math.max(entrant.seats, entrant.finalSeats), 0)
      return [
        name,
        ...[index, waiting.length, executing, seatsInUse].map(String),
        ss(nextR / 1000),
        String(seats),
        String(most),
        ss((seats * estimateMs) / 1000),
      ]
    })
  })
  return [head, ...rows]
}

/** Seconds of one seat. */
const ss = (value: number) => `${value.toFixed(8)}ss`

function requestRows(flow: FlowControl): Row[] {
  const head = [
    'PriorityLevelName',
    'FlowSchemaName',
    'QueueIndex',
    'RequestIndexInQueue',
    'FlowDistingsher',
    'ArriveTime',
    'InitialSeats',
    'FinalSeats',
    'AdditionalLatency',
  ]
  const rows = [...flow.levels].flatMap(({ name, queues }) =>
    (queues?.dump() ?? []).flatMap(({ index, waiting }) =>
      waiting.map(({ entrant, arrivedAt }, i) => [
        name,
        entrant.schema,
        String(index),
        String(i),
        entrant.distinguisher,
        new Date(flow.timeOf(arrivedAt)).toISOString(),
        String(entrant.seats),
        String(entrant.finalSeats),
        entrant.extraMs ? `${entrant.extraMs}ms` : '0s',
      ]),
    ),
  )
  return [head, ...rows]
}
