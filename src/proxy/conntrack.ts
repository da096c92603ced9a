// Settings of the kernel's table of connections. A connection that one side has closed keeps its place for an hour, since
// the other side may go on to send; without it, those packets would lose the address they are translated to.
// Source: cmd/kube-proxy/app/conntrack.go, and the defaults of KubeProxyConntrackConfiguration.
import { availableParallelism } from 'node:os'
import type { Log } from '../base/log.ts'
import { readKernel, setKernel } from '../linux/index.ts'

const root = 'net/netfilter/nf_conntrack'
const [closeWaitS, establishedS] = [3_600, 86_400]
const [connectionsOfProcessor, fewestConnections] = [32_768, 131_072]

/** Sets them. What cannot be set is logged. */
export async function tuneConntrack(log: Log): Promise<void> {
  await setKernel(`${root}_tcp_timeout_close_wait`, String(closeWaitS), log)
  await setKernel(`${root}_tcp_timeout_established`, String(establishedS), log)
  // A namespace shares the table's size with the machine, which may have chosen a larger one.
  const wanted = Math.max(fewestConnections, connectionsOfProcessor * availableParallelism())
  const has = await readKernel(`${root}_max`)
  if (has !== undefined && Number(has) < wanted) await setKernel(`${root}_max`, String(wanted), log)
}
