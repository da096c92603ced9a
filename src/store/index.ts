// The store room: everything durable in a cluster, as bytes under keys. The store is a log. Each write gets the next
// revision, a read is of one revision, and a watch reads on from one. `openEmbeddedStore` keeps the log in a directory
// of this machine, `openEtcdStore` in an etcd that several servers share, `openMemoryStore` only in memory. Read store.ts first, which has the contract, then log-store.ts,
// which implements it over any log.
export { RequirementLost, StoreConflict, tooLarge } from './store.ts'
export type { Change, Entry, Head, PutOptions, Store } from './store.ts'
export { entriesAt } from './pages.ts'
export { openMemoryStore } from './memory.ts'
export { openEmbeddedStore } from './embedded.ts'
export type { EmbeddedOptions } from './embedded.ts'
export { copyToEtcd, openEtcdMembership, openEtcdStore, withMembers } from './etcd/lazy.ts'
export type { EtcdClient, EtcdTls } from './etcd/client.ts'
export type { EtcdPlace } from './etcd/index.ts'
export type { EtcdMembership } from './etcd/members.ts'
export { type EtcdMember, hostPort, type MemberState, quorumOf, quorumProblem } from './etcd/quorum.ts'
export { fillEmbedded, type Salvage, salvage } from './snapshot/fill.ts'
export {
  checkSnapshot,
  saveSnapshot,
  snapshotHead,
  type SnapshotFile,
  snapshotParts,
} from './snapshot/snapshot.ts'
