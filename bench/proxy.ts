// How long a node takes from the news of one endpoint to the rules in the kernel, among 10,000 Services, and how long
// 5,000 Services with 50 endpoints each take at once, in a network namespace of its own. Needs root and nft.
// Run: node bench/proxy.ts [SERVICES=10000] [ENDPOINTS=3]
import { objectOf } from '../src/kinds/testing.ts'
import { Service } from '../src/kinds/core/service.ts'
import { EndpointSlice } from '../src/kinds/discovery/endpointslice.ts'
import { deleteTableText, makeIp, makeNft } from '../src/linux/index.ts'
import { emptyFragment, type Fragment } from '../src/proxy/fragment.ts'
import { HairpinCounts } from '../src/proxy/hairpin.ts'
import { planService } from '../src/proxy/plan.ts'
import { pickText, tableText } from '../src/proxy/table.ts'
import { transactionText } from '../src/proxy/transaction.ts'

const [services = 10_000, endpoints = 3] = process.argv.slice(2).map(Number)
const rounds = 100
const netns = `kutter-bench-${process.pid}`
const options = {
  table: 'kutter-bench',
  podCidrs: ['10.128.0.0/9'],
  serviceCidrs: ['10.96.0.0/16'],
  bridge: 'kt-bench',
  pods: true,
  nodePortAddresses: [],
}
const context = { nodeName: 'node-1', podCidrs: options.podCidrs }

const serviceAt = (i: number) =>
  objectOf(Service, {
    metadata: { name: `s-${i}` },
    spec: {
      clusterIP: `10.96.${i >> 8}.${i & 255}`,
      clusterIPs: [`10.96.${i >> 8}.${i & 255}`],
      ports: [{ name: 'http', port: 80, targetPort: 8080 }],
    },
  })
const sliceAt = (i: number, count: number) =>
  objectOf(EndpointSlice, {
    metadata: { name: `s-${i}` },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints: Array.from({ length: count }, (_, n) => ({
      addresses: [`10.${128 + (i % 100)}.${n}.${i % 250}`],
      nodeName: `node-${n}`,
      conditions: { ready: true },
    })),
  })

/** What the proxy does with changes: the text of one transaction. */
class Model {
  readonly #hairpin = new HairpinCounts()
  readonly #applied = new Map<number, Fragment>()
  readonly #picks = new Set<string>()

  text(changes: readonly [service: number, endpoints: number][]): string {
    const pairs = changes.map(([i, count]) => {
      const before = this.#applied.get(i) ?? emptyFragment()
      const after = planService(serviceAt(i), [sliceAt(i, count)], context)
      this.#applied.set(i, after)
      return { before, after }
    })
    const picks = pairs.flatMap(({ after }) => [...after.picks]).filter(([id]) => !this.#picks.has(id))
    const added = new Map(picks)
    for (const id of added.keys()) this.#picks.add(id)
    const shared = this.#hairpin.share(pairs)
    shared.commit()
    const texts = [...added.values()].map(pick => pickText(options, pick))
    return texts.join('') + transactionText(options.table, shared.changes)
  }
}

const median = (times: number[]) => times.sort((a, b) => a - b)[Math.floor(times.length / 2)]!.toFixed(2)

const ip = makeIp()
await ip.addNamespace(netns)
try {
  const nft = makeNft({ netns: `/run/netns/${netns}` })
  const load = async (count: number, each: number) => {
    const model = new Model()
    const from = performance.now()
    const text = tableText(options) + model.text(Array.from({ length: count }, (_, i) => [i, each]))
    const planned = performance.now()
    await nft.apply(text)
    const [planMs, allMs] = [planned - from, performance.now() - from]
    console.log(`${count} services with ${each} endpoints: plan ${planMs.toFixed(0)} ms, all ${allMs.toFixed(0)} ms`)
    return model
  }
  const model = await load(services, endpoints)
  const [plans, all]: [number[], number[]] = [[], []]
  for (let i = 0; i < rounds; i++) {
    const at = (i * 7) % services
    const from = performance.now()
    const text = model.text([[at, endpoints + 1]])
    plans.push(performance.now() - from)
    await nft.apply(text)
    all.push(performance.now() - from)
  }
  console.log(`one endpoint among ${services}: plan ${median(plans)} ms; with the kernel ${median(all)} ms (median)`)
  await nft.apply(deleteTableText(options.table))
  await load(5_000, 50)
} finally {
  await ip.deleteNamespace(netns)
}
