// Runs the controllers or the scheduler as a process of its own, against any API server that a kubeconfig names. When
// several run, only the holder of the Lease works; the others stand by.
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { realClock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { realRandom } from '../base/random.ts'
import { withJoined } from '../base/waiters.ts'
import {
  accountClients,
  Client,
  followKinds,
  type Holds,
  httpsTransport,
  type HttpsTransport,
  type LeaderTiming,
  leadWithLease,
} from '../client/index.ts'
import { startControllers } from '../controllers/index.ts'
import { builtinKinds } from '../kinds/all.ts'
import { defaultConfig, loadSchedulerConfig, startScheduler } from '../scheduler/index.ts'
import { readSigningKey, signToken } from '../wire/jwt.ts'
import { durationOption, type Parsed, UsageError } from './args.ts'
import { publishedSharing } from './load-balancing.ts'
import { readKubeconfig } from './read-kubeconfig.ts'
import { directoriesOf } from './storage.ts'

const kubeletMs = 30_000

export interface ComponentOptions {
  parsed: Parsed
  log: Log
  signal: AbortSignal
}

/** Runs the controllers until the signal aborts. */
export async function runControllerManager(options: ComponentOptions): Promise<void> {
  const { parsed } = options
  const file = (name: string) => (parsed.options[name] ? readFileSync(parsed.options[name], 'utf8') : undefined)
  const [certPem, keyPem] = [file('cluster-signing-cert-file'), file('cluster-signing-key-file')]
  const caPem = file('root-ca-file')
  const tokenKey = file('service-account-private-key-file')
  const signingKey = tokenKey === undefined ? undefined : readSigningKey(tokenKey)
  const clusterCidr = parsed.options['cluster-cidr']
  const grace = durationOption(parsed, 'node-monitor-grace-period')
  const signing = durationOption(parsed, 'cluster-signing-duration')
  await runComponent('kube-controller-manager', options, async ({ client, accounts, fetch, signal, log }) => {
    const sharing = await publishedSharing(client)
    await startControllers({
      reader: client,
      clientFor: accounts,
      clock: realClock,
      random: realRandom,
      log,
      signal,
      kinds: await followKinds(client, builtinKinds, fetch, signal),
      // A kubelet is asked by way of the API server, which has the credentials for it.
      directories: directoriesOf((node, path, method) =>
        withJoined([signal, AbortSignal.timeout(kubeletMs)], until =>
          fetch(`/api/v1/nodes/${encodeURIComponent(node)}/proxy${path}`, until, method),
        ),
      ),
      ...(caPem && { caPem }),
      ...(certPem && keyPem && { authority: { certPem, keyPem } }),
      ...(signingKey && { signToken: (claims: Record<string, unknown>) => signToken(signingKey, claims) }),
      ...(clusterCidr && { clusterCidr }),
      ...(grace && { nodeMonitorGraceMs: grace.ms }),
      ...(signing && { certificateLifeMs: signing.ms }),
      ...sharing,
    })
  })
}

/** Runs the scheduler until the signal aborts. */
export async function runSchedulerAlone(options: ComponentOptions): Promise<void> {
  const file = options.parsed.options.config
  const config = file === undefined ? defaultConfig : await loadSchedulerConfig(file)
  const { kubeconfig, leaderElection } = config.process
  const { leaseDurationMs: leaseMs, renewDeadlineMs: renewMs, retryPeriodMs: retryMs } = leaderElection
  const election = leaderElection.leaderElect && {
    lease: leaderElection.resourceName,
    timing: { leaseMs, renewMs, retryMs },
  }
  await runComponent('kube-scheduler', { ...options, kubeconfig, election }, async ({ client, signal, log }) => {
    await startScheduler({ client, clock: realClock, random: realRandom, log, signal, config })
  })
}

interface Component {
  client: Client
  fetch: HttpsTransport['fetch']
  accounts(name: string): Client
  log: Log
  signal: AbortSignal
}

/** The Lease that names the leader, and the timing by which leadership changes hands. */
interface Election {
  lease: string
  timing: LeaderTiming
}

async function runComponent(
  name: string,
  options: ComponentOptions & { kubeconfig?: string; election?: Election | false },
  lead: (component: Component) => Promise<void>,
): Promise<void> {
  const { parsed, log, signal } = options
  const file = parsed.options.kubeconfig || options.kubeconfig
  if (!file) throw new UsageError('--kubeconfig is required: it names the API server and the credentials to use')
  const credentials = readKubeconfig(file)
  const transport = httpsTransport(() => credentials)
  const clientOf = () =>
    new Client({
      serve: transport.serve,
      user: { name: '', groups: [] },
      userAgent: name,
      clock: realClock,
      log: log.with({ part: name }),
    })
  const work = async (leading: AbortSignal, holds: Holds) => {
    // Mirrors from an earlier term as leader are out of date, so each term gets a client with new ones.
    const client = clientOf()
    leading.addEventListener('abort', () => client.close(), { once: true })
    const { server, ca } = credentials
    const accounts = accountClients({ root: client, server: { server, ca }, userAgent: name, signal: leading })
    await lead({
      client: client.fenced(holds),
      accounts: account => accounts(account).fenced(holds),
      fetch: transport.fetch,
      log: log.with({ part: name }),
      signal: leading,
    })
  }
  if (options.election === false) {
    await work(signal, () => true)
    await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
  } else {
    const { lease = name, timing } = options.election ?? {}
    const identity = `${hostname()}_${realRandom.uuid()}`
    const candidate = { client: clientOf(), name: lease, identity, random: realRandom, signal }
    await leadWithLease({ ...candidate, ...(timing && { timing }) }, work)
  }
  transport.close()
}
