// The Service of DNS: what a former version lacks is added, and one that somebody has made for pods is left alone.
import { deepStrictEqual, strictEqual } from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { openTestServer } from '../apiserver/testing.ts'
import { silentLog } from '../base/log.ts'
import { Client } from '../client/index.ts'
import { Namespace } from '../kinds/core/namespace.ts'
import { Service } from '../kinds/core/service.ts'
import { keepDnsService } from './dns-service.ts'

async function kept(t: TestContext, before: { selector?: { [label: string]: string } } | undefined): Promise<Service> {
  const { admin, serve, clock } = await openTestServer(t)
  const client = new Client({ serve, user: admin.user, userAgent: 'test', clock, log: silentLog })
  const abort = new AbortController()
  t.after(() => (abort.abort(), client.close()))
  await admin.create(Namespace, { metadata: { name: 'kube-system' } })
  const ports = [
    { name: 'dns', port: 53, protocol: 'UDP' as const, targetPort: 1053 },
    { name: 'dns-tcp', port: 53, protocol: 'TCP' as const, targetPort: 1053 },
  ]
  const metadata = { name: 'kube-dns', namespace: 'kube-system' }
  if (before) await admin.create(Service, { metadata, spec: { clusterIP: '10.96.0.10', ports, ...before } })
  await keepDnsService(client, { dnsAddress: '10.96.0.10', podCidrs: ['10.244.0.0/16'] }, abort.signal)
  return admin.get(Service, 'kube-system/kube-dns')
}

const portsOf = ({ spec }: Service) => spec.ports?.map(({ name, port, targetPort }) => `${name} ${port} ${targetPort}`)
const whole = ['dns 53 10053', 'dns-tcp 53 10053', 'metrics 9153 9153']

for (const [what, before] of [
  ['there is none', undefined],
  ['there is one of a former version', {}],
] as const)
  test(`when ${what}, it has the ports of DNS and of its metrics, and is found by Prometheus`, async t => {
    const service = await kept(t, before)
    deepStrictEqual(portsOf(service), whole)
    strictEqual(service.spec.internalTrafficPolicy, 'Local')
    strictEqual(service.spec.clusterIP, '10.96.0.10')
    deepStrictEqual(service.metadata.annotations, { 'prometheus.io/port': '9153', 'prometheus.io/scrape': 'true' })
  })

test('a Service that selects pods is left as it is', async t => {
  const service = await kept(t, { selector: { app: 'my-dns' } })
  deepStrictEqual(portsOf(service), ['dns 53 1053', 'dns-tcp 53 1053'])
  strictEqual(service.spec.internalTrafficPolicy, 'Cluster')
})
