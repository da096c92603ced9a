// One simulated node with the real API server, a memory store and a virtual clock, for tests of the kubelet.
import type { TestContext } from 'node:test'
import { type Clock, VirtualClock } from '../../src/base/clock.ts'
import { makeLog } from '../../src/base/log.ts'
import { seededRandom } from '../../src/base/random.ts'
import type { Draft } from '../../src/api/kind.ts'
import type { Serve } from '../../src/api/operation.ts'
import { openServer } from '../../src/apiserver/open.ts'
import { Client } from '../../src/client/index.ts'
import { Event } from '../../src/kinds/core/event.ts'
import { Namespace } from '../../src/kinds/core/namespace.ts'
import { Pod } from '../../src/kinds/core/pod.ts'
import { ServiceAccount } from '../../src/kinds/core/serviceaccount.ts'
import { builtinKinds } from '../../src/kinds/all.ts'
import {
  type Behaviour,
  behaviourAnnotation,
  type Runtime,
  type SimulatedOptions,
  SimulatedRuntime,
  startKubelet,
} from '../../src/kubelet/index.ts'
import { openMemoryStore } from '../../src/store/index.ts'

export const namespace = 'default'

/** Wrappers of what the kubelet uses, to make it fail. */
export interface Between {
  runtime?: (runtime: Runtime) => Runtime
  /** Wraps the calls of the kubelet's own client. */
  serve?: (serve: Serve) => Serve
  clock?: (clock: Clock) => Clock
  /** Further options of the kubelet. */
  kubelet?: Partial<Parameters<typeof startKubelet>[0]>
  /** Called when the kubelet was started and is not ready yet. */
  started?: (node: { clock: VirtualClock; runtime: Runtime }) => Promise<void>
}

/** Returns a runtime in which `others` replace some of the methods. */
export function withMethods(runtime: Runtime, others: Partial<Runtime>): Runtime {
  return new Proxy(runtime, {
    get(target, name) {
      if (name in others) return others[name as keyof Runtime]
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

export async function makeNode(t: TestContext, simulated: Partial<SimulatedOptions> = {}, between: Between = {}) {
  const clock = new VirtualClock()
  const random = seededRandom(7)
  const problems: string[] = []
  const log = makeLog(line => problems.push(line), 'warn')
  const tokens = {
    issuer: 'test',
    audiences: ['test'],
    sign: () => 'token',
    verify: () => undefined,
    jwks: () => ({ keys: [] }),
  }
  const server = await openServer({
    store: openMemoryStore(),
    kinds: builtinKinds,
    clock,
    random,
    log,
    tokens,
    serviceCidrs: ['10.96.0.0/16'],
    nodePorts: [30000, 32767],
  })
  const clientBy = (serve: Serve) =>
    new Client({ serve, user: { name: 'test', groups: ['system:masters'] }, userAgent: 'test', clock, log })
  const client = clientBy(server.serve)
  const own = clientBy(between.serve?.(server.serve) ?? server.serve)
  for (const name of [namespace, 'kube-node-lease'])
    if (!(await client.find(Namespace, { name }))) await client.create(Namespace, { metadata: { name } })
  await client.create(ServiceAccount, { metadata: { name: 'default', namespace } })
  const abort = new AbortController()
  const whole = new SimulatedRuntime({ clock, ...simulated })
  const runtime = between.runtime?.(whole) ?? whole
  const options = {
    client: own,
    nodeName: 'n1',
    nodeIPs: ['10.0.0.1'],
    rootDir: '/nonexistent',
    clusterDNS: '10.96.0.10',
    clusterDomain: 'cluster.local',
    clock: between.clock?.(clock) ?? clock,
    random,
    log,
    signal: abort.signal,
    ...between.kubelet,
  }
  const kubelet = await startKubelet({ ...options, runtime })
  t.after(async () => {
    abort.abort()
    await kubelet.close()
    client.close()
    own.close()
    await server.close()
  })
  await between.started?.({ clock, runtime })
  await clock.forward(1000)
  await kubelet.ready
  const run = (name: string, spec: Draft<Pod>['spec'], behaviour?: Record<string, Behaviour>) =>
    client.create(Pod, {
      metadata: {
        name,
        namespace,
        ...(behaviour && { annotations: { [behaviourAnnotation]: JSON.stringify(behaviour) } }),
      },
      spec: { nodeName: 'n1', ...spec },
    })
  const pod = (name: string) => client.get(Pod, { namespace, name })
  const main = async (name: string) => (await pod(name)).status.containerStatuses![0]!
  const events = async (name: string) =>
    (await client.list(Event, { namespace })).items
      .filter(e => e.involvedObject.name === name)
      .map(e => `${e.reason} ${e.count}`)
  return { clock, client, kubelet, run, pod, main, events, problems, runtime, options }
}

export const one = (more: object = {}) => ({ containers: [{ name: 'main', image: 'busybox:1', ...more }] })
