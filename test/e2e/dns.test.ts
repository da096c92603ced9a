// Names as pods and real clients ask for them: dig, and nslookup of busybox. The questions are those of Kubernetes' own
// tests (test/e2e/network/dns.go, dns_common.go, dns_configmap.go), and what they leave out: answers that are cut off,
// changed settings, metrics.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { address, FakeResolver } from '../../src/dns/testing.ts'
import { cannotRun, clusterForFile, eventually, run } from './cluster.ts'
import { becomesReady, forever, makePod, sh } from './pods.ts'

const options = { skip: cannotRun }
const cluster = clusterForFile('dns', ['busybox'])
let clusterDns: string | undefined
/** The address of the cluster's DNS. */
const server = async () =>
  (clusterDns ??= await cluster.kubectl(`get svc -n kube-system kube-dns -o jsonpath='{.spec.clusterIP}'`))

/** The lines of an answer. */
async function dig(...args: string[]): Promise<string[]> {
  const { stdout } = await run('dig', [`@${await server()}`, '+short', '+tries=1', ...args])
  return stdout.split('\n').filter(line => line && !line.startsWith(';'))
}

const answers = (what: string, expected: readonly string[], ...args: string[]) =>
  eventually(what, async () => {
    const found = await dig(...args)
    assert.deepEqual([...found].sort(), [...expected].sort())
    return true
  })

/** Names that are resolved in a pod, as the search domains of its resolv.conf complete them. */
const resolvesIn = (pod: string, name: string, ip: string) =>
  eventually(`${name} is ${ip} in ${pod}`, async () => {
    // The nslookup of busybox asks all search domains, and fails if some of them do not have the name.
    const { stdout } = await cluster.tryKubectl(`exec ${pod} -- nslookup ${name}`)
    return new RegExp(`Address(?: 1)?: ${ip.replaceAll('.', '\\.')}`).test(stdout)
  })

test('services, headless services and the hostname of a pod have names', options, async () => {
  const ports = [{ name: 'http', port: 80 }]
  const selector = { 'dns-test': 'true' }
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'List',
    items: [
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'headless' },
        spec: { clusterIP: 'None', selector, ports },
      },
      { apiVersion: 'v1', kind: 'Service', metadata: { name: 'regular' }, spec: { selector, ports } },
    ],
  })
  const spec = { hostname: 'querier', subdomain: 'headless', containers: [sh(forever)] }
  await makePod(cluster, 'querier', spec, { labels: selector })
  const { status } = await becomesReady(cluster, 'querier')
  const ip = status.podIP!
  const clusterIP = await cluster.kubectl(`get svc regular -o jsonpath='{.spec.clusterIP}'`)
  const zone = 'default.svc.cluster.local'
  await answers('the headless service', [ip], `headless.${zone}`)
  for (const over of ['+tcp', '+notcp']) {
    await answers('the service', [clusterIP], `REGULAR.${zone}`, over)
    await answers('the pod', [ip], `querier.headless.${zone}`, over)
    await answers('ports of it', [`0 100 80 querier.headless.${zone}.`], `_http._tcp.headless.${zone}`, 'SRV', over)
    await answers('ports', [`0 100 80 regular.${zone}.`], `_http._tcp.regular.${zone}`, 'SRV', over)
    await answers('the address', [`regular.${zone}.`], '-x', clusterIP, over)
    await answers('the other family', [], `regular.${zone}`, 'AAAA', over)
  }
  assert.equal((await dig('-x', ip))[0], `querier.headless.${zone}.`)
  await answers('a pod by its address', [ip], `${ip.replaceAll('.', '-')}.default.pod.cluster.local`)
  await answers('the version', ['"1.1.0"'], 'dns-version.cluster.local', 'TXT')
  for (const name of ['headless', 'headless.default', `querier.headless.${zone}`]) await resolvesIn('querier', name, ip)
  // The resolver of the C library tries search domains for names with dots, too.
  assert.match((await cluster.tryKubectl('exec querier -- ping -c 1 -W 1 headless.default.svc')).stdout, new RegExp(ip))
  assert.match(await cluster.kubectl('exec querier -- hostname -f'), new RegExp(`^querier\\.headless\\.${zone}`))
})

test('an ExternalName is an alias, follows its changes, and becomes an address with the type', options, async () => {
  const name = 'outside.default.svc.cluster.local'
  await cluster.kubectl('create service externalname outside --external-name foo.example.com')
  await answers('the first', ['foo.example.com.'], name, 'CNAME')
  await cluster.kubectl(`patch service outside -p '{"spec":{"externalName":"bar.example.com"}}'`)
  await answers('the second', ['bar.example.com.'], name, 'CNAME')
  await cluster.kubectl(
    `patch service outside -p '{"spec":{"type":"ClusterIP","externalName":null,"ports":[{"port":80}]}}'`,
  )
  const ip = await cluster.kubectl(`get svc outside -o jsonpath='{.spec.clusterIP}'`)
  await answers('the address', [ip], name)
})

test('an answer that does not fit is cut off over UDP, and whole over TCP', options, async () => {
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'many' },
    spec: { clusterIP: 'None', ports: [{ name: 'http', port: 80 }] },
  })
  const slice = (n: number) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `many-${n}`, labels: { 'kubernetes.io/service-name': 'many' } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
    endpoints: Array.from({ length: 100 }, (_, i) => ({
      addresses: [`10.200.${n}.${i}`],
      conditions: { ready: true },
    })),
  })
  await cluster.apply({ apiVersion: 'v1', kind: 'List', items: [slice(1), slice(2)] })
  const name = 'many.default.svc.cluster.local'
  await eventually('all endpoints', async () => (await dig(name)).length === 200)
  const { stdout } = await run('dig', [`@${await server()}`, '+notcp', '+ignore', name])
  assert.match(stdout, /flags: qr aa tc rd ra/)
  assert.match(stdout, /udp: 1232/)
  assert.equal((await dig('+tcp', name)).length, 200)
})

