// Starts the controllers and the scheduler in the server's process, each under a Lease, together with what every node
// needs from the server no matter where the controllers run.
import { realRandom } from '../base/random.ts'
import { type Client, type Holds, type LeaderTiming, leadWithLease } from '../client/index.ts'
import { type NodeDirectories, startControllers as startAll } from '../controllers/index.ts'
import { parseDuration } from '../api/time.ts'
import { loadSchedulerConfig, type Scheduler, startScheduler } from '../scheduler/index.ts'
import type { Authority } from '../wire/x509.ts'
import { publishClusterFacts } from './cluster-facts.ts'
import { publishClusterInfo } from './cluster-info.ts'
import type { ClusterConfig, ServerPart } from './config.ts'
import type { ControlPlane } from './control-plane.ts'
import { keepGatewayKinds } from './gateway-definitions.ts'
import { keepIngressClass } from './ingress-class.ts'
import { markControlPlane } from './control-plane-node.ts'
import { keepDnsService } from './dns-service.ts'
import { gatewaySharingOf, loadBalancingOf } from './load-balancing.ts'
import { nodeAddresses, urlHost } from './node-addresses.ts'
import { keepStorageClasses } from './storage.ts'

/**
 * Where there is one server, it and its controllers end together, so a standby process need not notice a silent leader
 * soon. A long lease means few writes in an idle cluster.
 */
const aloneTiming: LeaderTiming = { leaseMs: 60_000, renewMs: 45_000, retryMs: 20_000 }

/**
 * Where several servers stand by for each other, one that hangs is replaced within 15 s of its last renewal: a candidate
 * sees that at its next try, waits for as long as the lease lasts, and takes it at the try after that.
 */
const sharedTiming: LeaderTiming = { leaseMs: 12_000, renewMs: 8_000, retryMs: 1_000 }

interface ControllersOptions {
  plane: ControlPlane
  config: ClusterConfig
  /** The node beside which the server runs. */
  nodeName: string
  authority: Authority
  /** Identifies this server among the holders of the Lease. It is the same after a restart. */
  identity: string
  signal: AbortSignal
  /** The directories of nodes that are volumes. */
  directories: NodeDirectories
  /** Called with the scheduler of this process when it starts, and with undefined when it ends. */
  scheduling?: (scheduler: Scheduler | undefined) => void
}

/**
 * Resolves when each part works, or stands by because another process is the leader. All end with the signal. The result
 * resolves then, when the Leases are given up.
 */
export async function startControllers(options: ControllersOptions): Promise<() => Promise<unknown>> {
  const { plane, config, authority } = options
  const { core } = plane
  const common = { clock: core.clock, random: realRandom }
  const runs = (part: ServerPart) => !config.disable?.includes(part)
  // Controllers would wait for kinds that are not served.
  const gateway = config.gateway && (await keepGatewayKinds(plane.client('kutter', ['system:masters']), options.signal))
  const sharing = { ...config, gateway: gateway ?? false }
  const [loadBalancing, gateways] = [loadBalancingOf(sharing), gatewaySharingOf(sharing)]
  const parts = [serveNodes(options)]
  const leading: Promise<void>[] = []
  const lead = (name: string, work: Work) => parts.push(elected(options, name, work, leading))
  if (runs('controller-manager'))
    lead('kube-controller-manager', async (manager, signal, holds) => {
      await startAll({
        ...common,
        signal,
        reader: manager,
        clientFor: name => plane.accountClient(name).fenced(holds),
        log: core.log.with({ part: 'controllers' }),
        kinds: plane.kinds,
        caPem: authority.certPem,
        authority,
        signToken: plane.signToken,
        clusterCidr: config.podCidrs.join(','),
        ...(runs('storage') && { directories: options.directories }),
        ...(loadBalancing && { loadBalancing }),
        ...(gateways && { gateways }),
        ...(config.clusterSigningDuration && {
          certificateLifeMs: parseDuration(config.clusterSigningDuration)! / 1e6,
        }),
        ...(config.nodeMonitorGracePeriod && {
          nodeMonitorGraceMs: parseDuration(config.nodeMonitorGracePeriod)! / 1e6,
        }),
      })
    })
  if (runs('scheduler'))
    lead('kube-scheduler', async (client, signal) => {
      const log = core.log.with({ part: 'scheduler' })
      const file = config.schedulerConfig
      const own = file === undefined ? {} : { config: await loadSchedulerConfig(file) }
      const scheduler = await startScheduler({ ...common, ...own, signal, client, log })
      options.scheduling?.(scheduler)
      signal.addEventListener('abort', () => options.scheduling?.(undefined), { once: true })
    })
  await Promise.all(parts)
  return () => Promise.all(leading)
}

type Work = (client: Client, signal: AbortSignal, holds: Holds) => Promise<void>

/** Publishes what nodes need even where no controller runs: cluster-info, kutter-config and the Service kube-dns. */
async function serveNodes({ plane, config, nodeName, authority, signal }: ControllersOptions): Promise<void> {
  const admin = plane.client('kutter', ['system:masters'])
  const address = config.virtualAddress || nodeAddresses(config, nodeName)[0]!
  await publishClusterInfo(admin, `https://${urlHost(address)}:${config.port}`, authority.certPem)
  await publishClusterFacts(admin, config, authority.certPem)
  await keepDnsService(admin, config, signal)
  if (!config.disable?.includes('storage')) await keepStorageClasses(admin)
  if (!config.disable?.includes('ingress')) await keepIngressClass(admin)
  await markControlPlane(admin, nodeName, signal)
}

/** Runs `lead` each time this server becomes the leader. Resolves when `lead` has begun once, or when it stands by. */
function elected(
  { plane, identity, signal }: ControllersOptions,
  name: string,
  lead: Work,
  leading: Promise<void>[],
): Promise<void> {
  const client = plane.client(`system:${name}`)
  return new Promise((settle, fail) => {
    let settled = false
    const done = () => {
      settled = true
      settle()
    }
    const timing = plane.core.storage.store.isShared ? sharedTiming : aloneTiming
    const led = leadWithLease(
      { client, name, identity, random: realRandom, signal, timing, standingBy: done },
      async (until, holds) => {
        await lead(client.fenced(holds), until, holds)
        done()
      },
    ).catch((error: unknown) => {
      // Nobody waits for a later failure. As an unhandled rejection it ends the process, and the next one starts over.
      if (settled) throw error
      fail(error)
    })
    leading.push(led)
  })
}
