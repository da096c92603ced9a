// A definition with two versions, whose objects a webhook in a pod converts: kubectl reads, writes and watches both, the
// storage version moves, and a webhook that fails, lies or is not there costs only the requests that need it.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { after, test } from 'node:test'
import { issue, makeAuthority } from '../../src/wire/x509.ts'
import { cannotRun, clusterForFile, eventually } from './cluster.ts'
import { nodeImage, nodePod } from './node-pod.ts'
import { becomesReady, makePod, getPod } from './pods.ts'

const options = { skip: cannotRun }
const cluster = clusterForFile('conversion', [nodeImage])
const k = (args: string, stdin?: string) => cluster.kubectl(args, stdin)
const group = 'shapes.example.com'
const crd = `gadgets.${group}`

const started: { kill(): void }[] = []
after(() => {
  for (const child of started) child.kill()
})

const version = (name: string, properties: object, column: string, storage: boolean) => ({
  name,
  served: true,
  storage,
  additionalPrinterColumns: [{ name: column, type: 'integer', jsonPath: `.spec.${column.toLowerCase()}` }],
  schema: { openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', properties } } } },
})
const whole = { type: 'integer' }
const text = { type: 'string' }

const definition = (caBundle: string, storage: 'v1' | 'v2') => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: crd },
  spec: {
    group,
    scope: 'Namespaced',
    names: { plural: 'gadgets', kind: 'Gadget' },
    conversion: {
      strategy: 'Webhook',
      webhook: {
        conversionReviewVersions: ['v1'],
        clientConfig: { caBundle, service: { name: 'convert', namespace: 'default', path: '/', port: 443 } },
      },
    },
    versions: [
      version('v1', { size: whole, colour: text }, 'Size', storage === 'v1'),
      version('v2', { length: whole, color: text }, 'Length', storage === 'v2'),
    ],
  },
})
const gadget = (of: 'v1' | 'v2', name: string, spec: object) => ({
  apiVersion: `${group}/${of}`,
  kind: 'Gadget',
  metadata: { name },
  spec,
})
const specOf = async (of: 'v1' | 'v2', name: string) =>
  JSON.parse(await k(`get gadgets.${of}.${group} ${name} -o jsonpath='{.spec}'`)) as object

let caBundle = ''

test('a webhook in a pod converts what kubectl writes and reads', options, async () => {
  const valid = { now: Date.now(), validMs: 3_600_000 }
  const authorities = await Promise.all(['ours', 'other'].map(commonName => makeAuthority({ commonName, ...valid })))
  const subject = { commonName: 'convert', dnsNames: ['convert.default.svc'] }
  const [ours, other] = await Promise.all(
    authorities.map(authority => issue(authority, subject, { usages: ['server auth'], ...valid })),
  )
  caBundle = Buffer.from(authorities[0]!.certPem).toString('base64')
  const files = {
    'tls.crt': ours!.certPem,
    'tls.key': ours!.keyPem,
    'other.crt': other!.certPem,
    'other.key': other!.keyPem,
  }
  await cluster.apply({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'tls' }, stringData: files })
  await cluster.apply(definition(caBundle, 'v1'))
  const ports = [443, 444].map(port => ({ name: `p${port}`, port, targetPort: 8000 + port }))
  const services = [
    { name: 'convert', selector: { app: 'convert' } },
    { name: 'empty', selector: { app: 'nothing' } },
  ]
  for (const { name, selector } of services)
    await cluster.apply({ apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { selector, ports } })
  const container = { readinessProbe: { tcpSocket: { port: 8443 }, periodSeconds: 1 } }
  const mounts = [{ mountPath: '/tls', volume: { secret: { secretName: 'tls' } } }]
  await makePod(cluster, 'convert', nodePod('convert.ts', { mounts, container }), { labels: { app: 'convert' } })
  await becomesReady(cluster, 'convert')
  await cluster.leadsTo('convert', [await getPod(cluster, 'convert')])
  await k(`wait crd/${crd} --for=condition=Established --timeout=30s`)
  await cluster.apply(gadget('v1', 'one', { size: 1, colour: 'red' }))
  await cluster.apply(gadget('v2', 'two', { length: 2, color: 'blue' }))
  assert.deepEqual(await specOf('v2', 'one'), { color: 'red', length: 1 })
  assert.deepEqual(await specOf('v1', 'two'), { colour: 'blue', size: 2 })
  assert.match(await k(`get gadgets.v1.${group}`), /^NAME +SIZE\none +1\ntwo +2\n$/)
  assert.match(await k(`get gadgets.v2.${group}`), /^NAME +LENGTH\none +1\ntwo +2\n$/)
  await k(`patch gadgets.v2.${group} one --type=merge -p '{"spec":{"length":10}}'`)
  assert.deepEqual(await specOf('v1', 'one'), { colour: 'red', size: 10 })
  await cluster.apply(gadget('v2', 'one', { length: 11, color: 'red' }), '--server-side --force-conflicts')
  assert.deepEqual(await specOf('v1', 'one'), { colour: 'red', size: 11 })
})

