// Parts of the network that are left to others: the pod network to a CNI plugin whose configuration is in the usual
// directory, and the rules of Services to another proxy.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { after, describe, test } from 'node:test'
import { cannotRun, clusterForFile, eventually, run } from './cluster.ts'

const options = { skip: cannotRun }
const pod = (name: string, more: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels: { app: name } },
  spec: {
    terminationGracePeriodSeconds: 1,
    containers: [
      {
        name: 'main',
        image: 'busybox',
        imagePullPolicy: 'IfNotPresent',
        command: ['sh', '-c', 'mkdir /w; hostname >/w/name; exec httpd -f -p 80 -h /w'],
        ports: [{ containerPort: 80, ...more }],
        readinessProbe: { httpGet: { path: '/name', port: 80 }, periodSeconds: 1 },
      },
    ],
  },
})
const service = (name: string) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name },
  spec: { selector: { app: name }, ports: [{ port: 80 }] },
})

describe('--disable network', () => {
  const cluster = clusterForFile('without-network', ['busybox'], ['--disable', 'network'])
  const file = '/etc/cni/net.d/10-kutter-test.conflist'
  const link = 'kutter-cni'
  const hadDir = existsSync('/etc/cni/net.d')
  after(async () => {
    rmSync(hadDir ? file : '/etc/cni', { recursive: true, force: true })
    await run('ip', ['link', 'delete', link])
  })

  test('a node becomes Ready with the configuration of another plugin, whose addresses pods get', options, async () => {
    const { nodeName, tag } = { nodeName: await cluster.kubectl('get nodes -o name'), tag: cluster.tag }
    assert.match(await cluster.kubectl(`get ${nodeName.trim()} --no-headers`), / NotReady /)
    assert.doesNotMatch((await run('ip', ['link'])).stdout, new RegExp(`kt${tag}:`))
    mkdirSync('/etc/cni/net.d', { recursive: true })
    const ipam = { type: 'host-local', ranges: [[{ subnet: '10.199.7.0/24' }]], routes: [{ dst: '0.0.0.0/0' }] }
    const bridge = { type: 'bridge', bridge: link, isGateway: true, hairpinMode: true, ipam }
    writeFileSync(file, JSON.stringify({ cniVersion: '1.0.0', name: 'kutter-test', plugins: [bridge] }))
    await eventually('the node is Ready', async () =>
      / Ready /.test(await cluster.kubectl(`get ${nodeName.trim()} --no-headers`)),
    )
    await cluster.apply(pod('web'))
    await cluster.apply(service('web'))
    await cluster.kubectl('wait --for=condition=Ready pod/web --timeout=60s')
    assert.match(await cluster.kubectl('get pod web -o jsonpath={.status.podIP}'), /^10\.199\.7\./)
    const ip = await cluster.kubectl('get service web -o jsonpath={.spec.clusterIP}')
    await eventually(
      'the Service leads there',
      async () => (await run('curl', ['-sf', '-m', '2', `http://${ip}/name`])).stdout.trim() === 'web',
    )
    // DNS listens on the node, and answers by the address of its Service.
    const config = JSON.parse(readFileSync(`${cluster.dataDir}/without-network/cluster.json`, 'utf8')) as {
      dnsAddress: string
    }
    await eventually('names are answered', async () => {
      const { stdout } = await run('dig', [
        '+short',
        '+time=1',
        `@${config.dnsAddress}`,
        'web.default.svc.cluster.local',
      ])
      return stdout.trim() === ip
    })
    // Network policies are the plugin's.
    assert.doesNotMatch((await run('nft', ['list', 'tables'])).stdout, new RegExp(`kutter-${tag}-policy`))
  })
})

describe('--disable proxy', () => {
  const cluster = clusterForFile('without-proxy', ['busybox'], ['--disable', 'proxy'])

  test('Services have no rules, and pods have host ports and a way out', options, async () => {
    await cluster.apply(pod('web', { hostPort: 18_080 }))
    await cluster.apply(service('web'))
    await cluster.kubectl('wait --for=condition=Ready pod/web --timeout=60s')
    const ip = await cluster.kubectl('get service web -o jsonpath={.spec.clusterIP}')
    const table = (await run('nft', ['list', 'table', 'inet', `kutter-${cluster.tag}`])).stdout
    assert.match(table, /masquerade/)
    assert.doesNotMatch(table, new RegExp(`${ip.replaceAll('.', '\\.')} `))
    await eventually(
      'the host port leads to the pod',
      async () => (await run('curl', ['-sf', '-m', '2', 'http://127.0.0.1:18080/name'])).stdout.trim() === 'web',
    )
    assert.notEqual((await run('curl', ['-sf', '-m', '1', `http://${ip}/name`])).code, 0)
  })
})
