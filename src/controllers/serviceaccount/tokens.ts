// Fills Secrets of type kubernetes.io/service-account-token with a token that does not expire, and deletes them with
// their service account. Users create such Secrets; accounts do not get them automatically any more.
// Source: pkg/controller/serviceaccount/tokens_controller.go.
import { legacyIssuer } from '../../kinds/core/legacy-token.ts'
import { Secret } from '../../kinds/core/secret.ts'
import { ServiceAccount } from '../../kinds/core/serviceaccount.ts'
import { type Controller, defineController, watch } from '../harness.ts'

const tokenSecretType = 'kubernetes.io/service-account-token'
const nameAnnotation = 'kubernetes.io/service-account.name'
const uidAnnotation = 'kubernetes.io/service-account.uid'

interface TokenOptions {
  /** Signs claims as a JWT. */
  sign(claims: Record<string, unknown>): string
  /** The certificate of the authority by which pods verify the API server, as PEM. */
  caPem: string
}

export const isTokenSecret = (secret: Secret): boolean => secret.type === tokenSecretType

export const tokenSecretController = ({ sign, caPem }: TokenOptions): Controller =>
  defineController({
    name: 'tokens-controller',
    identity: null,
    reconciles: Secret,
    when: isTokenSecret,
    watches: [
      watch(ServiceAccount, function* (account, caches) {
        for (const { object } of caches(Secret).items(account.metadata.namespace))
          if (isTokenSecret(object) && object.metadata.annotations?.[nameAnnotation] === account.metadata.name)
            yield `${object.metadata.namespace}/${object.metadata.name}`
      }),
    ],
    async reconcile(secret, ctx) {
      const { name = '', namespace = '', annotations = {} } = secret.metadata
      if (!isTokenSecret(secret) || secret.metadata.deletionTimestamp) return
      const account = ctx.cache(ServiceAccount).get(namespace, annotations[nameAnnotation] ?? '')
      const uid = account?.metadata.uid ?? ''
      const isOther = annotations[uidAnnotation] !== undefined && annotations[uidAnnotation] !== uid
      if (!account || isOther) {
        // A Secret may be created before its account. Only one that was bound to an account is deleted.
        if (annotations[uidAnnotation] !== undefined) await ctx.delete(Secret, secret)
        return
      }
      const wanted = { 'ca.crt': base64(caPem), namespace: base64(namespace) }
      const complete =
        secret.data?.token && Object.entries(wanted).every(([key, value]) => secret.data?.[key] === value)
      if (complete && annotations[uidAnnotation] === uid) return
      const token =
        secret.data?.token ?? base64(sign(claimsOf({ namespace, name, account: account.metadata.name ?? '', uid })))
      const metadata = { ...secret.metadata, annotations: { ...annotations, [uidAnnotation]: uid } }
      await ctx.update(Secret, { ...secret, metadata, data: { ...secret.data, ...wanted, token } })
    },
  })

const base64 = (text: string) => Buffer.from(text).toString('base64')

function claimsOf(of: { namespace: string; name: string; account: string; uid: string }): Record<string, unknown> {
  const prefix = 'kubernetes.io/serviceaccount'
  return {
    iss: legacyIssuer,
    [`${prefix}/namespace`]: of.namespace,
    [`${prefix}/secret.name`]: of.name,
    [`${prefix}/service-account.name`]: of.account,
    [`${prefix}/service-account.uid`]: of.uid,
    sub: `system:serviceaccount:${of.namespace}:${of.account}`,
  }
}
