// The members of an etcd as its client sees them, and whether enough of them answer. Pure.

export interface EtcdMember {
  /** In hexadecimal digits, as etcdctl prints it. */
  readonly id: string
  /** Empty for one that was added and has not started yet. */
  readonly name: string
  readonly peerUrls: readonly string[]
  readonly clientUrls: readonly string[]
  /** Whether it only follows the others and has no vote yet. */
  readonly isLearner: boolean
}

export interface MemberState extends EtcdMember {
  /** Whether it answers, and whether it follows a leader. */
  readonly answers: boolean
  readonly hasLeader: boolean
  readonly isLeader: boolean
  readonly sizeBytes: number
  /** What it reports to be wrong, or why it does not answer. */
  readonly problem?: string
}

/** `host:port` of a URL of a member. */
export const hostPort = (url: string): string => url.replace(/^[a-z]+:\/\//, '').replace(/\/+$/, '')

/** How many of so many members with a vote have to answer. */
export const quorumOf = (voters: number): number => Math.floor(voters / 2) + 1

/** Why the members cannot take writes, in one sentence; undefined when they can. Pure. */
export function quorumProblem(
  members: readonly Pick<MemberState, 'name' | 'isLearner' | 'answers' | 'hasLeader'>[],
): string | undefined {
  const voters = members.filter(({ isLearner }) => !isLearner)
  const answering = voters.filter(({ answers }) => answers)
  const needed = quorumOf(voters.length)
  if (answering.length < needed) {
    const silent = voters.filter(({ answers }) => !answers).map(({ name }) => name || 'one that has not started')
    const verb = answering.length === 1 ? 'answers' : 'answer'
    return `${answering.length} of ${voters.length} etcd members ${verb}; ${needed} are needed to write. Silent: ${silent.join(', ')}`
  }
  if (!answering.some(({ hasLeader }) => hasLeader)) return 'the etcd members have no leader yet'
  return undefined
}
