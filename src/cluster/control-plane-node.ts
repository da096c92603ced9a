// Labels the node on which the API server runs, so that `kubectl get nodes` shows its role. Kubelets may not set this
// label on their own Node. Source: kubeadm's mark-control-plane phase.
import { messageOf } from '../base/errors.ts'
import type { Client } from '../client/index.ts'
import { Node } from '../kinds/core/node.ts'

const label = 'node-role.kubernetes.io/control-plane'

/** Sets the label when the Node is created and when the server starts. In between a user may remove it. */
export async function markControlPlane(client: Client, nodeName: string, signal: AbortSignal): Promise<void> {
  const nodes = client.mirror(Node)
  await client.synced([nodes], signal)
  const mark = async () => {
    try {
      await client.patch(Node, { name: nodeName }, 'merge', { metadata: { labels: { [label]: '' } } })
    } catch (error) {
      client.log.warn('cannot label the node of the control plane', { node: nodeName, why: messageOf(error) })
    }
  }
  const stop = nodes.follow(({ type, item: { object } }) => {
    const { name, labels } = object.metadata
    if (type === 'ADDED' && name === nodeName && labels?.[label] === undefined) void mark()
  }, 'label of the control plane')
  signal.addEventListener('abort', stop, { once: true })
}
