// Measurements of real containers, autoscalers that use them, and limits of namespaces.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse, stringify } from 'yaml'
import { makeRequest } from '../../src/wire/x509.ts'
import { cannotRun, clusterForFile, eventually } from './cluster.ts'

const options = { skip: cannotRun }
const cluster = clusterForFile('autoscale', ['busybox'])

const busy = (name: string, command: string) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: {
        terminationGracePeriodSeconds: 0,
        containers: [
          {
            name: 'c',
            image: 'busybox',
            command: ['sh', '-c', command],
            resources: { requests: { cpu: '20m', memory: '16Mi' }, limits: { cpu: '60m' } },
          },
        ],
      },
    },
  },
})

test('kubectl top shows the use of the node and its pods', options, async () => {
  await cluster.apply(busy('busy', 'while :; do :; done'))
  await cluster.kubectl('rollout status deployment/busy --timeout=60s')
  const node = (await cluster.kubectl('top node --no-headers')).trim().split(/\s+/)
  assert.match(node[1] ?? '', /^\d+m$/)
  assert.match(node[3] ?? '', /^\d+Mi$/)
  const pod = await eventually('the pod’s use of CPU', async () => {
    const row = (await cluster.kubectl('top pod -l app=busy --containers --no-headers')).trim().split(/\s+/)
    // The container may use three times its request, and uses all of it.
    return Number.parseInt(row[2] ?? '', 10) >= 40 ? row : false
  })
  assert.equal(pod[1], 'c')
})

test('an autoscaler that kubectl creates scales its target up under load', options, async () => {
  // The option has another name in older clients, and newer clients do not have it any more.
  const made = await cluster.tryKubectl('autoscale deployment busy --cpu-percent=50 --min=1 --max=3')
  if (made.code !== 0) await cluster.kubectl('autoscale deployment busy --cpu=50% --min=1 --max=3')
  await eventually('three pods', async () => {
    const replicas = await cluster.kubectl(`get deployment busy -o jsonpath='{.status.readyReplicas}'`)
    return replicas === '3'
  })
  const described = await cluster.kubectl('describe hpa busy')
  assert.match(described, /SuccessfulRescale/)
  assert.match(await cluster.kubectl('get hpa busy'), /Deployment\/busy\s+(cpu: )?\d+%\/50%/)
  const raw = '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers/busy'
  const newer = JSON.parse(await cluster.kubectl(`get --raw ${raw}`))
  const active = newer.status.conditions.find((c: { type: string }) => c.type === 'ScalingActive')
  assert.deepEqual([active.status, active.reason], ['True', 'ValidMetricFound'])
  const older = JSON.parse(
    await cluster.kubectl('get --raw /apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers/busy'),
  )
  assert.equal(older.spec.targetCPUUtilizationPercentage, 50)
  await cluster.kubectl('delete hpa,deployment busy')
})

test('a quota that kubectl creates is enforced and shows its use', options, async () => {
  await cluster.kubectl('create namespace limited')
  await cluster.kubectl('create quota small -n limited --hard=pods=1,requests.cpu=100m,count/secrets=2')
  await eventually(
    'the first count',
    async () => (await cluster.kubectl(`get quota small -n limited -o jsonpath='{.status.used.pods}'`)) === '0',
  )
  const silent = await cluster.tryKubectl('run one -n limited --image=busybox --restart=Never -- true')
  assert.match(silent.stderr, /failed quota: small: must specify requests.cpu for: one/)
  const pod = (name: string, cpu: string) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'limited' },
    spec: {
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'c', image: 'busybox', command: ['sleep', '1000'], resources: { requests: { cpu } } }],
    },
  })
  await cluster.apply(pod('one', '60m'))
  const second = await cluster.tryKubectl('apply -f -', JSON.stringify(pod('two', '60m')))
  assert.match(
    second.stderr,
    /exceeded quota: small, requested: pods=1,requests.cpu=60m, used: pods=1,requests.cpu=60m, limited: pods=1,requests.cpu=100m/,
  )
  assert.match(await cluster.kubectl('describe quota small -n limited'), /pods\s+1\s+1/)
  await cluster.kubectl('delete pod one -n limited')
  await eventually(
    'room',
    async () => (await cluster.tryKubectl('apply -f -', JSON.stringify(pod('two', '60m')))).code === 0,
  )
})

test('a user’s certificate request that kubectl approves gives a certificate that works', options, async () => {
  const { requestPem, keyPem } = await makeRequest({ commonName: 'jane', organizations: ['readers'] })
  await cluster.apply({
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name: 'jane' },
    spec: {
      request: Buffer.from(requestPem).toString('base64'),
      signerName: 'kubernetes.io/kube-apiserver-client',
      usages: ['client auth'],
    },
  })
  assert.match(await cluster.kubectl('get csr jane --no-headers'), /Pending/)
  await cluster.kubectl('certificate approve jane')
  const certificate = await eventually('the certificate', async () => {
    const text = await cluster.kubectl(`get csr jane -o jsonpath='{.status.certificate}'`)
    return text === '' ? false : text
  })
  assert.match(await cluster.kubectl('get csr jane --no-headers'), /Approved,Issued/)
  await cluster.kubectl('create clusterrolebinding readers --clusterrole=view --group=readers')
  const dir = mkdtempSync(join(tmpdir(), 'kutter-jane-'))
  try {
    const config = parse(readFileSync(cluster.env.KUBECONFIG!, 'utf8'))
    config.users[0].user = {
      'client-certificate-data': certificate,
      'client-key-data': Buffer.from(keyPem).toString('base64'),
    }
    writeFileSync(join(dir, 'config'), stringify(config))
    const jane = (args: string) => cluster.tryKubectl(`--kubeconfig ${dir}/config ${args}`)
    const allowed = await jane('get pods -A')
    assert.equal(allowed.code, 0, allowed.stderr)
    assert.match((await jane('get secrets -A')).stderr, /User "jane" cannot list resource "secrets"/)
  } finally {
    rmSync(dir, { recursive: true })
  }
})
