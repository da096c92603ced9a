// ResourceClaims with real kubectl on a running cluster: slices are written by hand for a node that is only an object, and
// pods get devices, share them, and wait for them. No kubelet is asked.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cannotRun, clusterForFile, eventually } from './cluster.ts'

const options = { skip: cannotRun }
const cluster = clusterForFile('claims')
const k = (args: string, stdin?: string) => cluster.kubectl(args, stdin)
const node = 'paper'
const group = 'resource.k8s.io/v1'

const claim = (name: string) => ({
  apiVersion: group,
  kind: 'ResourceClaim',
  metadata: { name },
  spec: { devices: { requests: [{ name: 'gpu', exactly: { deviceClassName: 'gpu' } }] } },
})
const pod = (name: string, source: object) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: {
    containers: [{ name: 'c', image: 'app:1', resources: { claims: [{ name: 'gpu' }] } }],
    resourceClaims: [{ name: 'gpu', ...source }],
    tolerations: [{ operator: 'Exists' }],
  },
})
const apply = (...items: object[]) => cluster.apply({ apiVersion: 'v1', kind: 'List', items })
const nodeOf = (name: string) => k(`get pod ${name} -o jsonpath='{.spec.nodeName}'`)
const devices = (name: string) =>
  k(`get resourceclaim ${name} -o jsonpath='{.status.allocation.devices.results[*].device}'`)
const state = async (name: string) => (await k(`get resourceclaim ${name} --no-headers`)).trim().split(/\s+/)[1]
const remove = (name: string) => k(`delete pod ${name} --force --grace-period=0`)

test('two pods share a claim, a third waits for its device', options, async () => {
  await apply(
    { apiVersion: 'v1', kind: 'Node', metadata: { name: node } },
    {
      apiVersion: group,
      kind: 'DeviceClass',
      metadata: { name: 'gpu' },
      spec: { selectors: [{ cel: { expression: 'device.driver == "gpu.example.com"' } }] },
    },
    {
      apiVersion: group,
      kind: 'ResourceSlice',
      metadata: { name: 'slice' },
      spec: {
        driver: 'gpu.example.com',
        nodeName: node,
        pool: { name: node, generation: 1, resourceSliceCount: 1 },
        devices: [{ name: 'gpu-0', attributes: { model: { string: 'a100' } } }],
      },
    },
    claim('shared'),
    claim('other'),
  )
  const status = JSON.stringify({ status: { allocatable: { cpu: '8', memory: '8Gi', pods: '20' } } })
  await k(`patch node ${node} --subresource=status --type=merge -p '${status}'`)
  await apply(pod('a', { resourceClaimName: 'shared' }), pod('b', { resourceClaimName: 'shared' }))
  for (const name of ['a', 'b']) await eventually(`${name} has a node`, async () => (await nodeOf(name)) === node)
  assert.equal(await devices('shared'), 'gpu-0')
  assert.equal(await state('shared'), 'allocated,reserved')

  await apply(pod('c', { resourceClaimName: 'other' }))
  await eventually('it is reported why the third waits', async () =>
    (await k('describe pod c')).includes('cannot allocate all claims'),
  )
  const why = await cluster.kutter('why', 'pod/c')
  assert.match(why.stdout, new RegExp(`${node}.*DynamicResources.*cannot allocate all claims`), why.stdout)
  await remove('a')
  await remove('b')
  await eventually('the third has the device', async () => (await nodeOf('c')) === node)
  assert.equal(await devices('other'), 'gpu-0')
  await eventually('the first claim is free', async () => (await state('shared')) === 'pending')
  await remove('c')
  await k('delete resourceclaim shared other')
})

test('a claim from a template goes with its pod', options, async () => {
  const { spec } = claim('x')
  await apply({ apiVersion: group, kind: 'ResourceClaimTemplate', metadata: { name: 'one' }, spec: { spec } })
  await apply(pod('d', { resourceClaimTemplateName: 'one' }))
  await eventually('it has a node', async () => (await nodeOf('d')) === node)
  const name = await k(`get pod d -o jsonpath='{.status.resourceClaimStatuses[0].resourceClaimName}'`)
  assert.match(name, /^d-gpu-[a-z0-9]{5}$/)
  assert.equal(await devices(name), 'gpu-0')
  await remove('d')
  await eventually('the claim is gone', async () => (await k('get resourceclaims -o name')) === '')
})

test('the slices of a node go with it', options, async () => {
  const uid = await k(`get node ${node} -o jsonpath='{.metadata.uid}'`)
  const owner = { apiVersion: 'v1', kind: 'Node', name: node, uid, controller: true }
  const patch = JSON.stringify({ metadata: { ownerReferences: [owner] } })
  await k(`patch resourceslice slice --type=merge -p '${patch}'`)
  await k(`delete node ${node}`)
  await eventually('the slice is gone', async () => (await k('get resourceslices -o name')) === '')
})
