// TokenRequest: issues a token of a service account. It is valid for the requested time (an hour by default, and at
// least ten minutes), for the requested audiences, and while the account and the object to which it is bound exist.
// Issued tokens are not stored, so one cannot be revoked except by deleting one of these objects.
// Source: pkg/registry/core/serviceaccount/storage/token.go.
import { StatusError } from '../../base/errors.ts'
import { Item } from '../../api/mirror.ts'
import { timeText } from '../../api/time.ts'
import { invalidError, root } from '../../api/path.ts'
import { TokenRequest } from '../../kinds/authentication/tokenrequest.ts'
import { Node } from '../../kinds/core/node.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { Secret } from '../../kinds/core/secret.ts'
import { ServiceAccount } from '../../kinds/core/serviceaccount.ts'
import { type AnyKind, parseApiVersion } from '../../api/kind.ts'
import { canonical, decodeBody } from '../body.ts'
import { conflict, notFound } from '../errors.ts'
import { placeInNamespace } from '../placement.ts'
import { ownChanges } from '../write.ts'
import { issueToken, type TokenSubject } from '../tokens.ts'
import type { Handler, ServerCore } from '../core.ts'
import type { Mutable } from '../../api/schema/node.ts'

const defaultSeconds = 3600
const minSeconds = 600
const maxSeconds = 2 ** 32

export const createToken: Handler = async (core, operation, warn) => {
  const { storage, clock, tokens, registry } = core
  const request = decodeBody(TokenRequest, operation.body, operation.options, warn) as Mutable<TokenRequest>
  const { namespace, name } = operation
  placeInNamespace({ ...operation, kind: TokenRequest }, request)
  ownChanges(operation, TokenRequest, request, undefined, clock.now())
  await storage.catchUp(operation.signal)
  const account = storage.mirror(ServiceAccount).get(namespace, name)
  if (!account) throw notFound(ServiceAccount, name)
  await registry.admission.validate({ type: 'CREATE', operation, object: request })
  const seconds = request.spec.expirationSeconds ?? defaultSeconds
  const at = root.field('spec', 'expirationSeconds')
  if (seconds < minSeconds)
    throw invalidError(TokenRequest, '', [at.invalid(seconds, 'may not specify a duration less than 10 minutes')])
  if (seconds > maxSeconds)
    throw invalidError(TokenRequest, '', [at.invalid(seconds, 'may not specify a duration larger than 2^32 seconds')])
  const audiences = request.spec.audiences?.length ? request.spec.audiences : tokens.audiences
  const subject: TokenSubject = {
    namespace,
    account: { name, uid: account.metadata.uid ?? '' },
    ...boundTo(core, namespace, request),
  }
  const now = clock.now()
  const token = issueToken(tokens, subject, { audiences, seconds, now, id: registry.random.uuid() })
  const answer = canonical(TokenRequest, {
    ...request,
    metadata: {
      name,
      namespace,
      uid: registry.random.uuid(),
      creationTimestamp: timeText(now),
      ...(request.metadata.managedFields && { managedFields: request.metadata.managedFields }),
    },
    spec: { ...request.spec, audiences, expirationSeconds: seconds },
    status: { token, expirationTimestamp: timeText(now + seconds * 1000) },
  })
  return { type: 'object', kind: TokenRequest, item: new Item(answer, 0), created: true }
}

/**
 * The object to which a token is bound. The token becomes invalid with the object, so the object must exist and have
 * the UID that the client expects.
 */
function boundTo({ storage }: ServerCore, namespace: string, { spec }: TokenRequest): Partial<TokenSubject> {
  const ref = spec.boundObjectRef
  if (!ref) return {}
  const { apiVersion = '', kind: boundKind = '' } = ref
  if (apiVersion !== 'v1' || !['Pod', 'Secret', 'Node'].includes(boundKind)) {
    const { group, version } = parseApiVersion(apiVersion)
    throw new StatusError('BadRequest', `cannot bind token to object of type ${group}/${version}, Kind=${boundKind}`)
  }
  if (!ref.name) throw new StatusError('BadRequest', 'Name parameter required.')
  const find = (kind: AnyKind) => {
    const found = storage.of(kind).mirror.get(kind.namespaced ? namespace : undefined, ref.name!)
    if (!found) throw notFound(kind, ref.name!)
    if (ref.uid && ref.uid !== found.metadata.uid)
      throw conflict(
        { ...kind, plural: kind.kind },
        ref.name!,
        `the UID in the bound object reference (${ref.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
      )
    return { name: ref.name!, uid: found.metadata.uid ?? '' }
  }
  switch (ref.kind) {
    case 'Pod': {
      const pod = find(Pod)
      const nodeName = storage.mirror(Pod).get(namespace, pod.name)?.spec.nodeName
      const node = nodeName && storage.mirror(Node).get(undefined, nodeName)
      return { pod, ...(node && { node: { name: nodeName, uid: node.metadata.uid ?? '' } }) }
    }
    case 'Secret':
      return { secret: find(Secret) }
    default:
      return { node: find(Node) }
  }
}
