// READY, STATUS and RESTARTS of a pod, by the state of its sidecars, init containers and containers. The cases are
// what printPod of Kubernetes makes of them.
import { deepStrictEqual } from 'node:assert'
import { test } from 'node:test'
import { decode } from '../../api/schema/decode.ts'
import { podColumns } from './pod-columns.ts'
import { PodSpec } from './podspec.ts'
import { PodStatus } from './podstatus.ts'

const now = Date.parse('2026-01-01T01:00:00Z')
const earlier = (minutes: number) => new Date(now - minutes * 60_000).toISOString()
const ended = (exitCode: number, reason?: string, more: object = {}) => ({
  state: { terminated: { exitCode, ...(reason && { reason }), ...more } },
})
const waits = (reason: string) => ({ state: { waiting: { reason } } })
const runs = { state: { running: {} }, started: true, ready: true }
const unready = { state: { running: {} }, started: true, ready: false }
const starting = { state: { running: {} }, started: false, ready: false }
const again = (restartCount: number, minutes: number) => ({
  restartCount,
  lastState: { terminated: { exitCode: 1, finishedAt: earlier(minutes) } },
})
const initialized = [{ type: 'Initialized', status: 'True' }]

/** `side…` are sidecars, `init…` init containers, all others main containers. */
function cellsOf(states: Record<string, object>, status: object = {}, metadata: object = {}) {
  const names = Object.keys(states)
  const isInit = (name: string) => /^(side|init)/.test(name)
  const container = (name: string) => ({ name, ...(name.startsWith('side') && { restartPolicy: 'Always' }) })
  const statusOf = (name: string) => ({ name, image: 'i', imageID: '', restartCount: 0, ready: false, ...states[name] })
  const inits = names.filter(isInit)
  const mains = names.filter(name => !isInit(name))
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p', ...metadata },
    spec: decode(PodSpec, { containers: mains.map(container), initContainers: inits.map(container) }),
    status: decode(PodStatus, {
      phase: 'Running',
      initContainerStatuses: inits.map(statusOf),
      containerStatuses: mains.map(statusOf),
      ...status,
    }),
  } as Parameters<Exclude<(typeof podColumns)[number]['value'], string>>[0]
  const cell = (name: string) => {
    const value = podColumns.find(c => c.name === name)!.value
    return typeof value === 'string' ? value : value(pod, now)
  }
  return [cell('Ready'), cell('Status'), cell('Restarts')]
}

