// Brings a member of the cluster's own etcd to the address that its machine has now. The other members look for it where
// the list of members has it, and its program listens where it was started. A server that starts, as it also does when
// its machine gets another address, compares both with the present address, until all agree:
//
//   same address at two looks ──► list differs: MemberUpdate through any member that answers
//                             ──► program listens elsewhere: it ends, and the supervisor starts it at the new address
//
// Without a quorum the list cannot change. The program is started at the new address all the same: it reaches the others
// from there, which may be what the quorum lacks. Members that all move at once do not find each other any more.
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { type EtcdMember, type EtcdMembership, withMembers } from '../store/index.ts'
import type { ClusterConfig, ClusterPaths } from './config.ts'
import { membersHere, ownEndpoints, peerUrlOf } from './etcd-member.ts'
import { ownEtcdTls } from './etcd-pki.ts'
import { endEtcd, listensAt } from './etcd-process.ts'

const lookMs = 2_000

/** The server of which a member is, and what it works with. */
export interface MemberOptions {
  config: ClusterConfig
  /** The node beside which the server runs. */
  nodeName: string
  paths: ClusterPaths
  clock: Clock
  log: Log
  signal: AbortSignal
}

interface Seen {
  /** The URL at which others reach this machine. */
  readonly wanted: string
  /** The same at the look before. */
  readonly before: string | undefined
  /** Where its program listens; undefined while it does not run. */
  readonly listens: string | undefined
  /** The member in the list of members, which may be that of one that is behind. */
  readonly listed: Pick<EtcdMember, 'id' | 'peerUrls'> | undefined
}

interface AddressPlan {
  /** The id of the member whose address in the list is to change. */
  readonly update?: string
  readonly restart?: true
  /** Whether all agree. */
  readonly isDone: boolean
}

/** What is to be done about a member's address. Pure. */
export function planAddress({ wanted, before, listens, listed }: Seen): AddressPlan {
  // A machine without a network has no address that others could use, and one that is changing may have another soon.
  if (isLoopback(wanted) || wanted !== before) return { isDone: false }
  const isListed = listed?.peerUrls.join() === wanted
  return {
    ...(listed && !isListed && { update: listed.id }),
    ...(listens !== undefined && listens !== wanted && { restart: true }),
    isDone: isListed && listens === wanted,
  }
}

const isLoopback = (url: string): boolean => /^127\.|^\[::1\]$|^localhost$/.test(new URL(url).hostname)

/** Carries the plan out until all agree, or the signal aborts. The certificate must be for the new address already. */
export async function settleAddress(o: MemberOptions): Promise<void> {
  const { config, nodeName, paths, clock, log, signal } = o
  if (!membersHere(config).some(({ name }) => name === nodeName)) return
  let before: string | undefined
  let problem = ''
  while (!signal.aborted) {
    const wanted = peerUrlOf(config, nodeName)
    try {
      if (await withMembers(ownEtcdTls(paths), membership => step(o, membership, wanted, before))) return
      problem = ''
    } catch (error) {
      const why = messageOf(error)
      if (why !== problem) log.warn('the address of the etcd member here cannot be changed yet', { wanted, why })
      problem = why
    }
    before = wanted
    await clock.sleep(lookMs, signal).catch(() => {})
  }
}

/** One look, and what follows from it. Returns whether all agree. */
async function step(
  { config, nodeName, paths, clock, log }: MemberOptions,
  membership: EtcdMembership,
  wanted: string,
  before: string | undefined,
): Promise<boolean> {
  // That of this machine comes last: while the others do not reach it, it cannot carry anything out.
  const endpoints = ownEndpoints(config, paths).reverse()
  const listens = await listensAt(paths, nodeName)
  const members = await membership.list(endpoints).catch(() => [])
  const listed = members.find(({ name }) => name === nodeName)
  const { update, restart, isDone } = planAddress({ wanted, before, listens, listed })
  try {
    if (update !== undefined) {
      log.info('the machine has another address, and its etcd member changes it', {
        from: listed?.peerUrls,
        to: wanted,
      })
      await membership.update(endpoints, update, wanted)
    }
  } finally {
    if (restart) {
      log.info('the etcd member starts again at another address', { from: listens, to: wanted })
      await endEtcd(paths, clock, nodeName)
    }
  }
  return isDone
}
