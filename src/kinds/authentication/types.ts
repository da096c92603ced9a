// The user info in reviews: name, uid, groups and extra.
import type { Of } from '../../api/kind.ts'
import { list, map, string, struct } from '../../api/schema/build.ts'

export const UserInfo = struct('authentication.v1.UserInfo', 'Attributes of a user, as determined by authentication.', {
  username: string({ proto: 1, doc: 'Name that identifies the user.' }),
  uid: string({ proto: 2, doc: 'Unique identifier of the user over time. May be empty.' }),
  groups: list(string({}), { proto: 3, doc: 'Names of the groups that the user is a member of.' }),
  extra: map(list(string({}), { wrapped: true }), { proto: 4, doc: 'Additional information from the authenticator.' }),
})
export type UserInfo = Of<typeof UserInfo>
