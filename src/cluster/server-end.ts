// The end of a server while others go on: it gives up what they can take over, and only then stops to answer.
//
//   readyz fails, Leases given up ──► clients sent elsewhere ──► virtual address handed over ──► what is under way, closed
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { cutShort } from '../base/waiters.ts'
import type { Client } from '../client/index.ts'
import { Lease } from '../kinds/coordination/lease.ts'
import { leaseNamespace, virtualLeaseNameOf } from '../kinds/core/service-balancing.ts'
import type { ClusterConfig } from './config.ts'
import type { ControlPlane } from './control-plane.ts'

interface EndOptions {
  plane: Pick<ControlPlane, 'leave'> & {
    readonly core: { readonly storage: { readonly store: { readonly isShared: boolean } } }
    client(name: string, groups: readonly string[]): Pick<Client, 'find'>
  }
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
const closeMs = 2_500
const lookMs = 50

/** A part of the server, and what ends it. */
type Part = readonly [name: string, end: () => Promise<unknown> | undefined]

/** Resolves when others have taken over, or after three seconds. Requests are answered all the while. */
export async function leaveClients(o: EndOptions): Promise<void> {
  const { plane, http, clock, log } = o
  const isShared = plane.core.storage.store.isShared
  if (isShared) http.leave()
  const parts: Part[] = [
    ['controllers', o.controllersEnded],
    ['address', plane.leave],
    ...(isShared ? [['virtual address', () => handedOver(o)] as const] : []),
  ]
  await Promise.all(parts.map(part => ended(part, leaveMs, clock, log)))
}

/**
 * Ends parts in their order, in less than three seconds but for the requests. What has been acknowledged is durable before
 * that, so a part that fails or hangs is left behind, and named in the log.
 */
export async function endParts(parts: readonly Part[], clock: Clock, log: Log): Promise<void> {
  const deadline = clock.steady() + answersMs + closeMs
  for (const part of parts) await ended(part, Math.max(1, deadline - clock.steady()), clock, log)
}

async function ended([name, end]: Part, limitMs: number, clock: Clock, log: Log): Promise<void> {
  try {
    await cutShort(clock, limitMs, new AbortController().signal, async () => end())
  } catch (error) {
    log.warn('a part of the server does not end in order', { part: name, why: messageOf(error) })
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
