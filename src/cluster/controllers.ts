// Starts the controllers and the scheduler in the server's process.
import { realRandom } from '../base/random.ts'
import { startControllers as startAll } from '../controllers/index.ts'
import { parseDuration } from '../api/time.ts'
import { builtinKinds } from '../kinds/all.ts'
import { startScheduler } from '../scheduler/index.ts'
import type { KeyPair } from '../wire/x509.ts'
import { publishClusterInfo } from './cluster-info.ts'
import type { ClusterConfig } from './config.ts'
import type { ControlPlane } from './control-plane.ts'
import { keepDnsService } from './dns-service.ts'
import { hostAddresses } from './machine.ts'

/** Starts them all; they end with the signal. */
export async function startControllers(
  plane: ControlPlane,
  config: ClusterConfig,
  authority: KeyPair,
  signal: AbortSignal,
): Promise<void> {
  const { core } = plane
  const common = { clock: core.clock, random: realRandom, signal }
  const manager = () => plane.client('system:kube-controller-manager')
  await startAll({
    ...common,
    reader: manager(),
    clientFor: plane.accountClient,
    log: core.log.with({ part: 'controllers' }),
    kinds: builtinKinds,
    caPem: authority.certPem,
    authority,
    signToken: plane.signToken,
    clusterCidr: config.podCidr,
    ...(config.nodeMonitorGracePeriod && {
      nodeMonitorGraceMs: parseDuration(config.nodeMonitorGracePeriod)! / 1e6,
    }),
  })
  await startScheduler({
    ...common,
    client: plane.client('system:kube-scheduler'),
    log: core.log.with({ part: 'scheduler' }),
  })
  const admin = plane.client('kutter', ['system:masters'])
  await publishClusterInfo(admin, `https://${hostAddresses()[0] ?? '127.0.0.1'}:${config.port}`, authority.certPem)
  await keepDnsService(manager(), config.dnsAddress, signal)
}
