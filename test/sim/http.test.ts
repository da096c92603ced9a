// What can be tested only over HTTP: strict checks of bodies, warnings, tables, pages, the kinds of a delete's answer.
import { deepStrictEqual, match, ok, strictEqual } from 'node:assert/strict'
import { connect as connectHttp2 } from 'node:http2'
import { connect } from 'node:net'
import { test } from 'node:test'
import { TLSSocket } from 'node:tls'
import { WebSocket } from 'ws'
import { type Https, openHttps } from './https.ts'
import { type Sim, simulate } from './cluster.ts'

const overHttps = (run: (https: Https, sim: Sim) => Promise<void>) =>
  simulate({ controllers: false, scheduler: false }, async sim => {
    const https = await openHttps(sim)
    try {
      await run(https, sim)
    } finally {
      await https.close()
    }
  })

const deployments = '/apis/apps/v1/namespaces/default/deployments'
const selfReviews = '/apis/authentication.k8s.io/v1/selfsubjectreviews'
const maps = '/api/v1/namespaces/default/configmaps'
const spec =
  '"selector":{"matchLabels":{"app":"a"}},"template":{"metadata":{"labels":{"app":"a"}},"spec":{"containers":[{"name":"c","image":"i"}]}}'
const body = (meta: string, more: string) =>
  `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d","labels":{"app":"a"}${meta}},"spec":{${more}${spec}}}`

test('unknown and duplicate fields of a body are refused, reported or ignored, as requested', () =>
  overHttps(async ({ send }) => {
    const bad = body('', '"unknownField":"foo","replicas":2,"replicas":3,')
    const strict = await send('POST', `${deployments}?fieldValidation=Strict`, bad)
    strictEqual(strict.code, 400)
    match(
      strict.body.message,
      /strict decoding error: unknown field "spec.unknownField", duplicate field "spec.replicas"$/,
    )
    const meta = await send('POST', `${deployments}?fieldValidation=Strict`, body(',"unknownMeta":"foo"', ''))
    match(meta.body.message, /strict decoding error: unknown field "metadata.unknownMeta"$/)
    const ignored = await send('POST', `${deployments}?fieldValidation=Ignore&dryRun=All`, bad)
    deepStrictEqual([ignored.code, ignored.headers.warning], [201, undefined])
    const told = await send('POST', deployments, bad)
    deepStrictEqual([told.code, told.body.spec.replicas], [201, 3])
    deepStrictEqual(
      told.headers.warning,
      '299 - "unknown field \\"spec.unknownField\\"", 299 - "duplicate field \\"spec.replicas\\""',
    )
  }))

test('unknown and duplicate fields of patches and of YAML are handled in the same way', () =>
  overHttps(async ({ send }) => {
    strictEqual((await send('POST', deployments, body('', ''))).code, 201)
    const type = { 'content-type': 'application/merge-patch+json' }
    const patch = '{"spec":{"foo":1,"paused":true,"paused":false}}'
    const merged = await send('PATCH', `${deployments}/d?fieldValidation=Strict`, patch, type)
    strictEqual(merged.code, 422)
    match(
      merged.body.message,
      /^ "" is invalid: patch: Invalid value: ".*": strict decoding error: duplicate field "spec.paused", unknown field "spec.foo"$/,
    )
    const yaml = 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: m\ndata:\n  a: "1"\n  a: "2"\nfoo: 1\n'
    const asYaml = { 'content-type': 'application/yaml' }
    const created = await send('POST', `${maps}?fieldValidation=Strict`, yaml, asYaml)
    match(
      created.body.message,
      /strict decoding error: yaml: unmarshal errors:\n {2}line 7: key "a" already set in map, unknown field "foo"$/,
    )
    strictEqual((await send('POST', maps, yaml, asYaml)).body.data.a, '2')
    const apply = { 'content-type': 'application/apply-patch+yaml' }
    const applied = await send('PATCH', `${maps}/m?fieldManager=a&fieldValidation=Strict`, yaml, apply)
    match(
      applied.body.message,
      /^error strict decoding YAML: .*unmarshal errors:\n {2}line 7: key "a" already set in map$/s,
    )
  }))

test('an apply with fields that the kind lacks is refused, whatever validation is requested', () =>
  overHttps(async ({ send }) => {
    const apply = { 'content-type': 'application/apply-patch+yaml' }
    const deployment = JSON.parse(body('', '"replicas":1,"foo":1,'))
    deployment.spec.template.spec.containers[0].imag = 'i'
    const refused = await send('PATCH', `${deployments}/d?fieldManager=a&fieldValidation=Ignore`, deployment, apply)
    deepStrictEqual([refused.code, refused.body.reason], [500, undefined])
    strictEqual(
      refused.body.message,
      'failed to create typed patch object (/d; apps/v1, Kind=Deployment): errors:\n  .spec.foo: field not declared in schema\n  .spec.template.spec.containers[name="c"].imag: field not declared in schema',
    )
    const map = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {a: "1", a: "2"}\n'
    const told = await send('PATCH', `${maps}/m?fieldManager=a`, map, apply)
    deepStrictEqual([told.code, told.headers.warning], [201, '299 - "line 4: key \\"a\\" already set in map"'])
  }))

