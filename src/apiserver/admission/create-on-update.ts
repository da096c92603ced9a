// Who makes an object with a PUT or an apply must be allowed to make it, not only to change it.
// Source: apiserver pkg/endpoints/handlers/update.go (withAuthorization).
import type { Authorizer } from '../authz/authorizer.ts'
import { authorize } from '../authz/authorize.ts'
import type { AdmissionPlugin } from './chain.ts'

export function createOnUpdate(authorizer: Authorizer): AdmissionPlugin {
  return {
    name: 'CreateOnUpdate',
    mutate({ type, operation }) {
      if (type === 'CREATE' && (operation.verb === 'update' || operation.verb === 'patch'))
        authorize({ authorizer }, { ...operation, verb: 'create' })
    },
  }
}
