// The client's requests on the wire, and how it reads the answers.
import { deepStrictEqual, match, rejects, strictEqual } from 'node:assert/strict'
import { createServer, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { metricsText } from '../base/metrics.ts'
import type { Operation, ServedResult } from '../api/operation.ts'
import { Deployment } from '../kinds/apps/deployment.ts'
import { ConfigMap } from '../kinds/core/configmap.ts'
import { Node } from '../kinds/core/node.ts'
import { httpsTransport } from './https.ts'

interface Asked {
  method: string
  path: string
  headers: IncomingHttpHeaders
  body: string
}
type Answer = (stream: ServerHttp2Stream, asked: Asked) => void

/** A server that gives the answers of a test, and records the requests. */
async function open(t: TestContext, answer: Answer) {
  const server = createServer()
  const asked: Asked[] = []
  let sessions = 0
  server.on('session', session => {
    sessions++
    t.after(() => session.destroy())
  })
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    const chunks: Buffer[] = []
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('end', () => {
      const one = {
        method: headers[':method'] ?? '',
        path: headers[':path'] ?? '',
        headers,
        body: Buffer.concat(chunks).toString(),
      }
      asked.push(one)
      answer(stream, one)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  let token = 'first'
  const transport = httpsTransport(() => ({
    server: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ca: '',
    token: () => token,
  }))
  t.after(() => transport.close())
  return { asked, transport, sessions: () => sessions, setToken: (value: string) => (token = value) }
}

const operation = (more: Partial<Operation>): Operation => ({
  verb: 'get',
  kind: ConfigMap,
  subresource: '',
  namespace: 'n',
  name: 'a',
  user: { name: 'u', groups: [] },
  options: {},
  ...more,
})
const send =
  (status: number, body: unknown): Answer =>
  stream => {
    stream.respond({ ':status': status })
    stream.end(typeof body === 'string' ? body : JSON.stringify(body))
  }
const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', resourceVersion: '7' } }

test('every verb has its method, its path and its body', async t => {
  const { asked, transport } = await open(t, send(200, object))
  const merge = 'application/merge-patch+json'
  const table: [more: Partial<Operation>, method: string, path: string, type: string, body: string][] = [
    [{}, 'GET', '/api/v1/namespaces/n/configmaps/a', 'application/json', ''],
    [
      { options: { resourceVersion: '0' } },
      'GET',
      '/api/v1/namespaces/n/configmaps/a?resourceVersion=0',
      'application/json',
      '',
    ],
    [
      { verb: 'create', name: '', body: { data: {} } },
      'POST',
      '/api/v1/namespaces/n/configmaps',
      'application/json',
      '{"kind":"ConfigMap","apiVersion":"v1","data":{}}',
    ],
    [
      { verb: 'update', subresource: 'status', body: {}, options: { dryRun: true, fieldManager: 'me' } },
      'PUT',
      '/api/v1/namespaces/n/configmaps/a/status?dryRun=All&fieldManager=me',
      'application/json',
      '{"kind":"ConfigMap","apiVersion":"v1"}',
    ],
    [
      { verb: 'patch', patchType: 'merge', body: { data: null } },
      'PATCH',
      '/api/v1/namespaces/n/configmaps/a',
      merge,
      '{"data":null}',
    ],
    [
      { verb: 'patch', patchType: 'apply', body: {}, options: { force: true } },
      'PATCH',
      '/api/v1/namespaces/n/configmaps/a?force=true',
      'application/apply-patch+yaml',
      '{}',
    ],
    [
      { verb: 'delete', body: { gracePeriodSeconds: 0 } },
      'DELETE',
      '/api/v1/namespaces/n/configmaps/a',
      'application/json',
      '{"gracePeriodSeconds":0}',
    ],
    [
      { kind: Deployment, subresource: 'scale' },
      'GET',
      '/apis/apps/v1/namespaces/n/deployments/a/scale',
      'application/json',
      '',
    ],
    // A body that has its own type keeps it.
    [
      { verb: 'create', subresource: 'eviction', body: { kind: 'Eviction' } },
      'POST',
      '/api/v1/namespaces/n/configmaps/a/eviction',
      'application/json',
      '{"kind":"Eviction"}',
    ],
    [{ kind: Node, namespace: '' }, 'GET', '/api/v1/nodes/a', 'application/json', ''],
    [
      { verb: 'list', namespace: '', name: '', options: { labelSelector: 'a in (b,c)', limit: 5 } },
      'GET',
      '/api/v1/configmaps?labelSelector=a+in+%28b%2Cc%29&limit=5',
      'application/json',
      '',
    ],
  ]
  for (const [more, method, path, type, body] of table) {
    await transport.serve(operation({ userAgent: 'tester', ...more }))
    const { headers, ...rest } = asked.at(-1)!
    deepStrictEqual([rest.method, rest.path, headers['content-type'], rest.body], [method, path, type, body])
    deepStrictEqual(
      [headers['accept'], headers['user-agent'], headers['authorization']],
      ['application/json', 'tester', 'Bearer first'],
    )
  }
})

test('an answer becomes an object, a list or a status', async t => {
  let next: unknown
  const { transport } = await open(t, (stream, asked) => send(200, next)(stream, asked))
  const answered = async (verb: 'get' | 'list' | 'delete' | 'deletecollection', body: unknown) => {
    next = body
    const result: ServedResult = await transport.serve(operation({ verb }))
    return result
  }
  const got = await answered('get', object)
  deepStrictEqual(got.type === 'object' && [got.item.revision, got.item.object.metadata.name], [7, 'a'])
  const list = await answered('list', {
    kind: 'ConfigMapList',
    apiVersion: 'v1',
    metadata: { resourceVersion: '9', continue: 'more' },
    items: [{ metadata: { name: 'a', resourceVersion: '7' } }],
  })
  deepStrictEqual(
    list.type === 'list' && [list.revision, list.continue, list.items.map(item => [item.object, item.revision])],
    [9, 'more', [[{ metadata: { name: 'a', resourceVersion: '7' }, kind: 'ConfigMap', apiVersion: 'v1' }, 7]]],
  )
  const status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' }
  deepStrictEqual(await answered('delete', status), { type: 'status', status })
  strictEqual((await answered('delete', object)).type, 'object')
  strictEqual((await answered('deletecollection', { metadata: { resourceVersion: '1' }, items: [] })).type, 'list')
})

test('a refusal is the Status that the server sends, and an error without one is still an error', async t => {
  let status = 0
  let body: unknown
  const { transport } = await open(t, (stream, asked) => send(status, body)(stream, asked))
  const refusal = (reason: string, message: string, more: object = {}) => ({
    kind: 'Status',
    apiVersion: 'v1',
    status: 'Failure',
    reason,
    message,
    ...more,
  })
  const causes = [{ reason: 'FieldValueRequired', message: 'Required value', field: 'spec' }]
  const table: [status: number, body: unknown, expected: object][] = [
    [
      404,
      refusal('NotFound', 'configmaps "a" not found', { details: { name: 'a' } }),
      { reason: 'NotFound', code: 404, message: 'configmaps "a" not found', details: { name: 'a' } },
    ],
    [409, refusal('Conflict', 'modified'), { reason: 'Conflict', code: 409 }],
    [409, refusal('AlreadyExists', 'exists'), { reason: 'AlreadyExists', code: 409 }],
    [410, refusal('Expired', 'too old'), { reason: 'Expired', code: 410 }],
    [422, refusal('Invalid', 'wrong', { details: { causes } }), { reason: 'Invalid', details: { causes } }],
    [
      429,
      refusal('TooManyRequests', 'later', { details: { retryAfterSeconds: 3 } }),
      { reason: 'TooManyRequests', details: { retryAfterSeconds: 3 } },
    ],
    [500, refusal('', 'odd'), { reason: '', code: 500, message: 'odd' }],
    [503, {}, { reason: '', code: 503, message: 'the server answered 503' }],
    [
      502,
      '<html>Bad Gateway</html>',
      {
        reason: 'InternalError',
        code: 502,
        message: 'the server answered 502 with a body that is not a JSON object: <html>Bad Gateway</html>',
      },
    ],
    [200, 'not json', { reason: 'InternalError', code: 200 }],
  ]
  for (const [code, answer, expected] of table) {
    status = code
    body = answer
    await rejects(transport.serve(operation({})), expected, JSON.stringify(answer))
    // A watch throws the same error when it is read.
    if (code < 400) continue
    const watch = await transport.serve(operation({ verb: 'watch', name: '' }))
    if (watch.type !== 'watch') throw new Error('no watch')
    await rejects(async () => {
      for await (const _ of watch.events);
    }, expected)
  }
})

test('the events of a watch are complete, wherever the stream is cut into chunks', async t => {
  const event = (type: string, name: string, revision: number) => ({
    type,
    object: { ...object, metadata: { name, resourceVersion: String(revision), annotations: { text: 'ä€😀\n"x"' } } },
  })
  const all = [event('ADDED', 'a', 1), event('MODIFIED', 'b', 2), event('DELETED', 'c', 3)]
  const bytes = Buffer.from(all.map(e => `${JSON.stringify(e)}\n`).join(''))
  let size = 1
  const { asked, transport } = await open(t, stream => {
    stream.respond({ ':status': 200 })
    const write = (at: number): void => {
      if (at >= bytes.length) return void stream.end()
      stream.write(bytes.subarray(at, at + size), () => write(at + size))
    }
    write(0)
  })
  for (size of [7, 64, bytes.length]) {
    const watch = await transport.serve(operation({ verb: 'watch', name: '', options: { resourceVersion: '5' } }))
    if (watch.type !== 'watch') throw new Error('no watch')
    const seen: unknown[] = []
    for await (const events of watch.events)
      for (const { type, item } of events)
        seen.push({ type, object: JSON.parse(JSON.stringify(item.object)) as unknown })
    deepStrictEqual(seen, all, `chunks of ${size}`)
    strictEqual(asked.at(-1)!.path, '/api/v1/namespaces/n/configmaps?resourceVersion=5&watch=true')
  }
})

test('an answer that ends too early or is aborted is an error', async t => {
  const { transport } = await open(t, (stream, { path }) => {
    if (path.includes('silent')) return
    stream.respond({ ':status': 200 })
    stream.write('{"kind":"ConfigMap",', () => stream.close(2))
  })
  await rejects(transport.serve(operation({})))
  const abort = new AbortController()
  const waiting = rejects(transport.serve(operation({ name: 'silent', signal: abort.signal })), { name: 'AbortError' })
  abort.abort()
  await waiting
})

test('a renewed token is used at once, and a renewed certificate with the next connection', async t => {
  const { asked, transport, sessions, setToken } = await open(t, send(200, object))
  await transport.serve(operation({}))
  setToken('second')
  await transport.serve(operation({}))
  deepStrictEqual(
    asked.map(({ headers }) => headers['authorization']),
    ['Bearer first', 'Bearer second'],
  )
  strictEqual(sessions(), 1)
  transport.renew()
  await transport.serve(operation({}))
  strictEqual(sessions(), 2)
})

/** Refuses the first requests, and answers the others. */
const later =
  (count: number, status: number, retryAfter: string, answer: unknown): Answer =>
  (stream, asked) => {
    if (count-- <= 0) return send(200, answer)(stream, asked)
    stream.respond({ ':status': status, 'retry-after': retryAfter })
    const refusal = { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'TooManyRequests', message: 'later' }
    stream.end(JSON.stringify(refusal))
  }

test('what a server refuses with Retry-After is sent again as it was, whatever its verb', async t => {
  const list = { kind: 'ConfigMapList', apiVersion: 'v1', metadata: { resourceVersion: '9' }, items: [] }
  const event = `${JSON.stringify({ type: 'ADDED', object })}\n`
  const table: [more: Partial<Operation>, answer: unknown][] = [
    [{}, object],
    [{ verb: 'list', name: '' }, list],
    [{ verb: 'create', name: '', body: { data: { a: 'b' } } }, object],
    [{ verb: 'update', body: { data: { a: 'b' } } }, object],
    [{ verb: 'patch', patchType: 'merge', body: { data: null } }, object],
    [{ verb: 'delete', body: { gracePeriodSeconds: 0 } }, object],
    [{ verb: 'deletecollection', name: '' }, list],
    [{ verb: 'watch', name: '' }, event],
  ]
  for (const [more, answer] of table) {
    for (const status of [429, 500, 503]) {
      const { asked, transport, sessions } = await open(t, later(2, status, '0', answer))
      const about = `${more.verb} ${status}`
      const result = await transport.serve(operation(more))
      if (result.type === 'watch') {
        const seen = []
        for await (const events of result.events) seen.push(...events)
        strictEqual(seen.length, 1, about)
      }
      strictEqual(asked.length, 3, about)
      for (const again of asked.slice(1))
        deepStrictEqual([again.method, again.path, again.body], [asked[0]!.method, asked[0]!.path, asked[0]!.body])
      strictEqual(sessions(), 1, about)
    }
  }
  const { asked, transport } = await open(t, later(1, 429, '0', 'ok'))
  strictEqual(await transport.fetch('/healthz'), 'ok')
  strictEqual(asked.length, 2)
  match(metricsText(), /rest_client_request_retries_total\{code="429",host="127\.0\.0\.1:\d+",verb="GET"\} 1/)
})

test('it is sent again ten times, and not for other answers or after more than a minute', async t => {
  const often = await open(t, later(99, 429, '0', object))
  await rejects(often.transport.serve(operation({})), { reason: 'TooManyRequests', message: 'later' })
  strictEqual(often.asked.length, 11)
  const watch = await often.transport.serve(operation({ verb: 'watch', name: '' }))
  if (watch.type !== 'watch') throw new Error('no watch')
  await rejects(
    async () => {
      for await (const _ of watch.events);
    },
    { message: 'later' },
  )
  strictEqual(often.asked.length, 22)
  for (const [status, retryAfter] of [
    [409, '0'],
    [404, '0'],
    [429, 'Thu, 01 Jan 2026 00:00:00 GMT'],
    [429, '-1'],
    [503, '61'],
  ] as const) {
    const { asked, transport } = await open(t, later(1, status, retryAfter, object))
    await rejects(transport.serve(operation({})), { message: 'later' })
    strictEqual(asked.length, 1, `${status} ${retryAfter}`)
  }
})

test('a wait ends with the request, and with the transport', async t => {
  const refused = (abort: () => void): Answer => {
    const refuse = later(99, 429, '60', object)
    // The answer has arrived when the abort follows it on the same connection.
    return (stream, asked) => {
      stream.on('close', abort)
      refuse(stream, asked)
    }
  }
  const abort = new AbortController()
  const aborted = await open(
    t,
    refused(() => setImmediate(() => abort.abort())),
  )
  await rejects(aborted.transport.serve(operation({ signal: abort.signal })), { name: 'AbortError' })
  strictEqual(aborted.asked.length, 1)
  let close = () => {}
  const closed = await open(
    t,
    refused(() => setImmediate(() => close())),
  )
  close = () => closed.transport.close()
  await rejects(closed.transport.fetch('/a'), { reason: 'ServiceUnavailable' })
  strictEqual(closed.sessions(), 1)
})

test('what is sent again has the credentials of its moment, and goes over a new connection when the old one ends', async t => {
  const { asked, transport, sessions, setToken } = await open(t, (stream, one) => {
    const isFirst = asked.length === 1
    setToken('second')
    later(isFirst ? 1 : 0, 429, '1', object)(stream, one)
    // A server that ends lets no more requests begin on the connection.
    if (isFirst) stream.session?.close()
  })
  await transport.serve(operation({}))
  deepStrictEqual(
    asked.map(({ headers }) => headers['authorization']),
    ['Bearer first', 'Bearer second'],
  )
  strictEqual(sessions(), 2)
})
