// The label by which `kubectl get nodes` shows that the API server runs on a node. A kubelet may not set it on itself.
// Source: kubeadm's mark-control-plane phase.
import { messageOf } from '../base/errors.ts'
import type { Client } from '../client/index.ts'
import { Node } from '../kinds/core/node.ts'

const label = 'node-role.kubernetes.io/control-plane'

/** Labels the node when it comes, and when the server starts; in between, its label is the user's to remove. */
export async function markControlPlane(client: Client, nodeName: string, signal: AbortSignal): Promise<void> {
  const nodes = client.mirror(Node)
  await client.synced([nodes], signal)
  const mark = async () => {
    try {
      await client.patch(Node, { name: nodeName }, 'merge', { metadata: { labels: { [label]: '' } } })
    } catch (error) {
      client.log.warn('the node of the control plane is not labelled', { node: nodeName, why: messageOf(error) })
    }
  }
  const stop = nodes.follow(({ type, item: { object } }) => {
    const { name, labels } = object.metadata
    if (type === 'ADDED' && name === nodeName && labels?.[label] === undefined) void mark()
  }, 'label of the control plane')
  signal.addEventListener('abort', stop, { once: true })
}
