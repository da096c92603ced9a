// A PUT or an apply that creates an object needs the right to create it, and not only the right to change it.
// Source: apiserver pkg/endpoints/handlers/update.go (withAuthorization).
import type { Authorizer } from '../authz/authorizer.ts'
import { authorize } from '../authz/authorize.ts'
import type { AdmissionPlugin } from './chain.ts'

export function createOnUpdate(authorizer: Authorizer): AdmissionPlugin {
  return {
    name: 'CreateOnUpdate',
    mutate({ type, operation }) {
      if (type === 'CREATE' && (operation.verb === 'update' || operation.verb === 'patch'))
        return authorize({ authorizer }, { ...operation, verb: 'create' })
      return undefined
    },
  }
}