test('a table of a resource that has none is not acceptable', () =>
  overHttps(async ({ send }) => {
    const review = {
      kind: 'SelfSubjectAccessReview',
      apiVersion: 'authorization.k8s.io/v1',
      spec: { nonResourceAttributes: { path: '/', verb: 'get' } },
    }
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io'
    const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews'
    const refused = await send('POST', path, review, { accept })
    deepStrictEqual([refused.code, refused.body.reason], [406, 'NotAcceptable'])
    strictEqual((await send('POST', path, review, { accept: `${accept},application/json` })).code, 201)
    const nodes = await send('GET', '/api/v1/nodes', undefined, { accept })
    ok(
      nodes.body.kind === 'Table' &&
        nodes.body.metadata.resourceVersion &&
        nodes.body.columnDefinitions[0].name === 'Name',
    )
  }))

test('a table can be read in pages', () =>
  overHttps(async ({ send }) => {
    for (let i = 0; i < 5; i++) await send('POST', maps, { metadata: { name: `m-${i}` } })
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io'
    const first = await send('GET', `${maps}?limit=2`, undefined, { accept })
    deepStrictEqual([first.body.rows.length, first.body.metadata.remainingItemCount], [2, 3])
    const rest = await send('GET', `${maps}?continue=${first.body.metadata.continue}`, undefined, { accept })
    deepStrictEqual(
      rest.body.rows.map((row: { cells: string[] }) => row.cells[0]),
      ['m-2', 'm-3', 'm-4'],
    )
  }))

test('a list whose state is compacted goes on with the newest state by the token of the refusal', () =>
  overHttps(async ({ send }, { plane }) => {
    for (let i = 0; i < 6; i++) await send('POST', maps, { metadata: { name: `m-${i}` } })
    const first = await send('GET', `${maps}?limit=2`)
    await send('DELETE', `${maps}/m-2`)
    await plane.core.storage.store.compact(await plane.core.storage.store.revision())
    const gone = await send('GET', `${maps}?limit=2&continue=${first.body.metadata.continue}`)
    deepStrictEqual([gone.code, gone.body.reason], [410, 'Expired'])
    match(gone.body.message, /use the continue token in this response/)
    const next = await send('GET', `${maps}?limit=2&continue=${gone.body.metadata.continue}`)
    const names = (answer: typeof next) => answer.body.items.map((m: { metadata: { name: string } }) => m.metadata.name)
    deepStrictEqual(names(next), ['m-3', 'm-4'])
    ok(Number(next.body.metadata.resourceVersion) > Number(first.body.metadata.resourceVersion))
    deepStrictEqual(names(await send('GET', `${maps}?continue=${next.body.metadata.continue}`)), ['m-5'])
  }))

test('JSON is indented for people and on one line for programs', () =>
  overHttps(async ({ send }) => {
    await send('POST', maps, { metadata: { name: 'm' }, data: { a: '{"b":[1,{}]}' } })
    const lines = async (path: string, agent: string) =>
      (await send('GET', path, undefined, { 'user-agent': agent })).text.split('\n').length > 3
    const asked = [
      await lines(`${maps}/m`, 'curl/8.0'),
      await lines(`${maps}/m?pretty=true`, 'kubectl'),
      await lines(maps, 'Mozilla/5.0 (X11)'),
      await lines(`${maps}/m?pretty=false`, 'curl/8.0'),
      await lines(`${maps}/m`, 'kubectl'),
    ]
    deepStrictEqual(asked, [true, true, true, false, false])
    // This holds for all negotiated answers, refusals and discovery included. Two documents are indented for programs
    // as well.
    const documents = [`${maps}/none`, '/api/v1', '/apis', '/apis/apps', '/apis/apps/v1', '/version', '/']
    for (const path of documents) {
      strictEqual(await lines(path, 'curl/8.0'), true, path)
      strictEqual(await lines(path, 'kubectl'), path === '/' || path === '/version', path)
    }
    strictEqual(
      (await send('DELETE', `${maps}/m`, undefined, { 'user-agent': 'curl/8.0' })).text.split('\n').length > 3,
      true,
    )
    const { text } = await send('GET', `${maps}/m`, undefined, { 'user-agent': 'curl/8.0' })
    strictEqual(text, JSON.stringify(JSON.parse(text), null, 2))
  }))

