// CPUs and memory of one's own on a real node, from one NUMA node: what the kernel lets the processes of a container run
// on, before and after another pod has CPUs for itself, and with a new kubelet.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { cannotRun, clusterForFile, eventually } from './cluster.ts'
import { becomesReady, forever, inPod, makePod, removePods, sh } from './pods.ts'

const cpus = availableParallelism()
const skip = cannotRun || (cpus < 2 && 'needs two CPUs')
const options = { skip }
const dir = mkdtempSync(join(tmpdir(), 'kutter-cpus-'))
const config = join(dir, 'kubelet.yaml')
writeFileSync(
  config,
  `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cpuManagerPolicy: static
reservedSystemCPUs: "0"
memoryManagerPolicy: Static
reservedMemory:
- numaNode: 0
  limits: {memory: 1Gi}
kubeReserved: {memory: 924Mi}
topologyManagerPolicy: single-numa-node
`,
)
after(() => rmSync(dir, { recursive: true, force: true }))
const cluster = clusterForFile('cpus', ['busybox'], ['--kubelet-config', config])
const node = hostname().toLowerCase()

/** The CPUs on which the first process of a pod may run, or the NUMA nodes whose memory it may use, such as `0-1`. */
const allowedIn = async (name: string, what = 'Cpus') =>
  new RegExp(`${what}_allowed_list:\\s*(\\S+)`).exec(await inPod(cluster, name, 'cat /proc/1/status'))?.[1]
const all = `0-${cpus - 1}`
const runsOn = (name: string, expected: string) =>
  eventually(`${name} runs on ${expected}`, async () => {
    const allowed = await allowedIn(name)
    if (allowed === expected) return true
    throw new Error(`it runs on ${allowed}`)
  })
const whole = { cpu: String(cpus - 1), memory: '16Mi' }
const others = cpus === 2 ? '1' : `1-${cpus - 1}`

describe('CPUs', { concurrency: false, skip }, () => {
  test('a guaranteed pod has whole CPUs for itself, through a new kubelet, until it ends', options, async () => {
    await makePod(cluster, 'others', { containers: [sh(forever)] })
    await becomesReady(cluster, 'others')
    await runsOn('others', all)
    await makePod(cluster, 'own', { containers: [sh(forever, { resources: { requests: whole, limits: whole } })] })
    await becomesReady(cluster, 'own')
    assert.equal(await allowedIn('own'), others)
    assert.equal(await allowedIn('own', 'Mems'), '0')
    const given = readFileSync(join(cluster.dataDir, cluster.name, 'agents', node, 'memory_manager_state'), 'utf8')
    assert.match(given, /"numaAffinity":\[0\],"bytes":\{"memory":16777216\}/)
    await runsOn('others', '0')
    const { processes } = JSON.parse((await cluster.kutter('status', '-o', 'json')).stdout) as {
      processes: { role: string; pid: number }[]
    }
    process.kill(processes.find(({ role }) => role === 'agent')!.pid, 'SIGKILL')
    await eventually('a pod starts', async () => {
      const { code } = await cluster.tryKubectl('get --raw /readyz')
      return code === 0
    })
    await makePod(cluster, 'later', { containers: [sh(forever)] })
    await becomesReady(cluster, 'later')
    assert.equal(await allowedIn('later'), '0')
    assert.deepEqual([await allowedIn('own'), await allowedIn('others')], [others, '0'])
    await removePods(cluster, 'own')
    for (const name of ['others', 'later']) await runsOn(name, all)
    await removePods(cluster, 'others', 'later')
  })
})
