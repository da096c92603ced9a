// Starts the controllers and the scheduler in the server's process.
import type { KeyPair } from '../wire/x509.ts'
import { realRandom } from '../base/random.ts'
import { startControllers as startAll } from '../controllers/index.ts'
import { builtinKinds } from '../kinds/all.ts'
import type { ClusterConfig } from './config.ts'
import type { ControlPlane } from './control-plane.ts'
import { keepDnsService } from './dns-service.ts'
import { Node } from '../kinds/core/node.ts'
import { Pod } from '../kinds/core/pod.ts'
import { Binding } from '../kinds/core/binding.ts'

/** Starts them all; they end with the signal. */
export async function startControllers(
  plane: ControlPlane,
  config: ClusterConfig,
  authority: KeyPair,
  signal: AbortSignal,
): Promise<void> {
  const { core } = plane
  const manager = () => plane.client('system:kube-controller-manager')
  await startAll({
    clientFor: manager,
    clock: core.clock,
    random: realRandom,
    log: core.log,
    signal,
    kinds: builtinKinds,
    caPem: authority.certPem,
    clusterCidr: config.podCidr,
  })
  const c = plane.client('tmp', ['system:masters'])
  c.mirror(Node).subscribe(ch => {
    for (const { item } of ch)
      if (!item.object.spec.podCIDR)
        void c
          .patch(Node, { name: item.object.metadata.name! }, 'merge', {
            spec: { podCIDR: '10.244.0.0/24', podCIDRs: ['10.244.0.0/24'] },
          })
          .catch(() => {})
  })
  c.mirror(Pod).subscribe(ch => {
    for (const { type, item } of ch)
      if (type === 'ADDED' && !item.object.spec.nodeName)
        void c
          .createUnder(
            Pod,
            { namespace: item.object.metadata.namespace!, name: item.object.metadata.name! },
            'binding',
            Binding,
            { target: { kind: 'Node', name: config.nodeName } },
          )
          .catch(() => {})
  })
  await keepDnsService(manager(), config.dnsAddress, signal)
}
