// Controllers and scheduler as processes of their own, against any API server that a kubeconfig names; of several
// only the holder of the Lease works.
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { realClock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { realRandom } from '../base/random.ts'
import { accountClients, Client, httpsTransport, leadWithLease } from '../client/index.ts'
import { startControllers } from '../controllers/index.ts'
import { builtinKinds } from '../kinds/all.ts'
import { startScheduler } from '../scheduler/index.ts'
import { readSigningKey, signToken } from '../wire/jwt.ts'
import { durationOption, type OptionSpec, type Parsed, UsageError } from './args.ts'
import { readKubeconfig } from './read-kubeconfig.ts'

/** Named as kube-controller-manager names them. */
export const componentOptions: Readonly<Record<string, OptionSpec>> = {
  kubeconfig: { value: true, help: 'the API server to work for, and as whom' },
  'cluster-cidr': { value: true, help: 'addresses of pods, split over the nodes' },
  'root-ca-file': { value: true, help: 'authority of the API server, given to pods' },
  'cluster-signing-cert-file': { value: true, help: 'authority that signs certificate requests' },
  'cluster-signing-key-file': { value: true, help: 'its key' },
  'service-account-private-key-file': { value: true, help: 'key for tokens in Secrets' },
}

interface ComponentOptions {
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
  await runComponent('kube-controller-manager', options, async ({ client, accounts, signal, log }) => {
    await startControllers({
      reader: client,
      clientFor: accounts,
      clock: realClock,
      random: realRandom,
      log,
      signal,
      kinds: builtinKinds,
      ...(caPem && { caPem }),
      ...(certPem && keyPem && { authority: { certPem, keyPem } }),
      ...(signingKey && { signToken: (claims: Record<string, unknown>) => signToken(signingKey, claims) }),
      ...(clusterCidr && { clusterCidr }),
      ...(grace && { nodeMonitorGraceMs: grace.ms }),
      ...(signing && { certificateLifeMs: signing.ms }),
    })
  })
}

/** Runs the scheduler until the signal aborts. */
export async function runSchedulerAlone(options: ComponentOptions): Promise<void> {
  await runComponent('kube-scheduler', options, async ({ client, signal, log }) => {
    await startScheduler({ client, clock: realClock, random: realRandom, log, signal })
  })
}

interface Component {
  client: Client
  accounts(name: string): Client
  log: Log
  signal: AbortSignal
}

async function runComponent(
  name: string,
  { parsed, log, signal }: ComponentOptions,
  lead: (component: Component) => Promise<void>,
): Promise<void> {
  const file = parsed.options.kubeconfig
  if (!file) throw new UsageError('--kubeconfig is needed: it names the API server to work for')
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
  const identity = `${hostname()}_${realRandom.uuid()}`
  await leadWithLease({ client: clientOf(), name, identity, random: realRandom, signal }, async leading => {
    // Mirrors of the last time this process led are old: a new term begins with new ones.
    const client = clientOf()
    leading.addEventListener('abort', () => client.close(), { once: true })
    const { server, ca } = credentials
    const accounts = accountClients({ root: client, server: { server, ca }, userAgent: name, signal: leading })
    await lead({ client, accounts, log: log.with({ part: name }), signal: leading })
  })
  transport.close()
}
