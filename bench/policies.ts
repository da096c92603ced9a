// How long a node takes from the news of one pod to the rules in the kernel, with 1,000 network policies over 5,000 pods
// of which 110 are its own: the plan alone, and with nftables in a network namespace of its own. Needs root and nft.
// Run: node bench/policies.ts [POLICIES=1000] [PODS=5000]
import { objectOf } from '../src/kinds/testing.ts'
import { NetworkPolicy } from '../src/kinds/networking/networkpolicy.ts'
import { makeIp, makeNft } from '../src/linux/index.ts'
import { compilePolicy } from '../src/network/policy/compile.ts'
import { type NetworkPod, PolicyModel } from '../src/network/policy/model.ts'

const [policies = 1_000, pods = 5_000] = process.argv.slice(2).map(Number)
const [namespaces, own, rounds] = [100, 110, 100]
const netns = `kutter-bench-${process.pid}`
const table = 'inet kutter-bench'

const podAt = (i: number, labels: Record<string, string> = {}): NetworkPod => ({
  namespace: `ns-${i % namespaces}`,
  labels: { app: `app-${i % 20}`, ...labels },
  ips: [`10.${128 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`],
  ports: [{ name: 'web', protocol: 'TCP', port: 80 }],
  isLocal: i < own,
})

function filled(): PolicyModel {
  const model = new PolicyModel({ table, families: [4] })
  for (let i = 0; i < namespaces; i++) model.setNamespace(`ns-${i}`, { team: `team-${i % 10}` })
  for (let i = 0; i < pods; i++) model.setPod(`uid-${i}`, podAt(i))
  for (let i = 0; i < policies; i++) {
    const namespace = `ns-${i % namespaces}`
    const spec = {
      podSelector: { matchLabels: { app: `app-${i % 20}` } },
      policyTypes: ['Ingress'],
      ingress: [
        {
          from: [
            { podSelector: { matchLabels: { app: `app-${(i + 1) % 20}` } } },
            {
              namespaceSelector: { matchLabels: { team: `team-${i % 10}` } },
              podSelector: { matchLabels: { role: `role-${i % 50}` } },
            },
          ],
          ports: [{ port: 'web' }, { port: 8000 + i }],
        },
      ],
    }
    model.setPolicy(
      namespace,
      `${namespace}/p-${i}`,
      compilePolicy(objectOf(NetworkPolicy, { metadata: { namespace }, spec })),
    )
  }
  return model
}

const median = (times: number[]) => times.sort((a, b) => a - b)[Math.floor(times.length / 2)]!.toFixed(2)

const ip = makeIp()
await ip.addNamespace(netns)
try {
  const nft = makeNft({ netns: `/run/netns/${netns}` })
  let from = performance.now()
  const model = filled()
  const first = model.ruleset.transaction()
  console.log(`plan for ${policies} policies and ${pods} pods: ${(performance.now() - from).toFixed(0)} ms`)
  from = performance.now()
  await nft.apply(model.frame + first.text)
  first.applied()
  console.log(`all rules at once: ${(performance.now() - from).toFixed(0)} ms, ${model.ruleset.chains.length} chains`)
  const [plans, changes]: [number[], number[]] = [[], []]
  for (let round = 0; round < rounds; round++) {
    const at = own + round * 7
    from = performance.now()
    model.setPod(`uid-${at}`, podAt(at, round % 2 ? {} : { role: `role-${at % 50}`, app: `app-${round % 20}` }))
    const { text, applied } = model.ruleset.transaction()
    plans.push(performance.now() - from)
    if (text) {
      await nft.apply(text)
      changes.push(performance.now() - from)
    }
    applied()
  }
  console.log(`one pod changes its labels: plan ${median(plans)} ms; with the kernel ${median(changes)} ms (median)`)
} finally {
  await ip.deleteNamespace(netns)
}
