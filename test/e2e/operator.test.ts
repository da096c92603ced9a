// An operator with the client of Kubernetes for Node.js, as a process on the machine and in a pod, each with a service
// account that may do no more than it needs: it keeps objects for a custom kind, cleans up behind a finalizer, reports a
// status, and goes on when its leader or the API server is killed.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { after, test } from 'node:test'
import { cannotRun, clusterForFile, eventually, root } from './cluster.ts'
import { nodeImage, nodePod } from './node-pod.ts'
import { makePod } from './pods.ts'

const options = { skip: cannotRun }
const cluster = clusterForFile('operator', ['busybox', nodeImage])
const k = (args: string, stdin?: string) => cluster.kubectl(args, stdin)

const group = 'library.example.com'
const definition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `shelves.${group}` },
  spec: {
    group,
    scope: 'Namespaced',
    names: { plural: 'shelves', singular: 'shelf', kind: 'Shelf' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {} },
        additionalPrinterColumns: [
          { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
        ],
        schema: {
          openAPIV3Schema: {
            type: 'object',
            required: ['spec'],
            properties: {
              spec: {
                type: 'object',
                required: ['topic'],
                properties: { topic: { type: 'string' }, books: { type: 'integer', minimum: 0, default: 1 } },
              },
              status: {
                type: 'object',
                properties: {
                  observedGeneration: { type: 'integer' },
                  books: { type: 'integer' },
                  conditions: {
                    type: 'array',
                    'x-kubernetes-list-type': 'map',
                    'x-kubernetes-list-map-keys': ['type'],
                    items: {
                      type: 'object',
                      required: ['type', 'status'],
                      properties: {
                        type: { type: 'string' },
                        status: { type: 'string', enum: ['True', 'False', 'Unknown'] },
                        reason: { type: 'string' },
                        message: { type: 'string' },
                        observedGeneration: { type: 'integer' },
                        lastTransitionTime: { type: 'string', format: 'date-time' },
                      },
                    },
                  },
                },
              },
            },
          },
        },
      },
    ],
  },
}
const write = ['get', 'list', 'watch', 'create', 'update']
const rules = [
  { apiGroups: [group], resources: ['shelves'], verbs: ['get', 'list', 'watch', 'update'] },
  { apiGroups: [group], resources: ['shelves/status'], verbs: ['patch'] },
  { apiGroups: [group], resources: ['shelves/finalizers'], verbs: ['update'] },
  { apiGroups: [''], resources: ['configmaps'], verbs: ['get', 'create', 'update'] },
  { apiGroups: ['apps'], resources: ['deployments'], verbs: write },
  { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['get', 'create', 'update'] },
]
const account = 'librarian'
const accountObjects = [
  { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: account } },
  { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata: { name: account }, rules },
  {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata: { name: account },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: account },
    subjects: [{ kind: 'ServiceAccount', name: account, namespace: 'default' }],
  },
  { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'register' } },
]

const dir = mkdtempSync(`${tmpdir()}/kutter-operator-`)
const kubeconfig = `${dir}/kubeconfig`
/** The operator on this machine, and what it has said. */
let operator: ChildProcess | undefined
let said = ''
after(() => {
  operator?.kill('SIGKILL')
  rmSync(dir, { recursive: true })
})

