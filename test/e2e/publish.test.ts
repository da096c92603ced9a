// Publishing a service with common manifests, from the namespace to an answer on a NodePort.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cannotRun, clusterForFile, eventually, run } from './cluster.ts'

const options = { skip: cannotRun }
const cluster = clusterForFile('publish', ['busybox', 'myapp', 'redis-slave'])
const curl = async (url: string) => (await run('curl', ['-s', '-m', '3', url])).stdout.trim()

test('a deployment of two replicas answers on its NodePort, from both pods', options, async () => {
  await cluster.kubectl('apply -f examples/canarydemo.yaml')
  await cluster.kubectl('rollout status -n canarydemo deployment/myapp --timeout=60s')
  const pods = (await cluster.kubectl(`get pods -n canarydemo -l app=myapp -o jsonpath='{.items[*].metadata.name}'`))
    .split(' ')
    .sort()
  const address = await cluster.kubectl(
    `get nodes -o jsonpath='{.items[0].status.addresses[?(@.type=="InternalIP")].address}'`,
  )
  assert.equal(pods.length, 2)
  for (const host of ['127.0.0.1', address]) {
    const seen = new Set<string>()
    await eventually(`both pods answer on ${host}`, async () => {
      seen.add(await curl(`http://${host}:32600`))
      return pods.every(pod => seen.has(pod))
    })
    assert.deepEqual([...seen].filter(name => name !== '').sort(), pods)
  }
})

test('applying again changes nothing', options, async () => {
  const lines = (await cluster.kubectl('apply -f examples/canarydemo.yaml')).trim().split('\n')
  assert.equal(lines.length, 6)
  assert.ok(
    lines.every(line => line.endsWith('unchanged')),
    lines.join('\n'),
  )
})

test('names of services resolve inside a pod', options, async () => {
  const ip = await cluster.kubectl(`get svc -n canarydemo myapp-service -o jsonpath='{.spec.clusterIP}'`)
  for (const name of ['myapp-service', 'myapp-service.canarydemo', 'myapp-service.canarydemo.svc.cluster.local']) {
    // The nslookup of busybox asks all search domains, and fails if some of them do not have the name.
    const { stdout } = await cluster.tryKubectl(`exec -n canarydemo deploy/myapp -- nslookup ${name}`)
    assert.match(stdout, new RegExp(`Address(?: 1)?: ${ip.replaceAll('.', '\\.')}`), `${name}: ${stdout}`)
  }
  assert.match(await cluster.kubectl('exec -n canarydemo deploy/myapp -- wget -q -O - http://myapp-service'), /^myapp-/)
})

test("a pod's token lists pods of its namespace and is refused secrets", options, async () => {
  const token = await cluster.kubectl(
    'exec -n canarydemo deploy/myapp -- cat /var/run/secrets/kubernetes.io/serviceaccount/token',
  )
  const server = JSON.parse((await cluster.kutter('status', '-o', 'json')).stdout).server as string
  const call = async (path: string) =>
    JSON.parse((await run('curl', ['-sk', '-H', `Authorization: Bearer ${token}`, `${server}${path}`])).stdout)
  assert.equal((await call('/api/v1/namespaces/canarydemo/pods')).kind, 'PodList')
  const refused = await call('/api/v1/namespaces/canarydemo/secrets')
  assert.equal(refused.code, 403)
  assert.equal(
    refused.message,
    'secrets is forbidden: User "system:serviceaccount:canarydemo:canary-admin" cannot list resource "secrets" in API group "" in the namespace "canarydemo"',
  )
})

test('two Redis servers behind a ClusterIP', options, async () => {
  await cluster.kubectl('apply -f examples/redis-slave.yaml')
  await eventually(
    'both are ready',
    async () => (await cluster.kubectl(`get rc redis-slave -o jsonpath='{.status.readyReplicas}'`)) === '2',
  )
  const ip = await cluster.kubectl(`get svc redis-slave -o jsonpath='{.spec.clusterIP}'`)
  const pod = await cluster.kubectl(`get pods -l name=redis-slave -o jsonpath='{.items[0].metadata.name}'`)
  const answer = await eventually('Redis answers through the service', async () =>
    (await cluster.kubectl(`exec ${pod} -- redis-cli -h ${ip} ping`)).trim(),
  )
  assert.equal(answer, 'PONG')
})

test('a service without endpoints refuses at once', options, async () => {
  await cluster.kubectl('create service clusterip nobody --tcp=80')
  const ip = await cluster.kubectl(`get svc nobody -o jsonpath='{.spec.clusterIP}'`)
  const { code } = await eventually('refused', async () => {
    const result = await run('curl', ['-s', '-m', '5', `http://${ip}`])
    return result.code === 7 ? result : false
  })
  assert.equal(code, 7)
})
