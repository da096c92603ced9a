// The user as whom the API server makes its own requests. It may do everything. Source: apiserver user.APIServerUser.
import type { User } from '../api/operation.ts'

export const self: User = { name: 'system:apiserver', groups: ['system:masters'] }
