// What the rest of the program uses of etcd. The client needs libraries that take a tenth of a second to load, so they
// are loaded when the first is used.
import type * as Etcd from './index.ts'
import type { EtcdTls } from './client.ts'
import type { EtcdMembership } from './members.ts'

/** Opens the store. Throws ServiceUnavailable when no member answers. */
export const openEtcdStore: typeof Etcd.openEtcdStore = async options =>
  (await import('./index.ts')).openEtcdStore(options)

/** Replaces the store by entries of another one. No server may have it open. */
export const copyToEtcd: typeof Etcd.copyToEtcd = async (...of) => (await import('./index.ts')).copyToEtcd(...of)

/** Connections to the members, to ask and change them. Without `tls` they are spoken to in the clear. */
export const openEtcdMembership = async (tls: EtcdTls | undefined): Promise<EtcdMembership> =>
  new (await import('./members.ts')).EtcdMembership(tls)

/** Runs `work` with the members, and closes the connections to them in any case. */
export async function withMembers<T>(
  tls: EtcdTls | undefined,
  work: (membership: EtcdMembership) => Promise<T>,
): Promise<T> {
  const membership = await openEtcdMembership(tls)
  try {
    return await work(membership)
  } finally {
    membership.close()
  }
}