test('a watch in either version shows every object in it', options, async () => {
  const watches = (['v1', 'v2'] as const).map(of => {
    const column = of === 'v1' ? 'S:.spec.size' : 'L:.spec.length'
    const format = `custom-columns=N:.metadata.name,${column}`
    const args = ['get', `gadgets.${of}.${group}`, '-w', '--no-headers', '-o', format]
    const child = spawn('kubectl', args, { env: { ...process.env, ...cluster.env } })
    started.push(child)
    const watch = { output: '', child }
    child.stdout.on('data', (chunk: Buffer) => (watch.output += chunk.toString()))
    return watch
  })
  const seen = (line: RegExp) =>
    eventually(`${line} in both`, async () => {
      if (watches.every(({ output }) => line.test(output))) return true
      throw new Error(JSON.stringify(watches.map(({ output }) => output)))
    })
  await seen(/^two +2$/m)
  await cluster.apply(gadget('v2', 'three', { length: 3 }))
  await seen(/^three +3$/m)
  await k(`patch gadgets.v1.${group} three --type=merge -p '{"spec":{"size":4}}'`)
  await seen(/^three +4$/m)
  for (const { child } of watches) child.kill()
})

const point = (clientConfig: object) =>
  k(`patch crd ${crd} --type=merge -p '${JSON.stringify({ spec: { conversion: { webhook: { clientConfig } } } })}'`)
const toService = (service: object) =>
  point({ caBundle, service: { name: 'convert', path: '/', port: 443, ...service } })
const failed = (why: string | RegExp) =>
  new RegExp(
    `^Error from server \\(InternalError\\): conversion webhook for shapes\\.example\\.com/v1, Kind=Gadget failed: ${typeof why === 'string' ? why : why.source}`,
  )
const url = (path: string, port = 443) => `Post "https://convert\\.default\\.svc:${port}${path}\\?timeout=30s": `

