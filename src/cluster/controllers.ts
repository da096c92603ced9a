// Starts the controllers and the scheduler in the server's process.
import type { KeyPair } from '../wire/x509.ts'
import type { ClusterConfig } from './config.ts'
import type { ControlPlane } from './control-plane.ts'
import { keepDnsService } from './dns-service.ts'
import { Node } from '../kinds/core/node.ts'

/** Runs until the signal aborts. */
export async function startControllers(
  plane: ControlPlane,
  config: ClusterConfig,
  _authority: KeyPair,
  signal: AbortSignal,
): Promise<void> {
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
  await keepDnsService(plane.client('system:kube-controller-manager', ['system:masters']), config.dnsAddress, signal)
}
