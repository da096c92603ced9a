// The manifests in examples/ that no other test uses, on a cluster with other node ports.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cannotRun, clusterForFile, eventually, run } from './cluster.ts'

const options = { skip: cannotRun }
const cluster = clusterForFile('examples', ['busybox'], ['--service-node-port-range=3000-32767'])
const curl = async (url: string) => (await run('curl', ['-s', '-m', '3', url])).stdout.trim()

/** A pod that answers on a port with its own name. */
const answering = (name: string, labels: object, port: number) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels },
  spec: {
    terminationGracePeriodSeconds: 0,
    containers: [
      {
        name: 'c',
        image: 'busybox',
        command: ['sh', '-c', `mkdir /w; hostname > /w/index.html; exec httpd -f -p ${port} -h /w`],
        readinessProbe: { httpGet: { path: '/', port }, periodSeconds: 1 },
      },
    ],
  },
})

test('a node port outside of the usual range works where the range contains it', options, async () => {
  await cluster.kubectl('apply -f examples/frontend-nodeport-3001.yaml')
  await cluster.apply(answering('front', { name: 'frontend' }, 80))
  await eventually('an answer', async () => (await curl('http://127.0.0.1:3001')) === 'front')
  const outside = await cluster.tryKubectl('create service nodeport far --tcp=80 --node-port=2999')
  assert.match(outside.stderr, /provided port is not in the valid range. The range of valid ports is 3000-32767/)
})

test('a Service for a load balancer answers on its node port', options, async () => {
  await cluster.kubectl('apply -f examples/my-service-loadbalancer.yaml')
  await cluster.apply(answering('mine', { app: 'my-app' }, 9376))
  await eventually('an answer', async () => (await curl('http://127.0.0.1:30002')) === 'mine')
  assert.match(
    await cluster.kubectl('get service my-service'),
    /LoadBalancer\s+\S+\s+\d+\.\d+\.\d+\.\d+\s+80:30002\/TCP/,
  )
})

test('a Service with two ports has two node ports', options, async () => {
  await cluster.kubectl('apply -f examples/tomcat-two-ports.yaml')
  assert.match(await cluster.kubectl('get service tomcat-service'), /8080:31002\/TCP,8005:31003\/TCP/)
})
