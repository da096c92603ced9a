// Clusters of both families and of IPv6 alone: addresses of nodes, pods and Services, names, probes, policies and
// streams, by every address that there is, on two nodes.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { describe, test } from 'node:test'
import { cannotRun, clusterForFile, eventually, run, type TestCluster } from './cluster.ts'

const options = { skip: cannotRun || (!existsSync('/proc/net/if_inet6') && 'this kernel has no IPv6') }
const families = { dual: [4, 6], ipv6: [6] } as const
const familyOf = (address: string) => (address.includes(':') ? 6 : 4)
const host = (address: string) => (familyOf(address) === 6 ? `[${address}]` : address)

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
        containers: [
          {
            name: 'main',
            image: 'busybox',
            imagePullPolicy: 'IfNotPresent',
            command: [
              'sh',
              '-c',
              'mkdir /tmp/www; echo $NODE >/tmp/www/name; httpd -p 8080 -h /tmp/www; trap "exit 0" TERM; echo serves; while :; do sleep 0.2; done',
            ],
            env: [
              { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
              { name: 'POD_IPS', valueFrom: { fieldRef: { fieldPath: 'status.podIPs' } } },
              { name: 'HOST_IPS', valueFrom: { fieldRef: { fieldPath: 'status.hostIPs' } } },
            ],
            readinessProbe: { httpGet: { path: '/name', port: 8080 }, periodSeconds: 1 },
            livenessProbe: { tcpSocket: { port: 8080 } },
          },
        ],
      },
    },
  },
}
const service = (name: string, spec: object) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name },
  spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }], ...spec },
})

interface Pod {
  metadata: { name: string }
  spec: { nodeName: string }
  status: { podIPs: { ip: string }[]; hostIPs: { ip: string }[] }
}

class Family {
  readonly #cluster: TestCluster

  constructor(cluster: TestCluster) {
    this.#cluster = cluster
  }