test('a watch over a WebSocket sends each event as a message, in the encoding that the client prefers', () =>
  overHttps(async ({ send, tls }) => {
    await send('POST', maps, { metadata: { name: 'm' }, data: { a: 'b' } })
    const first = (
      protocols: string[],
      accept?: string,
    ): Promise<{ data: Buffer; isBinary: boolean; protocol: string }> =>
      new Promise((resolve, reject) => {
        const { host, port, ...credentials } = tls
        const ws = new WebSocket(
          `wss://${host}:${port}${maps}?watch=true&resourceVersion=0&fieldSelector=metadata.name=m`,
          protocols,
          {
            ...credentials,
            headers: accept ? { accept } : {},
          },
        )
        ws.on('error', reject)
        ws.on('message', (data: Buffer, isBinary) => {
          resolve({ data, isBinary, protocol: ws.protocol })
          ws.close()
        })
      })
    const nameIn = (text: string) => {
      const event = JSON.parse(text) as { type: string; object: { metadata: { name: string } } }
      return [event.type, event.object.metadata.name]
    }
    const plain = await first([])
    deepStrictEqual([plain.isBinary, ...nameIn(plain.data.toString())], [false, 'ADDED', 'm'])
    const base64 = await first(['base64.binary.k8s.io'])
    deepStrictEqual([base64.protocol, base64.isBinary], ['base64.binary.k8s.io', false])
    deepStrictEqual(nameIn(Buffer.from(base64.data.toString(), 'base64').toString()), ['ADDED', 'm'])
    const binary = await first(['binary.k8s.io'])
    deepStrictEqual([binary.isBinary, ...nameIn(binary.data.toString())], [true, 'ADDED', 'm'])
    const protobuf = await first([], 'application/vnd.kubernetes.protobuf')
    // The first bytes are field 1 of the event itself, a string of 5 bytes.
    deepStrictEqual([protobuf.isBinary, protobuf.data.subarray(0, 7).toString()], [true, '\n\x05ADDED'])
  }))

test('long headers, such as those of a user with many groups, are accepted', () =>
  overHttps(async ({ send }) => {
    const { code } = await send('GET', maps, undefined, { 'x-long': 'a'.repeat(200_000) })
    strictEqual(code, 200)
  }))

test('dot segments in a path are names and do not lead up', () =>
  overHttps(async ({ send }) => {
    strictEqual((await send('GET', `${maps}/../secrets`)).code, 400)
    strictEqual((await send('GET', '/api/v1/namespaces/default/')).code, 200)
  }))

test('a plain HTTP request on the HTTPS port gets an answer that says so', () =>
  overHttps(async ({ tls }) => {
    const answer = await new Promise<string>((resolve, reject) => {
      let text = ''
      const socket = connect(tls.port, tls.host, () => socket.write('GET /version HTTP/1.1\r\nhost: a\r\n\r\n'))
      socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
      socket.on('end', () => resolve(text))
      socket.on('error', reject)
    })
    strictEqual(answer, 'HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n')
  }))

test('the certificate of a connection is read once for all its requests', t =>
  overHttps(async ({ tls }) => {
    const read = t.mock.method(TLSSocket.prototype, 'getPeerCertificate')
    const session = connectHttp2(`https://${tls.host}:${tls.port}`, tls)
    const ask = () =>
      new Promise<string>((resolve, reject) => {
        const stream = session.request({ ':method': 'POST', ':path': selfReviews, 'content-type': 'application/json' })
        let text = ''
        stream.on('data', (chunk: Buffer) => (text += chunk.toString()))
        stream.on('end', () => resolve(JSON.parse(text).status.userInfo.username))
        stream.on('error', reject)
        stream.end('{}')
      })
    try {
      deepStrictEqual(await Promise.all([ask(), ask(), ask()]), ['admin', 'admin', 'admin'])
      deepStrictEqual(await ask(), 'admin')
    } finally {
      session.close()
    }
    // The client is in the same process and reads certificates, too. Only the reads of the server's side are counted.
    const byServer = read.mock.calls.filter(({ result }) => result?.subject.CN === 'admin')
    strictEqual(byServer.length, 1)
  }))

test('deeply nested objects are accepted or refused, and the server goes on', () =>
  overHttps(async ({ send }) => {
    const path = '/apis/apps/v1/namespaces/default/controllerrevisions'
    for (const [depth, good] of [
      [1_500, true],
      [9_900, false],
      [20_000, false],
    ] as const) {
      const name = `c${depth}`
      const data = `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`
      const text = `{"apiVersion":"apps/v1","kind":"ControllerRevision","metadata":{"name":"${name}"},"revision":1,"data":${data}}`
      const type = { 'content-type': 'application/apply-patch+yaml' }
      const codes = [
        (await send('PATCH', `${path}/${name}?fieldManager=m`, text, type)).code,
        (await send('POST', path, text.replace(name, `${name}-2`))).code,
        (await send('GET', `${path}/${name}`, undefined, { accept: 'application/yaml' })).code,
      ]
      deepStrictEqual(codes, good ? [201, 201, 200] : [400, 400, 404], String(depth))
    }
    strictEqual((await send('GET', path)).code, 200)
  }))
