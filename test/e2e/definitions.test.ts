// Definitions in the shapes of those that people install, with real kubectl: applied on the client's and on the server's
// side, explained, printed, edited, and deleted again.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '../../src/api/schema/node.ts'
import { readShapes, type Shape } from '../sim/definition-shapes.ts'
import { cannotRun, clusterForFile } from './cluster.ts'

const options = { skip: cannotRun }
const cluster = clusterForFile('definitions')
const k = (args: string, stdin?: string) => cluster.kubectl(args, stdin)

let shapes: Shape[] = []
/** The name of a resource that is not that of another group. */
const resourceOf = ({ definition }: Shape) => definition.metadata.name

/** kubectl does not send every null that a manifest has. */
const withoutNulls = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (_key, inner: unknown) => (inner === null ? undefined : inner)))

test('definitions of every shape are applied and established', options, async () => {
  shapes = readShapes(JSON.parse(await k('get --raw /openapi/v3/api/v1')) as JsonObject)
  assert.ok(shapes.length >= 9)
  // The largest does not fit into the annotation with which kubectl applies, as with the originals.
  const items = shapes.map(({ definition }) => definition)
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
  await cluster.apply(list, '--server-side')
  await k(`wait crd ${items.map(({ metadata }) => metadata.name).join(' ')} --for=condition=Established --timeout=30s`)
  const again = await cluster.apply(list, '--server-side')
  assert.equal(again.trim().split('\n').length, items.length)
})

test('they are explained', options, async () => {
  for (const { explain, send } of shapes)
    for (const [path, description] of Object.entries(explain)) {
      const text = (await k(`explain ${path} --api-version=${send.apiVersion}`)).replace(/\s+/g, ' ')
      assert.ok(text.includes(description), `${path}: ${text}`)
    }
})

test('their objects are checked by kubectl, applied, printed and edited', options, async () => {
  for (const shape of shapes) {
    const { send, spec, columns, refused } = shape
    const manifest = (more: object = {}) => {
      const { unknown: _unknown, ...sent } = send.spec as JsonObject
      return JSON.stringify({
        ...send,
        metadata: { ...(send.metadata as object), name: 'one' },
        spec: { ...sent, ...more },
      })
    }
    const resource = resourceOf(shape)
    await k('apply --validate=false -f -', manifest())
    const revision = () => k(`get ${resource} one -o jsonpath='{.metadata.resourceVersion}'`)
    const before = await revision()
    await k('apply --validate=false -f -', manifest())
    assert.equal(await revision(), before, `${shape.name}: applying it again changes nothing`)
    assert.deepEqual(
      withoutNulls(JSON.parse(await k(`get ${resource} one -o json`)).spec),
      withoutNulls(spec),
      shape.name,
    )
    const line = (await k(`get ${resource} one --no-headers -o wide`)).trim()
    for (const cell of (columns ?? []).filter(one => one !== '<none>'))
      assert.ok(line.includes(String(cell)), `${line} has ${String(cell)}`)
    const patch = JSON.stringify(refused[0]!.change).replaceAll("'", "'\\''")
    const { code, stderr } = await cluster.tryKubectl(`patch ${resource} one --type=merge -p '${patch}'`)
    assert.notEqual(code, 0, shape.name)
    // kubectl leaves out the first words of a message with one cause.
    assert.ok(stderr.includes(refused[0]!.message), `${stderr}\nhas not\n${refused[0]!.message}`)
    await k(`label ${resource} one edited=yes`)
    assert.match(await k(`get ${resource} -l edited=yes -o name`), /\/one\n$/)
  }
})

test('a scale with a selector is scaled', options, async () => {
  const { send } = shapes.find(({ name }) => name === 'machines')!
  await k('scale machineset one --replicas=4')
  assert.equal(await k("get ms one -o jsonpath='{.spec.replicas}'"), '4')
  assert.equal(send.kind, 'MachineSet')
})

test('they are deleted with all their objects', options, async () => {
  await k(`delete crd ${shapes.map(({ definition }) => definition.metadata.name).join(' ')} --timeout=60s`)
  assert.doesNotMatch(await k('get crd -o name'), /example\.com/)
})