test('the columns of a pod follow its init containers until it is initialized, and its containers from then on', () => {
  const table: [title: string, cells: string[], ...Parameters<typeof cellsOf>][] = [
    ['nothing yet', ['0/1', 'Pending', '0'], { a: {} }, { phase: 'Pending' }],
    ['runs', ['2/2', 'Running', '0'], { a: runs, b: runs }],
    [
      'restarted',
      ['1/2', 'Running', '5 (2m ago)'],
      { a: { ...runs, ...again(3, 9) }, b: { ...unready, ...again(2, 2) } },
    ],
    ['restarts without a time', ['1/1', 'Running', '2'], { a: { ...runs, restartCount: 2 } }],
    ['crashes', ['1/2', 'CrashLoopBackOff', '0'], { a: waits('CrashLoopBackOff'), b: runs }],
    ['the first of several counts', ['0/2', 'OOMKilled', '0'], { a: ended(137, 'OOMKilled'), b: ended(1, 'Error') }],
    ['without a reason', ['0/1', 'ExitCode:3', '0'], { a: ended(3) }],
    ['by a signal', ['0/1', 'Signal:9', '0'], { a: ended(137, undefined, { signal: 9 }) }],
    ['one is done, one runs', ['1/2', 'NotReady', '0'], { a: ended(0, 'Completed'), b: runs }],
    [
      'one is done, the pod is ready',
      ['1/2', 'Running', '0'],
      { a: ended(0, 'Completed'), b: runs },
      { conditions: [{ type: 'Ready', status: 'True' }] },
    ],
    [
      'init runs',
      ['0/1', 'Init:0/2', '0'],
      { init: unready, init2: waits('PodInitializing'), a: waits('PodInitializing') },
    ],
    ['one init is done', ['0/1', 'Init:1/2', '0'], { init: ended(0, 'Completed'), init2: unready, a: waits('x') }],
    ['init fails', ['0/1', 'Init:Error', '2 (60s ago)'], { init: { ...ended(1, 'Error'), ...again(2, 1) }, a: {} }],
    ['init fails without a reason', ['0/1', 'Init:ExitCode:4', '0'], { init: ended(4), a: {} }],
    ['init ends by a signal', ['0/1', 'Init:Signal:9', '0'], { init: ended(137, undefined, { signal: 9 }), a: {} }],
    ['init waits', ['0/1', 'Init:ImagePullBackOff', '0'], { init: waits('ImagePullBackOff'), a: {} }],
    [
      'restarts of init containers count no more',
      ['1/1', 'Running', '1 (3m ago)'],
      { init: { ...ended(0, 'Completed'), ...again(4, 1) }, a: { ...runs, ...again(1, 3) } },
      { conditions: initialized },
    ],
    ['a sidecar starts', ['0/2', 'Init:0/1', '0'], { side: starting, a: waits('PodInitializing') }],
    ['a sidecar is up', ['1/2', 'Init:1/2', '0'], { side: runs, init: unready, a: waits('PodInitializing') }],
    ['up, and not ready', ['1/2', 'Running', '0'], { side: unready, a: runs }, { conditions: initialized }],
    [
      'restarts of sidecars count',
      ['2/2', 'Running', '3 (60s ago)'],
      { side: { ...runs, ...again(2, 1) }, a: { ...runs, ...again(1, 5) } },
      { conditions: initialized },
    ],
    [
      'a sidecar crashes at first',
      ['0/2', 'Init:CrashLoopBackOff', '1 (60s ago)'],
      { side: { ...waits('CrashLoopBackOff'), ...again(1, 1) }, a: {} },
    ],
    // The word stays what it was when no container has another.
    [
      'a sidecar crashes later',
      ['1/2', 'Init:CrashLoopBackOff', '1 (60s ago)'],
      { side: { ...waits('CrashLoopBackOff'), ...again(1, 1) }, a: runs },
      { conditions: initialized },
    ],
    [
      'sidecars after the one that crashes are not looked at',
      ['1/3', 'Init:Error', '0'],
      { side: ended(1, 'Error'), side2: { ...runs, ...again(7, 1) }, a: runs },
      { conditions: initialized },
    ],
    [
      'a sidecar was killed at the end',
      ['0/2', 'Completed', '0'],
      { side: { ...ended(137, 'Error'), started: false }, a: ended(0, 'Completed') },
      { phase: 'Succeeded', conditions: initialized },
    ],
    [
      'a sidecar was killed at the end of a pod that failed',
      ['0/2', 'Error', '0'],
      { side: { ...ended(137, 'Error'), started: false }, a: ended(2, 'Error') },
      { phase: 'Failed', conditions: initialized },
    ],
    ['a sidecar ended by itself', ['1/2', 'Running', '0'], { side: ended(0, 'Completed'), a: runs }],
    [
      'waits for its gates',
      ['0/1', 'SchedulingGated', '0'],
      { a: {} },
      { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }] },
    ],
    ['evicted', ['0/1', 'Evicted', '0'], { a: {} }, { phase: 'Failed', reason: 'Evicted' }],
    ['deleted', ['1/1', 'Terminating', '0'], { a: runs }, {}, { deletionTimestamp: earlier(1) }],
    [
      'deleted, and done',
      ['0/1', 'Completed', '0'],
      { a: ended(0, 'Completed') },
      { phase: 'Succeeded' },
      { deletionTimestamp: earlier(1) },
    ],
    ['on a lost node', ['1/1', 'Unknown', '0'], { a: runs }, { reason: 'NodeLost' }, { deletionTimestamp: earlier(1) }],
  ]
  for (const [title, cells, ...pod] of table) deepStrictEqual(cellsOf(...pod), cells, title)
})
