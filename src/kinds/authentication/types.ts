// Who a user is, as reviews tell it.
import type { Of } from '../../api/kind.ts'
import { list, map, string, struct } from '../../api/schema/build.ts'

export const UserInfo = struct('authentication.v1.UserInfo', 'A client, as the server knows it.', {
  username: string({ proto: 1, doc: 'Name of the user.' }),
  uid: string({ proto: 2, doc: 'UID of the user, if there is one.' }),
  groups: list(string({}), { proto: 3, doc: 'Groups that the user is in.' }),
  extra: map(list(string({}), { wrapped: true }), { proto: 4, doc: 'Further values from whoever signed the user in.' }),
})
export type UserInfo = Of<typeof UserInfo>