test('a webhook that fails, lies or is not there costs only the requests that need it', options, async () => {
  const two = `get gadgets.v2.${group} two`
  const faults: [service: object, message: RegExp][] = [
    [{ path: '/fails' }, failed('gadgets are out of fashion')],
    [
      { path: '/renames' },
      failed(
        'invalid converted object at index 0: invalid metadata: must have the same name \\(expected "two", received "other"\\)',
      ),
    ],
    [{ path: '/drops' }, failed('expected 1 converted objects, got 0')],
    [
      { path: '/wrong-version' },
      failed(
        'invalid converted object at index 0: invalid groupVersion \\(expected shapes\\.example\\.com/v2, received shapes\\.example\\.com/v3\\)',
      ),
    ],
    [
      { path: '/nonsense' },
      failed("couldn't get version/kind; json parse error: invalid character 'o' in literal null"),
    ],
    [{ path: '/large' }, failed(`${url('/large')}http: response body too large`)],
    [{ path: '/closes' }, failed(`${url('/closes')}EOF`)],
    [
      { port: 444 },
      failed(`${url('/', 444)}tls: failed to verify certificate: x509: certificate signed by unknown authority`),
    ],
    [
      { name: 'absent' },
      failed('Post "https://absent\\.default\\.svc:443/\\?timeout=30s": service "absent" not found'),
    ],
    [{ port: 445 }, failed(`${url('/', 445)}no service port 445 found for service "convert"`)],
    [
      { name: 'empty' },
      failed('Post "https://empty\\.default\\.svc:443/\\?timeout=30s": dial tcp .*: connect: connection refused'),
    ],
  ]
  for (const [service, message] of faults) {
    await toService(service)
    // Until the server follows the definition, the object is shown as before.
    const stderr = await eventually(`${JSON.stringify(service)} fails`, async () => {
      await k(`annotate gadgets.v1.${group} two touched=${crypto.randomUUID()} --overwrite`)
      const result = await cluster.tryKubectl(two)
      return result.code !== 0 && result.stderr
    })
    assert.match(stderr, message)
    // What is stored in the version that is asked for needs no webhook.
    assert.deepEqual(await specOf('v1', 'two'), { colour: 'blue', size: 2 })
    const refused = await cluster.tryKubectl('apply -f -', JSON.stringify(gadget('v2', 'four', { length: 4 })))
    assert.notEqual(refused.code, 0)
  }
  assert.doesNotMatch(await k(`get gadgets.v1.${group} -o name`), /four/)
})

test('while a webhook hangs everything else goes on', options, async () => {
  await toService({ path: '/hangs' })
  await eventually('the webhook hangs', async () => {
    await k(`annotate gadgets.v1.${group} two touched=${crypto.randomUUID()} --overwrite`)
    const { code, stderr } = await cluster.tryKubectl(`get gadgets.v2.${group} two --request-timeout=1s`)
    return code !== 0 && /deadline exceeded|Timeout/.test(stderr)
  })
  await k('create configmap meanwhile')
  assert.match(await k(`get gadgets.v1.${group} -o name`), /gadget\.shapes\.example\.com\/two\n/)
  assert.match(await k('get --raw /readyz'), /ok/)
  await toService({})
  await eventually('it converts again', async () => (await specOf('v2', 'two').catch(() => undefined)) !== undefined)
})

test('the storage version moves, and old objects are read and rewritten', options, async () => {
  await cluster.apply(definition(caBundle, 'v2'))
  await eventually(
    'both are versions of stored objects',
    async () => (await k(`get crd ${crd} -o jsonpath='{.status.storedVersions}'`)) === '["v1","v2"]',
  )
  assert.deepEqual(await specOf('v1', 'one'), { colour: 'red', size: 11 })
  assert.deepEqual(await specOf('v2', 'one'), { color: 'red', length: 11 })
  await cluster.apply(gadget('v1', 'new', { size: 5 }))
  await k(`patch gadgets.v1.${group} one --type=merge -p '{"spec":{"size":12}}'`)
  // Without the webhook only what is stored in a version can be read in it.
  await toService({ name: 'absent' })
  await eventually('the webhook is absent', async () => {
    await k(`get gadgets.v2.${group} new`)
    return (await cluster.tryKubectl(`get gadgets.v1.${group} new`)).code !== 0
  })
  assert.deepEqual(await specOf('v2', 'one'), { color: 'red', length: 12 })
  await toService({})
  await eventually('it converts again', async () => (await specOf('v1', 'new').catch(() => undefined)) !== undefined)
  await k(`delete gadgets.v1.${group} --all`)
  await k(`delete crd ${crd} --timeout=30s`)
})