/** Starts the operator on this machine with a kubeconfig of its service account. */
async function startOperator(): Promise<void> {
  const config = JSON.parse(await k('config view --raw --minify -o json')) as {
    users: { name: string; user: object }[]
  }
  const token = (await k(`create token ${account}`)).trim()
  config.users = config.users.map(({ name }) => ({ name, user: { token } }))
  writeFileSync(kubeconfig, JSON.stringify(config), { mode: 0o600 })
  operator = spawn(process.execPath, [`${root}test/e2e/programs/operator.ts`, 'outside'], {
    env: { KUBECONFIG: kubeconfig },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  operator.stdout!.on('data', (chunk: Buffer) => (said += chunk.toString()))
  operator.stderr!.on('data', (chunk: Buffer) => (said += chunk.toString()))
}
const says = (what: RegExp) =>
  eventually(`the operator says ${what}`, async () => {
    if (what.test(said)) return true
    throw new Error(said.slice(-2000))
  })

const shelf = (name: string, spec: object) => ({
  apiVersion: `${group}/v1`,
  kind: 'Shelf',
  metadata: { name },
  spec: { topic: name, ...spec },
})
interface Status {
  observedGeneration?: number
  books?: number
  conditions?: { type: string; status: string; message: string }[]
}
const get = async (name: string) =>
  JSON.parse(await k(`get shelf ${name} -o json`)) as {
    metadata: { generation: number; finalizers?: string[]; uid: string }
    status?: Status
  }
const isReady = (name: string, books: number) =>
  eventually(`${name} is ready with ${books}`, async () => {
    const { metadata, status } = await get(name)
    const condition = status?.conditions?.find(({ type }) => type === 'Ready')
    if (status?.observedGeneration === metadata.generation && status.books === books && condition?.status === 'True')
      return true
    throw new Error(`${JSON.stringify({ metadata, status })}\n${said.slice(-1000)}`)
  })
const register = async () =>
  JSON.parse((await k("get configmap register -o jsonpath='{.data}'")) || '{}') as Record<string, string>

test('an operator with few rights keeps objects for its kind, and reports a status', options, async () => {
  await cluster.apply(definition)
  await k(`wait crd/shelves.${group} --for=condition=Established --timeout=30s`)
  await cluster.apply({ apiVersion: 'v1', kind: 'List', items: accountObjects })
  await startOperator()
  await says(/outside: leads/)
  await cluster.apply(shelf('poems', { books: 2 }))
  await isReady('poems', 2)
  const { metadata } = await get('poems')
  assert.equal(metadata.generation, 1, 'neither the finalizer nor the status counts as a change of the spec')
  assert.deepEqual(await register(), { poems: 'poems' })
  const owners = await k(
    "get configmap/poems deployment/poems -o jsonpath='{.items[*].metadata.ownerReferences[*].uid}'",
  )
  assert.equal(owners, `${metadata.uid} ${metadata.uid}`)
  assert.match(await k('get shelf poems --no-headers'), /^poems +True\n$/)
  await k(`patch shelf poems --type=merge -p '{"spec":{"books":1}}'`)
  await isReady('poems', 1)
  assert.equal((await get('poems')).metadata.generation, 2)
  const as = `--as=system:serviceaccount:default:${account}`
  for (const denied of ['list secrets', 'delete shelves.library.example.com', 'list deployments -n kube-system'])
    assert.equal((await cluster.tryKubectl(`auth can-i ${denied} ${as}`)).stdout, 'no\n', denied)
})

test('writers of one object conflict, and no entry is lost', options, async () => {
  const names = Array.from({ length: 6 }, (_, i) => `shelf-${i}`)
  const others = names.map(async name =>
    k(`patch configmap register --type=merge -p '{"data":{"other-${name}":"yes"}}'`),
  )
  await cluster.apply({ apiVersion: 'v1', kind: 'List', items: names.map(name => shelf(name, { books: 0 })) })
  await Promise.all(others)
  for (const name of names) await isReady(name, 0)
  const entries = await register()
  for (const name of names) assert.deepEqual([entries[name], entries[`other-${name}`]], [name, 'yes'], name)
})

test('a killed API server costs the operator nothing but a pause', options, async () => {
  const status = JSON.parse((await cluster.kutter('status', '-o', 'json')).stdout) as {
    processes: { role: string; pid: number }[]
  }
  process.kill(status.processes.find(({ role }) => role === 'server')!.pid, 'SIGKILL')
  // These are written as soon as there is a server again, whether or not the operator watches already.
  await eventually('the server is back', async () => (await cluster.tryKubectl('get --raw /readyz')).code === 0)
  await cluster.apply(shelf('after', { books: 0 }))
  await k('delete shelf shelf-0 --timeout=30s')
  await isReady('after', 0)
  await k(`patch shelf poems --type=merge -p '{"spec":{"books":2}}'`)
  await isReady('poems', 2)
  assert.equal((await register())['shelf-0'], undefined)
})

test('a copy in a pod stands by, and takes over when the leader is killed', options, async () => {
  const container = { command: ['/node/node', '/programs/operator.ts', 'inside'] }
  await makePod(
    cluster,
    'operator',
    nodePod('operator.ts', { container, spec: { serviceAccountName: account, automountServiceAccountToken: true } }),
  )
  const log = async () => (await cluster.tryKubectl('logs operator')).stdout
  await eventually('it stands by', async () => {
    if (/inside: stands by/.test(await log())) return true
    throw new Error(`${await log()}${await k("get pod operator -o jsonpath='{.status}'")}`)
  })
  assert.doesNotMatch(await log(), /leads/)
  operator!.kill('SIGKILL')
  // Nobody works on this deletion until the Lease has run out.
  await k('delete shelf shelf-1 --wait=false')
  assert.deepEqual((await get('shelf-1')).metadata.finalizers, [`${group}/register`])
  await eventually('it leads', async () => /inside: leads/.test(await log()))
  await k('wait shelf/shelf-1 --for=delete --timeout=30s')
  await cluster.apply(shelf('poems', { books: 1 }))
  await isReady('poems', 1)
})

test('a deleted object is released by its operator, and its children go with it', options, async () => {
  await k('delete shelf poems --timeout=30s')
  assert.equal((await register()).poems, undefined)
  await eventually(
    'the children are gone',
    async () => (await k('get configmap,deployment,replicaset,pod -l shelf=poems -o name')) === '',
  )
  const left = await k('get configmaps,deployments -o name')
  assert.doesNotMatch(left, /poems/)
  assert.match(left, /deployment\.apps\/after\n/)
  await k(`delete crd shelves.${group} --timeout=30s`)
  assert.deepEqual(
    Object.keys(await register()).filter(name => !name.startsWith('other-')),
    [],
  )
})
