// /var/lib/kubelet, as drivers name it. Their manifests and the paths in their calls say /var/lib/kubelet, and several
// nodes of one machine cannot share that directory. So on each node this name stands for the node's own directory: it is
// replaced in the hostPath volumes of pods, and in what drivers are asked and answer.
//
//   on the node                        in a driver's container
//   NODE/plugins_registry        ◀──▶  whatever its manifest mounts hostPath /var/lib/kubelet/plugins_registry to
//   NODE/plugins/DRIVER/csi.sock ◀──▶  /var/lib/kubelet/plugins/DRIVER/csi.sock, as it registers
//   NODE/pods/UID/volumes/…      ◀──▶  /var/lib/kubelet/pods/UID/volumes/…, as it is called
//
// See docs/decisions/kubelet-directory.md.
import { join, normalize } from 'node:path'

const kubeletDir = '/var/lib/kubelet'

const isBelow = (path: string, dir: string) => path === dir || path.startsWith(`${dir}/`)

/** The path on the node of a path that a pod or driver gave: one below /var/lib/kubelet is below `nodeDir`. */
export function onNode(path: string, nodeDir: string): string {
  const plain = normalize(path)
  return isBelow(plain, kubeletDir) ? join(nodeDir, plain.slice(kubeletDir.length)) : path
}

/** The name that drivers have for a path below `nodeDir`. */
export const forDrivers = (path: string, nodeDir: string): string =>
  isBelow(path, nodeDir) ? join(kubeletDir, path.slice(nodeDir.length)) : path
