// Adds a member to the cluster's own etcd, and removes one.
//
//   add as a learner ──▶ start it ──▶ it has caught up: promote ──▶ its server starts
//        │                  │                  │
//        └──────────────────┴──── failed ──────┴──▶ stop it, remove it
//
// A learner has no vote, so one that never starts costs the cluster nothing. What fails leaves the members as they were.
import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import { type EtcdMember, type EtcdMembership, type MemberState, quorumOf, quorumProblem } from '../store/index.ts'

interface NewMember {
  membership: EtcdMembership
  /** `host:port` of members that are there. */
  endpoints: readonly string[]
  name: string
  peerUrl: string
  /** Starts its program, so that it joins these members, `NAME=URL,…`. */
  start(cluster: string): Promise<void>
  /** Why it cannot go on, once it has been started; undefined while it runs. */
  failed(): string | undefined
  /** Ends it and removes its data. Called when it could not join. */
  undo(): Promise<void>
  clock: Clock
}

/** etcd takes another member only after the last one has been connected for five seconds, and a learner has to catch up. */
const patienceMs = 60_000
const pauseMs = 250

/** Returns the id of the new member. Throws an Error that states why it could not join; nothing is left then. */
export async function addMember(o: NewMember): Promise<string> {
  const { membership, endpoints, name, peerUrl, clock } = o
  const before = await membership.states(endpoints)
  const refusal = whyNotAdd(before, name, peerUrl)
  if (refusal) throw new Error(refusal)
  const leftover = before.find(member => !member.name && member.peerUrls.includes(peerUrl))
  if (leftover) await membership.remove(endpoints, leftover.id)
  const { id, members } = await repeat(clock, 'the etcd takes no further member', () =>
    membership.addLearner(endpoints, peerUrl),
  )
  try {
    await o.start(initialCluster(members, { id, name }))
    await repeat(clock, `the etcd member ${name} does not catch up`, () => {
      const failure = o.failed()
      if (failure !== undefined) throw new Error(failure)
      return membership.promote(endpoints, id)
    })
    return id
  } catch (error) {
    await o.undo()
    await membership.remove(endpoints, id)
    throw error
  }
}

/** Why a member cannot be added, in one sentence; undefined when it can. Pure. */
export function whyNotAdd(members: readonly MemberState[], name: string, peerUrl: string): string | undefined {
  if (members.some(member => member.name === name))
    return `the etcd has a member ${name} already; remove it first with: kutter member remove ${name}`
  const other = members.find(member => member.name && member.peerUrls.includes(peerUrl))
  if (other) return `the etcd member ${other.name} has the address ${peerUrl} already`
  return quorumProblem(members)
}

/** `NAME=URL,…` of members that have started, and of the new one, as `--initial-cluster` takes it. Pure. */
export const initialCluster = (
  members: readonly EtcdMember[],
  added: { readonly id: string; readonly name: string },
): string =>
  members
    .map(member => ({ ...member, name: member.id === added.id ? added.name : member.name }))
    .filter(({ name }) => name)
    .flatMap(({ name, peerUrls }) => peerUrls.map(url => `${name}=${url}`))
    .join(',')

/** Why a member may not be removed, in one sentence; undefined when it may. Pure. */
export function whyNotRemove(members: readonly MemberState[], name: string): string | undefined {
  const member = members.find(one => one.name === name)
  if (!member) return `the etcd has no member ${name}; it has: ${members.map(one => one.name || one.id).join(', ')}`
  const lost = quorumProblem(members)
  if (lost) return `no member can be removed while a quorum is lost: ${lost}`
  if (member.isLearner) return undefined
  const left = members.filter(one => one !== member && !one.isLearner)
  if (!left.length) return `${name} is the only member of the etcd, and has all objects of the cluster`
  const answering = left.filter(({ answers }) => answers).length
  const needed = quorumOf(left.length)
  if (answering >= needed) return undefined
  return `without ${name}, ${answering} of ${left.length} etcd members would answer, and ${needed} are needed; bring the others back first`
}

/** Tries again while etcd refuses for a reason that passes. */
async function repeat<T>(clock: Clock, what: string, attempt: () => Promise<T>): Promise<T> {
  const deadline = clock.steady() + patienceMs
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      const text = messageOf(error)
      const passes =
        /unhealthy cluster|not enough started members|too many learner|in sync with leader|leader changed|no leader|timed out|UNAVAILABLE|Unavailable|DeadlineExceeded/.test(
          text,
        )
      if (!passes || clock.steady() > deadline) throw new Error(`${what}: ${text}`, { cause: error })
      await clock.sleep(pauseMs)
    }
  }
}
