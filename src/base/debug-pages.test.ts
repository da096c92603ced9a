// The pages of a process for those who look for a fault, and profiles of this one.
import { deepStrictEqual, match, ok, rejects, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { realClock, VirtualClock } from './clock.ts'
import { type DebugPages, debugPage } from './debug-pages.ts'

const pages: DebugPages = {
  component: 'kube-apiserver',
  clock: realClock,
  flags: { port: '6443', name: 'default' },
  paths: ['/api', '/apis'],
  profiling: true,
}
const { signal } = new AbortController()
const ask = (path: string, accept?: string, search = '', of = pages) =>
  debugPage(of, { path, query: new URLSearchParams(search), accept, signal })

test('flags and state are text, or an object for those who ask for one', async () => {
  const flags = await ask('/flagz')
  strictEqual(flags!.type, 'text/plain; charset=utf-8')
  match(flags!.body, /^\nkube-apiserver flags\nWarning: .+\n\nname=default\nport=6443\n$/)
  match((await ask('/statusz', '*/*'))!.body, /^\nkube-apiserver statusz\nWarning: .+\n\nStarted: .+\nUp: 0 hr 0\d min/)
  const asked = 'application/json;v=v1alpha1;g=config.k8s.io;as=Flagz'
  const page = await ask('/flagz', `${asked},text/plain`)
  strictEqual(page!.type, asked)
  deepStrictEqual(JSON.parse(page!.body), {
    kind: 'Flagz',
    apiVersion: 'config.k8s.io/v1alpha1',
    metadata: { name: 'kube-apiserver' },
    flags: { name: 'default', port: '6443' },
  })
  const status = JSON.parse((await ask('/statusz', asked.replace('Flagz', 'Statusz')))!.body) as Record<string, unknown>
  deepStrictEqual([status.kind, status.paths], ['Statusz', ['/api', '/apis']])
  await rejects(ask('/flagz', 'application/yaml'), { reason: 'NotAcceptable' })
  await rejects(ask('/flagz', asked.replace('Flagz', 'Statusz')), { reason: 'NotAcceptable' })
  strictEqual(await ask('/other'), undefined)
})

test('a profile shows where the time went, and only one is taken at a time', async () => {
  const busy = () => {
    let sum = 0
    for (let i = 0; i < 5e6; i++) sum += Math.sqrt(i)
    return sum
  }
  const taken = ask('/debug/pprof/profile', undefined, 'seconds=1')
  await rejects(ask('/debug/pprof/heap'), { reason: 'TooManyRequests' })
  const stop = setInterval(busy, 5)
  const profile = JSON.parse((await taken)!.body) as {
    nodes: { callFrame: { functionName: string } }[]
    samples: number[]
  }
  clearInterval(stop)
  ok(profile.samples.length > 0)
  ok(profile.nodes.some(({ callFrame }) => callFrame.functionName === 'busy'))
  const heap = JSON.parse((await ask('/debug/pprof/heap', undefined, 'seconds=1'))!.body) as { head: object }
  ok(heap.head)
})

test('a profile has a limit, ends with its client, and can be left out', async () => {
  for (const seconds of ['0', '51', '1.5', 'x'])
    await rejects(ask('/debug/pprof/profile', undefined, `seconds=${seconds}`), { reason: 'BadRequest' })
  const abort = new AbortController()
  const gone = new Error('gone')
  const asked = { path: '/debug/pprof/profile', query: new URLSearchParams(), accept: undefined, signal: abort.signal }
  const taken = debugPage({ ...pages, clock: new VirtualClock() }, asked)
  const refused = rejects(taken, gone)
  setImmediate(() => abort.abort(gone))
  await refused
  strictEqual(await ask('/debug/pprof/profile', undefined, '', { ...pages, profiling: false }), undefined)
  match((await ask('/debug/pprof/'))!.body, /^profile/)
})
