// What the proxy counts, and where it is served.
import { deepStrictEqual, match, strictEqual } from 'node:assert/strict'
import { type AddressInfo, createServer } from 'node:net'
import { test } from 'node:test'
import { silentLog } from '../base/log.ts'
import { metricsText } from '../base/metrics.ts'
import { ProxyMetrics, serveMetrics } from './metrics.ts'

const valuesOf = (name: string) =>
  metricsText()
    .split('\n')
    .filter(line => line.startsWith(name))
    .map(line => line.slice(name.length))

test('a change waits until it is in the kernel, and is observed for each family', () => {
  const metrics = new ProxyMetrics(['10.96.0.0/16', 'fd00::/108'])
  metrics.queued('endpoint', 5_000, 3_000)
  metrics.queued('service', 5_000)
  const pending = 'kubeproxy_sync_proxy_rules_endpoint_changes_pending'
  deepStrictEqual(valuesOf(pending), [' 1'])
  metrics.synced(5_000, 5_500)
  deepStrictEqual(valuesOf(pending), [' 0'])
  deepStrictEqual(valuesOf('kubeproxy_network_programming_duration_seconds_sum'), [
    '{ip_family="IPv4"} 2.5',
    '{ip_family="IPv6"} 2.5',
  ])
  deepStrictEqual(valuesOf('kubeproxy_sync_proxy_rules_duration_seconds_count'), [
    '{ip_family="IPv4"} 1',
    '{ip_family="IPv6"} 1',
  ])
  // The same change is not observed again.
  metrics.synced(6_000, 7_000)
  match(valuesOf('kubeproxy_network_programming_duration_seconds_count')[0]!, / 1$/)
})

test('metrics and the mode of the proxy are served on loopback', async t => {
  const taken = createServer()
  await new Promise<void>(resolve => taken.listen(0, '127.0.0.1', resolve))
  const { port } = taken.address() as AddressInfo
  await new Promise(resolve => taken.close(resolve))
  const end = new AbortController()
  t.after(() => end.abort())
  serveMetrics(port, silentLog, end.signal)
  const answer = await fetch(`http://127.0.0.1:${port}/metrics`)
  match(await answer.text(), /^# TYPE kubeproxy_sync_proxy_rules_duration_seconds histogram$/m)
  strictEqual(await (await fetch(`http://127.0.0.1:${port}/proxyMode`)).text(), 'nftables')
  strictEqual(await (await fetch(`http://127.0.0.1:${port}/healthz`)).text(), 'ok')
  for (const path of ['other', 'constructor'])
    strictEqual((await fetch(`http://127.0.0.1:${port}/${path}`)).status, 404)
})
