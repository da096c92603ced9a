// Where the store of a cluster under chaos is: in memory on a virtual clock (shared-log.ts), or in a real etcd
// (etcd-medium.ts). Servers reach it over connections that fail; a restore replaces all that is in it.
import type { Entry, Revision, Store } from '../../src/store/store.ts'
import type { Era } from './eras.ts'

/** `deaf`: questions arrive, and nothing comes back. */
export type LinkMode = 'open' | 'cut' | 'stalled' | 'deaf'

/** The connection of one life of a server. */
export interface StoreConnection {
  set(mode: LinkMode): void
  /** Cuts it for good. */
  end(): void
  /** Whether what is asked next is done, and its answer is lost. */
  losesAnswers: boolean
}

/** What is restored: the snapshot of an era at a revision, and at which revision the store goes on. */
export type Restore = Pick<Era, 'from' | 'kept' | 'begins'>

export interface Medium {
  /** Opens the store for a life of a server, over a connection of its own. */
  open(server: number): Promise<Store>
  /** The newest connection of a server. */
  link(server: number): StoreConnection | undefined
  /** Whether a server has the store open. */
  readonly isOpen: boolean
  newest(): Promise<Revision>
  /** Replaces all that is there, while no server has it open. */
  replace(entries: readonly Entry[], restore: Restore): Promise<void>
  /** All that was ever written. */
  eras(): Promise<Era[]>
  /** When history is compacted, so much of it is left. */
  readonly leastHistory: number
  /** Lets the time of the cluster's clock go on. */
  pass(ms: number): Promise<void>
  /** Faults of its own, each of which returns what ends it. */
  readonly faults: readonly (readonly [name: string, make: () => () => void])[]
  close(): Promise<void>
}
