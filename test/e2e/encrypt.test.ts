// Encryption between nodes, with WireGuard of the kernel, or in user space where the kernel has none: pods of different
// nodes reach each other, nothing of them travels in the clear, and what ends is started again.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { realClock } from '../../src/base/clock.ts'
import { wireguardProblem } from '../../src/network/index.ts'
import { cannotRun, clusterForFile, eventually, run } from './cluster.ts'

const problem = cannotRun ? undefined : await wireguardProblem()
const options = { skip: cannotRun || problem }
const cluster = clusterForFile('encrypt', ['busybox'], ['--nodes', '2', '--encrypt'])

const web = {
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: { name: 'web' },
  spec: {
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: {
        terminationGracePeriodSeconds: 1,
        tolerations: [{ operator: 'Exists' }],
        containers: [
          {
            name: 'main',
            image: 'busybox',
            imagePullPolicy: 'Never',
            command: ['sh', '-c', 'mkdir /w; hostname >/w/name; exec httpd -f -p 80 -h /w'],
            readinessProbe: { httpGet: { path: '/name', port: 80 }, periodSeconds: 1 },
          },
        ],
      },
    },
  },
}
const service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web' },
  spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
}

interface PodFacts {
  metadata: { name: string }
  spec: { nodeName: string }
  status: { podIP: string }
}
let pods: PodFacts[] = []
const namespaceOf = async () => (await run('ip', ['netns', 'list'])).stdout.match(/kutter-[0-9a-f]{6}-node-2/g)!
let namespace = ''
const inside = (...words: string[]) => run('nsenter', [`--net=/run/netns/${namespace}`, '--', ...words])

async function reachAll(): Promise<void> {
  for (const { metadata } of pods)
    for (const { status } of pods)
      await eventually(`${metadata.name} reaches ${status.podIP}`, async () => {
        const asked = await cluster.tryKubectl(
          `exec ${metadata.name} -- timeout 3 wget -q -O - http://${status.podIP}/name`,
        )
        return asked.code === 0 && asked.stdout.startsWith('web-')
      })
}

/** The packets of pods on the cable of the second node: in the clear, and of WireGuard. */
async function packets(): Promise<{ clear: number; encrypted: number }> {
  const { nftables } = JSON.parse((await inside('nft', '-j', 'list', 'table', 'inet', 'watch')).stdout) as {
    nftables: { counter?: { name: string; packets: number } }[]
  }
  const of = (name: string) => nftables.find(({ counter }) => counter?.name === name)!.counter!.packets
  return { clear: of('clear'), encrypted: of('encrypted') }
}

test('pods of two nodes reach each other and a Service, and nothing is in the clear', options, async () => {
  await cluster.apply(web)
  await cluster.apply(service)
  await cluster.kubectl('rollout status daemonset web --timeout=60s')
  pods = (JSON.parse(await cluster.kubectl('get pods -l app=web -o json')) as { items: PodFacts[] }).items
  assert.equal(new Set(pods.map(({ spec }) => spec.nodeName)).size, 2)
  const tag = (await cluster.kubectl('get nodes -o name')) && (await namespaceOf())
  const config = JSON.parse(readFileSync(`${cluster.dataDir}/encrypt/cluster.json`, 'utf8')) as { nodeCidrs: string[] }
  const range = config.nodeCidrs[0]!.split('.').slice(0, 3).join('.')
  // Another cluster of this machine may have a node of this name.
  for (const one of tag) {
    namespace = one
    if ((await inside('ip', '-o', 'address')).stdout.includes(`inet ${range}.`)) break
  }
  const watch = await inside(
    'nft',
    `table inet watch {
       counter clear { }
       counter encrypted { }
       chain out {
         type filter hook postrouting priority 300
         oifname "eth0" ip daddr 10.128.0.0/9 ip saddr 10.128.0.0/9 counter name clear
         oifname "eth0" udp dport 51820-51999 counter name encrypted
       }
       chain in {
         type filter hook prerouting priority -400
         iifname "eth0" ip saddr 10.128.0.0/9 counter name clear
         iifname "eth0" udp dport 51820-51999 counter name encrypted
       }
     }`,
  )
  assert.equal(watch.code, 0, watch.stderr)
  await reachAll()
  const names = new Set<string>()
  await eventually('the Service leads to both', async () => {
    names.add(await cluster.kubectl(`exec ${pods[0]!.metadata.name} -- timeout 3 wget -q -O - http://web/name`))
    return names.size === 2
  })
  const { clear, encrypted } = await packets()
  assert.equal(clear, 0)
  assert.ok(encrypted > 20, `${encrypted} packets`)
})

test('a node without a key is not reached in the clear, and its status says why', options, async () => {
  const remote = pods.find(({ spec }) => spec.nodeName === 'node-2')!
  const local = pods.find(({ spec }) => spec.nodeName !== 'node-2')!
  // Its agent would write the key again at once.
  const { processes } = JSON.parse((await cluster.kutter('status', '-o', 'json')).stdout) as {
    processes: { role: string; node?: string; pid: number }[]
  }
  const agent = processes.find(({ role, node }) => role === 'agent' && node === 'node-2')!
  process.kill(agent.pid, 'SIGSTOP')
  try {
    await cluster.kubectl('annotate node node-2 kutter.dev/wireguard-')
    const ask = () =>
      cluster.tryKubectl(`exec ${local.metadata.name} -- timeout 3 wget -q -O - http://${remote.status.podIP}/name`)
    await eventually('it is not reached', async () => (await ask()).code !== 0)
    const shown = await cluster.kutter('status')
    assert.match(shown.stdout, /no traffic with pods of node-2/)
    assert.equal((await packets()).clear, 0)
  } finally {
    process.kill(agent.pid, 'SIGCONT')
  }
  await reachAll()
  assert.doesNotMatch((await cluster.kutter('status')).stdout, /no traffic with pods/)
})

test(
  'a device that is gone is made again, and a killed agent goes on with the one that is there',
  options,
  async () => {
    const link = (await inside('ip', '-o', 'link')).stdout.match(/kt[0-9a-f]{6}w\d+/)![0]
    await inside('ip', 'link', 'delete', link)
    await reachAll()
    const before = (await inside('wg', 'show', link, 'latest-handshakes')).stdout
    assert.notEqual(before.trim(), '')
    const { processes } = JSON.parse((await cluster.kutter('status', '-o', 'json')).stdout) as {
      processes: { role: string; node?: string; pid: number }[]
    }
    process.kill(processes.find(({ role, node }) => role === 'agent' && node === 'node-2')!.pid, 'SIGKILL')
    await eventually('the agent is there again', async () => {
      const { stdout } = await cluster.kutter('status')
      return /agent +node-2 .*ready, restarted/.test(stdout)
    })
    await reachAll()
    assert.equal((await packets()).clear, 0)
  },
)

test('without encryption the cluster has plain routes again, and with it none', options, async () => {
  const mine = () => run('bash', ['-c', "ip -o link | grep -oE 'kt[0-9a-f]{6}w[0-9]+' || true"])
  const before = (await mine()).stdout.trim().split('\n')
  assert.equal((await cluster.kutter('down')).code, 0)
  await cluster.up('--no-encrypt')
  await realClock.sleep(1_000)
  const after = (await mine()).stdout.trim().split('\n').filter(Boolean)
  assert.ok(after.length < before.length, `${before.join()} -> ${after.join()}`)
  await cluster.kubectl('rollout status daemonset web --timeout=60s')
  pods = (JSON.parse(await cluster.kubectl('get pods -l app=web -o json')) as { items: PodFacts[] }).items
  await reachAll()
})
