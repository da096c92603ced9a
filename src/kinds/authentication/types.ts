// Who a user is, as reviews tell it.
import type { Of } from '../../api/kind.ts'
import { list, map, string, struct } from '../../api/schema/build.ts'

export const UserInfo = struct('authentication.v1.UserInfo', '', {
  username: string({ proto: 1 }),
  uid: string({ proto: 2 }),
  groups: list(string({}), { proto: 3 }),
  extra: map(list(string({}), { wrapped: true }), { proto: 4 }),
})
export type UserInfo = Of<typeof UserInfo>
