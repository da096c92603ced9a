// Where users of bearer tokens come from that are not the cluster's own: a file, or a server that is asked.
import type { User } from '../../api/operation.ts'

export interface TokenSource {
  /** The user of a token; undefined for one that is not of this source. Rejects when it cannot be decided. */
  userOf(token: string): Promise<User | undefined>
}

/** The user of the first source that has one. A source that fails does not keep the others from being asked. */
export async function userOfToken(sources: readonly TokenSource[], token: string): Promise<User | undefined> {
  for (const source of sources) {
    const user = await source.userOf(token).catch(() => undefined)
    if (user) return withAuthenticated(user)
  }
  return undefined
}

/** Source: apiserver pkg/authentication/group/authenticated_group_adder.go. */
export const withAuthenticated = (user: User): User => ({
  ...user,
  groups: [...new Set([...user.groups, 'system:authenticated'])],
})