test('several queries of a connection, errors, and questions that are refused', options, async () => {
  const several = await dig(
    '+tcp',
    '+keepopen',
    'dns-version.cluster.local',
    'TXT',
    'outside.default.svc.cluster.local',
  )
  assert.equal(several.length, 2)
  const status = async (...args: string[]) =>
    /status: (\w+)/.exec((await run('dig', [`@${await server()}`, '+tries=1', ...args])).stdout)?.[1]
  assert.equal(await status('none.default.svc.cluster.local'), 'NXDOMAIN')
  assert.equal(await status('default.svc.cluster.local'), 'NOERROR')
  assert.equal(await status('version.bind', 'CH', 'TXT'), 'REFUSED')
  assert.equal(await status('cluster.local', 'AXFR'), undefined)
  assert.equal(await status('+edns=5', '+noednsnegotiation', 'cluster.local'), 'BADVERS')
  assert.equal(await status('+opcode=notify', 'cluster.local'), 'NOTIMP')
  assert.equal(await status('+header-only'), 'FORMERR')
  assert.deepEqual(await dig('dns-version.cluster.local', 'TXT', '+dnssec', '+cdflag'), ['"1.1.0"'])
})

test('stub domains and upstream servers take effect without a restart, and go with the ConfigMap', options, async t => {
  const records: Record<string, string> = {
    'abc.acme.local': '192.0.2.10',
    'def.acme.local': '192.0.2.11',
    'widget.local': '192.0.2.12',
    'foo.example.com': '192.0.2.123',
  }
  const fake = await FakeResolver.start(t, ({ questions }) => {
    const [{ name, type } = { name: '', type: 'A' }] = questions ?? []
    if (type === 'PTR' && name === '123.2.0.192.in-addr.arpa')
      return { answers: [{ type: 'PTR', name, ttl: 60, data: 'my.test' }] }
    const found = records[name]
    return found && type === 'A' ? { answers: [address(name, found)] } : { flags: 3 }
  })
  const place = `127.0.0.1:${fake.port}`
  const configMap = (data: object) =>
    cluster.apply({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'kube-dns', namespace: 'kube-system' },
      data,
    })
  await configMap({ stubDomains: JSON.stringify({ 'acme.local': [place] }) })
  await answers('a name in the stub domain', ['192.0.2.10'], 'abc.acme.local')
  await answers('another', ['192.0.2.11'], 'def.acme.local')
  assert.deepEqual(await dig('widget.local'), [])
  await resolvesIn('querier', 'abc.acme.local', '192.0.2.10')

  await configMap({ upstreamNameservers: JSON.stringify([place]) })
  await answers('a name of the upstream server', ['192.0.2.12'], 'widget.local')
  await answers('an address of it', ['my.test.'], '-x', '192.0.2.123')
  await cluster.kubectl('create service externalname alias --external-name foo.example.com')
  await answers('an alias of it', ['foo.example.com.', '192.0.2.123'], 'alias.default.svc.cluster.local')

  await configMap({ upstreamNameservers: '["here"]' })
  const what = 'get events -n kube-system --field-selector reason=InvalidConfiguration -o jsonpath={..message}'
  await eventually('an event', async () =>
    (await cluster.kubectl(what)).includes('data.upstreamNameservers[0]: "here"'),
  )
  assert.deepEqual(await dig('widget.local'), ['192.0.2.12'])

  await cluster.kubectl('delete configmap -n kube-system kube-dns')
  await answers('no such name any more', [], '-x', '192.0.2.123')
  const other = await cluster.tryKubectl(
    'auth can-i get configmaps/kube-dns -n default --as=system:node:x --as-group=system:nodes',
  )
  assert.match(other.stdout, /^no/)
})

test('metrics are served at the Service, by a port that is named so', options, async () => {
  const annotations = JSON.parse(
    await cluster.kubectl(`get svc -n kube-system kube-dns -o jsonpath='{.metadata.annotations}'`),
  )
  assert.deepEqual([annotations['prometheus.io/scrape'], annotations['prometheus.io/port']], ['true', '9153'])
  assert.equal(
    await cluster.kubectl(`get svc -n kube-system kube-dns -o jsonpath='{.spec.ports[?(@.name=="metrics")].port}'`),
    '9153',
  )
  const text = await cluster.kubectl(`exec querier -- wget -q -O - http://${await server()}:9153/metrics`)
  assert.match(
    text,
    /^coredns_dns_responses_total\{server="dns:\/\/:53",zone="\.",view="",rcode="NXDOMAIN",plugin="kubernetes"\} \d+$/m,
  )
  assert.match(text, /^coredns_forward_requests_total\{to="127\.0\.0\.1:\d+"\} \d+$/m)
  assert.match(
    text,
    /^coredns_kubernetes_dns_programming_duration_seconds_count\{service_kind="headless_with_selector"\} [1-9]/m,
  )
  assert.match(text, /^coredns_reload_failed_total 1$/m)
  assert.match(text, /^coredns_panics_total 0$/m)
})
