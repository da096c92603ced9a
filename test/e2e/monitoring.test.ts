// What monitoring systems scrape from a node: the metrics that widely used dashboards and alerts query, with the labels
// that they select by; and the logs of the node.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { differences, readExposition, readTable } from '../exposition.ts'
import { cannotRun, clusterForFile, eventually } from './cluster.ts'
import { becomesReady, forever, inPod, makePod, removePods, sh } from './pods.ts'

const options = { skip: cannotRun }
/** A collector of traces on loopback, whose address must be fixed before the cluster starts. */
const collectorPort = 43187
const directory = mkdtempSync(join(tmpdir(), 'kutter-tracing-'))
const tracing = join(directory, 'tracing.yaml')
writeFileSync(
  tracing,
  `apiVersion: apiserver.config.k8s.io/v1\nkind: TracingConfiguration\nendpoint: 127.0.0.1:${collectorPort}\nsamplingRatePerMillion: 1000000\n`,
)
const cluster = clusterForFile('monitoring', ['busybox'], ['--tracing-config-file', tracing])
const table = readTable(readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8'))

let traces = ''
const collector = createServer((request, response) => {
  request.on('data', (chunk: Buffer) => (traces = (traces + String(chunk)).slice(-1_000_000)))
  request.on('end', () => response.end('{}'))
})
before(() => new Promise<void>(resolve => collector.listen(collectorPort, '127.0.0.1', resolve)))
after(() => {
  collector.close()
  collector.closeAllConnections()
  rmSync(directory, { recursive: true })
})

const scrape = async (path: string) => {
  const node = (await cluster.kubectl('get nodes -o name')).trim().slice('node/'.length)
  return cluster.kubectl(`get --raw '/api/v1/nodes/${node}/proxy/${path}'`)
}

/** A pattern for a line with these labels, in any order, whose value is a number. */
function line(name: string, labels: Readonly<Record<string, string>> = {}): RegExp {
  const each = Object.entries(labels).map(([key, value]) => `(?=.*\\b${key}="${value}")`)
  return new RegExp(`^${name}(\\{${each.join('')}[^}]*\\})? [-+\\d.e]+`, 'm')
}

/** The paths where the names of the table are served. */
const places: Readonly<Record<string, string>> = {
  'API server': 'API server',
  node: 'metrics',
  'node /metrics/cadvisor': 'metrics/cadvisor',
  'node /metrics/resource': 'metrics/resource',
  'node /metrics/probes': 'metrics/probes',
}

const main = { namespace: 'default', pod: 'watched', container: 'main', image: '.+' }
const whole = { namespace: 'default', pod: 'watched', container: '' }
const plain = { namespace: 'default', pod: 'watched' }

const expected: Readonly<Record<string, RegExp[]>> = {
  'metrics/cadvisor': [
    line('container_cpu_usage_seconds_total', { ...main, cpu: 'total' }),
    line('container_cpu_usage_seconds_total', { id: '/', cpu: 'total' }),
    line('container_cpu_cfs_periods_total', main),
    line('container_cpu_cfs_throttled_periods_total', main),
    line('container_cpu_cfs_throttled_seconds_total', main),
    line('container_memory_working_set_bytes', main),
    line('container_memory_working_set_bytes', whole),
    line('container_memory_rss', main),
    line('container_memory_cache', main),
    line('container_memory_swap', main),
    line('container_memory_failures_total', { ...main, failure_type: 'pgmajfault', scope: 'container' }),
    line('container_oom_events_total', main),
    line('container_network_receive_bytes_total', { ...whole, interface: 'eth0' }),
    line('container_network_transmit_packets_dropped_total', { ...whole, interface: 'eth0' }),
    line('container_spec_memory_limit_bytes', main),
    line('container_spec_cpu_quota', main),
    line('container_start_time_seconds', main),
    line('container_processes', main),
    line('container_threads', main),
    line('machine_cpu_cores'),
    line('machine_memory_bytes'),
  ],
  'metrics/resource': [
    line('node_cpu_usage_seconds_total'),
    line('node_memory_working_set_bytes'),
    line('pod_cpu_usage_seconds_total', plain),
    line('pod_memory_working_set_bytes', plain),
    line('container_cpu_usage_seconds_total', { ...plain, container: 'main' }),
    line('container_memory_working_set_bytes', { ...plain, container: 'main' }),
    line('container_start_time_seconds', { ...plain, container: 'main' }),
    line('resource_scrape_error'),
  ],
  'metrics/probes': [
    line('prober_probe_total', { ...plain, container: 'main', probe_type: 'Liveness', result: 'successful' }),
  ],
  metrics: [
    line('kubelet_node_name'),
    line('kubelet_running_pods'),
    line('kubelet_running_containers', { container_state: 'running' }),
    line('kubelet_started_pods_total'),
    line('kubelet_started_containers_total', { container_type: 'container' }),
    line('kubelet_runtime_operations_total', { operation_type: 'run_podsandbox' }),
    line('kubelet_runtime_operations_duration_seconds_bucket', { operation_type: 'create_container', le: '\\+Inf' }),
    line('kubelet_pod_worker_duration_seconds_count', { operation_type: 'sync' }),
    line('kubelet_pod_start_duration_seconds_bucket', { le: '\\+Inf' }),
    line('kubelet_pleg_relist_duration_seconds_bucket', { le: '0.005' }),
    line('volume_manager_total_volumes', { plugin_name: '.+', state: 'actual_state_of_world' }),
    line('kubernetes_build_info', { git_version: '.+' }),
    line('process_cpu_seconds_total'),
    line('process_resident_memory_bytes'),
    line('process_start_time_seconds'),
  ],
}

describe('monitoring', { concurrency: false, skip: cannotRun }, () => {
  test('a node has the metrics that dashboards and alerts query', options, async () => {
    await makePod(cluster, 'watched', {
      containers: [
        sh(`echo x > /cache/x; ${forever}`, {
          resources: { limits: { cpu: '100m', memory: '32Mi' } },
          livenessProbe: { exec: { command: ['true'] }, periodSeconds: 1 },
          volumeMounts: [{ name: 'cache', mountPath: '/cache' }],
        }),
      ],
      volumes: [{ name: 'cache', emptyDir: {} }],
    })
    await becomesReady(cluster, 'watched')
    await inPod(cluster, 'watched', 'for i in 1 2 3 4 5 6 7 8 9; do ls / > /dev/null; done')
    for (const [path, lines] of Object.entries(expected))
      await eventually(path, async () => {
        const text = await scrape(path)
        for (const pattern of lines) if (!pattern.test(text)) throw new Error(`${pattern} is not in\n${text}`)
        return true
      })
    for (const [where, path] of Object.entries(places)) {
      const text = path === 'API server' ? await cluster.kubectl('get --raw /metrics') : await scrape(path)
      const rows = table.filter(row => row.where.split(', ').includes(where))
      assert.ok(rows.length, where)
      assert.deepEqual(differences(rows, readExposition(text)), [], where)
    }
    await removePods(cluster, 'watched')
  })

  test('settings, state and profiles are shown to those who may see them', options, async () => {
    assert.match(await cluster.kubectl('get --raw /flagz'), /kube-apiserver flags\n[^]*\nname=monitoring\n/)
    assert.match(await cluster.kubectl('get --raw /statusz'), /Binary version: 1\.36\.0/)
    assert.match(await scrape('statusz'), /kubelet statusz/)
    const profile = async (text: Promise<string>) => JSON.parse(await text) as { nodes?: unknown[]; head?: object }
    assert.ok((await profile(cluster.kubectl("get --raw '/debug/pprof/profile?seconds=1'"))).nodes?.length)
    assert.ok((await profile(cluster.kubectl("get --raw '/debug/pprof/heap?seconds=1'"))).head)
    assert.ok((await profile(scrape('debug/pprof/profile?seconds=1'))).nodes?.length)
    for (const path of ['/debug/pprof/profile', '/flagz', '/statusz'])
      await assert.rejects(cluster.kubectl(`--as nobody get --raw ${path}`), /Forbidden/)
  })

  test('requests of kubectl are traced', options, async () => {
    await cluster.kubectl('create configmap traced')
    await eventually('the spans', async () => /KubernetesAPI[^]*configmaps/.test(traces) && /Store create/.test(traces))
  })

  test('the configuration in effect is shown', options, async () => {
    const { kubeletconfig } = JSON.parse(await scrape('configz')) as { kubeletconfig: Record<string, unknown> }
    const { authentication, maxPods, evictionHard, imageMinimumGCAge } = kubeletconfig
    assert.deepEqual([maxPods, imageMinimumGCAge], [110, '2m0s'])
    assert.equal((authentication as { anonymous: { enabled: boolean } }).anonymous.enabled, false)
    assert.equal((evictionHard as Record<string, string>)['memory.available'], '100Mi')
  })

  test('the log of the kubelet is read through the API server', options, async () => {
    assert.match(await scrape('logs/'), /^<pre>\n/)
    const lines = await scrape('logs/?query=kubelet&tailLines=2')
    assert.equal(lines.trimEnd().split('\n').length, 2)
    const found = await scrape('logs/?query=kubelet&pattern=no-such-text')
    assert.equal(found.trim(), '')
    await assert.rejects(scrape('logs/?query=kubelet&tailLines=x'))
  })
})