  async json<T>(what: string): Promise<T> {
    return JSON.parse(await this.#cluster.kubectl(`get ${what} -o json`)) as T
  }

  async pods(): Promise<Pod[]> {
    return (await this.json<{ items: Pod[] }>('pods -l app=web')).items
  }

  async clusterIPs(name: string): Promise<string[]> {
    return (await this.json<{ spec: { clusterIPs: string[] } }>(`service ${name}`)).spec.clusterIPs
  }

  /** The names of the nodes that answered some requests, of this machine or of a pod. */
  async answers(address: string, port: number, from?: Pod, times = 12): Promise<string[]> {
    const once = from
      ? `printf "GET /name HTTP/1.0\\r\\n\\r\\n" | nc -w 2 ${address} ${port} | tail -n 1`
      : `curl -gsf -m 2 http://${host(address)}:${port}/name`
    const script = `for i in $(seq ${times}); do ${once}; done; true`
    const text = from
      ? await this.#cluster.kubectl(`exec ${from.metadata.name} -- sh -c '${script}'`)
      : (await run('sh', ['-c', script])).stdout
    return [...new Set(text.split('\n').map(line => line.trim()))].filter(Boolean).sort()
  }
}

const ports = { dual: [15_180, 15_543], ipv6: [15_280, 15_643] } as const
for (const [name, wanted] of Object.entries(families))
  describe(`--ip-family ${name}`, () => {
    const [http, https] = ports[name as keyof typeof ports]
    const cluster = clusterForFile(
      `family-${name}`,
      ['busybox'],
      ['--nodes', '2', '--ip-family', name, '--ingress-http-port', String(http), '--ingress-https-port', String(https)],
    )
    const family = new Family(cluster)
    const isOfFamilies = (addresses: readonly string[], what: string) =>
      assert.deepEqual(addresses.map(familyOf), wanted, `${what}: ${addresses.join()}`)

    test('nodes and pods have addresses of the families, and containers see them', options, async () => {
      await cluster.apply(web)
      await cluster.kubectl('rollout status daemonset web --timeout=90s')
      const { items } = await family.json<{
        items: { spec: { podCIDRs: string[] }; status: { addresses: { type: string; address: string }[] } }[]
      }>('nodes')
      for (const { spec, status } of items) {
        isOfFamilies(spec.podCIDRs, 'ranges')
        isOfFamilies(
          status.addresses.filter(a => a.type === 'InternalIP').map(a => a.address),
          'a node',
        )
      }
      const pods = await family.pods()
      assert.equal(pods.length, 2)
      for (const { metadata, status } of pods) {
        isOfFamilies(
          status.podIPs.map(({ ip }) => ip),
          'a pod',
        )
        isOfFamilies(
          status.hostIPs.map(({ ip }) => ip),
          'the node of a pod',
        )
        const seen = (await cluster.kubectl(`exec ${metadata.name} -- sh -c 'echo $POD_IPS; echo $HOST_IPS'`)).trim()
        assert.equal(seen, [status.podIPs, status.hostIPs].map(list => list.map(({ ip }) => ip).join()).join('\n'))
        assert.match(await cluster.kubectl(`logs ${metadata.name}`), /serves/)
      }
    })

    test(
      'Services have the families that they ask for, and gain and lose the second by their policy',
      options,
      async () => {
        const both = wanted.length === 2
        await cluster.apply(service('one', {}))
        assert.deepEqual((await family.clusterIPs('one')).map(familyOf), [wanted[0]])
        await cluster.apply(service('web', { type: 'NodePort', ipFamilyPolicy: 'PreferDualStack' }))
        isOfFamilies(await family.clusterIPs('web'), 'PreferDualStack')
        const required = cluster.apply(service('required', { ipFamilyPolicy: 'RequireDualStack' }))
        if (!both) await assert.rejects(required, /this cluster is not configured for dual-stack services/)
        if (!both) return
        await required
        isOfFamilies(await family.clusterIPs('required'), 'RequireDualStack')
        const [first] = await family.clusterIPs('one')
        const patch = (policy: string) =>
          cluster.kubectl(`patch service one --type=merge -p '{"spec":{"ipFamilyPolicy":"${policy}"}}'`)
        await patch('PreferDualStack')
        isOfFamilies(await family.clusterIPs('one'), 'after the patch')
        assert.equal((await family.clusterIPs('one'))[0], first)
        await patch('SingleStack')
        assert.deepEqual(await family.clusterIPs('one'), [first])
      },
    )

    test('every address of a Service leads to both nodes, from the machine and from pods', options, async () => {
      const pods = await family.pods()
      const nodes = pods.map(({ spec }) => spec.nodeName).sort()
      const ports = (await family.json<{ spec: { ports: { nodePort: number }[] } }>('service web')).spec.ports
      const ways = [
        ...(await family.clusterIPs('web')).map(address => ({ address, port: 80 })),
        ...pods.flatMap(({ status }) => status.hostIPs.map(({ ip }) => ({ address: ip, port: ports[0]!.nodePort }))),
      ]
      for (const { address, port } of ways)
        for (const from of [undefined, ...pods])
          await eventually(`${address} ${port} answers ${from?.spec.nodeName ?? 'the machine'}`, async () => {
            const found = await family.answers(address, port, from)
            if (found.join() !== nodes.join()) throw new Error(`answered by ${found.join() || 'nobody'}`)
            return true
          })
    })

    test('an Ingress is reached by every address of the nodes', options, async () => {
      const backend = { service: { name: 'web', port: { number: 80 } } }
      await cluster.apply({
        apiVersion: 'networking.k8s.io/v1',
        kind: 'Ingress',
        metadata: { name: 'web' },
        spec: { rules: [{ http: { paths: [{ path: '/', pathType: 'Prefix', backend }] } }] },
      })
      for (const { status } of await family.pods())
        for (const { ip } of status.hostIPs)
          await eventually(`${ip} answers`, async () => (await family.answers(ip, http)).length === 2)
    })

    test('names have addresses of the families', options, async () => {
      const [pod] = await family.pods()
      const text = await cluster.kubectl(`exec ${pod!.metadata.name} -- nslookup web.default.svc.cluster.local`)
      for (const address of await family.clusterIPs('web')) assert.ok(text.includes(address), text)
    })

    test('port-forward leads to a pod on the other node', options, async () => {
      const pod = (await family.pods()).find(({ spec }) => spec.nodeName === 'node-2')!
      const forward = spawn('kubectl', ['port-forward', pod.metadata.name, ':8080'], {
        env: { ...process.env, ...cluster.env },
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      try {
        const port = await new Promise<string>(resolve => {
          let text = ''
          forward.stdout.on('data', chunk => {
            text += String(chunk)
            const found = /127\.0\.0\.1:(\d+)/.exec(text)
            if (found) resolve(found[1]!)
          })
        })
        assert.equal((await run('curl', ['-sf', `http://127.0.0.1:${port}/name`])).stdout.trim(), 'node-2')
      } finally {
        forward.kill()
      }
    })

    test('a network policy isolates pods by every address', options, async () => {
      const [a, b] = await family.pods()
      const reached = async () => {
        const answered = await Promise.all(b!.status.podIPs.map(({ ip }) => family.answers(ip, 8080, a, 1)))
        return answered.filter(names => names.length).length
      }
      assert.equal(await reached(), wanted.length)
      await cluster.apply({
        apiVersion: 'networking.k8s.io/v1',
        kind: 'NetworkPolicy',
        metadata: { name: 'closed' },
        spec: { podSelector: {}, policyTypes: ['Ingress'] },
      })
      await eventually('nobody is reached', async () => (await reached()) === 0)
      await cluster.kubectl('rollout restart daemonset web')
      await cluster.kubectl('rollout status daemonset web --timeout=90s')
      await cluster.kubectl('delete networkpolicy closed')
      const [c, d] = await family.pods()
      await eventually('a new pod is reached again', async () => {
        const answered = await Promise.all(d!.status.podIPs.map(({ ip }) => family.answers(ip, 8080, c, 1)))
        return answered.every(names => names.length)
      })
    })
  })
