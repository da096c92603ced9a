// The end of a server while others go on: it gives up what they can take over, and only then stops to answer.
//
//   readyz fails, Leases given up ──► clients sent elsewhere ──► virtual address handed over ──► what is under way, closed
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { within } from '../base/waiters.ts'
import { Lease } from '../kinds/coordination/lease.ts'
import { leaseNamespace, virtualLeaseNameOf } from '../kinds/core/service-balancing.ts'
import type { ClusterConfig } from './config.ts'
import type { ControlPlane } from './control-plane.ts'

interface EndOptions {
  plane: ControlPlane
  http: { leave(): void }
  nodeName: string
  config: Pick<ClusterConfig, 'virtualAddress'>
  /** Resolves when the Leases of controllers and scheduler are given up. */
  controllersEnded(): Promise<unknown>
  clock: Clock
  log: Log
}

/** How long others have to take over, and requests under way to be answered. The supervisor waits for 10 s. */
const leaveMs = 3_000
export const answersMs = 4_000
const lookMs = 50

/** Resolves when others have taken over, or after three seconds. Requests are answered all the while. */
export async function leaveClients(o: EndOptions): Promise<void> {
  const { plane, http, clock, log } = o
  const isShared = plane.core.storage.store.isShared
  if (isShared) http.leave()
  const all = Promise.all([o.controllersEnded(), plane.leave(), ...(isShared ? [handedOver(o)] : [])])
  try {
    await within(clock, leaveMs, new AbortController().signal, () => all)
  } catch (error) {
    log.warn('this server ends before others have taken over', { why: messageOf(error) })
  }
}

/** Waits until the node beside this server has handed the virtual address over, which it does when readyz fails. */
async function handedOver({ plane, nodeName, config, clock }: EndOptions): Promise<void> {
  if (!config.virtualAddress) return
  const client = plane.client('kutter', ['system:masters'])
  const lease = { namespace: leaseNamespace, name: virtualLeaseNameOf(nodeName) }
  const deadline = clock.steady() + leaveMs
  while (clock.steady() < deadline && (await client.find(Lease, lease))) await clock.sleep(lookMs)
}
