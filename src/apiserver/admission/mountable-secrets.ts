// Service accounts whose pods can use only the Secrets that the account lists. This is an older way to keep the users
// of an account from the other Secrets of the namespace; an annotation of the account turns it on.
// Source: plugin/pkg/admission/serviceaccount (limitSecretReferences, limitEphemeralContainerSecretReferences).
import type { Pod } from '../../kinds/core/pod.ts'
import type { ServiceAccount } from '../../kinds/core/serviceaccount.ts'

const annotation = 'kubernetes.io/enforce-mountable-secrets'

type Listed = (secret: string) => boolean

/** Why a new pod may not refer to one of its Secrets; undefined if it may refer to all of them. */
export function podSecretProblem({ spec }: Pod, account: ServiceAccount): string | undefined {
  if (!isLimited(account)) return undefined
  const listed = listOf(account)
  for (const { secret } of spec.volumes ?? [])
    if (secret?.secretName && !listed(secret.secretName))
      return `volume with secret.secretName="${secret.secretName}" ${because(account)} secret`
  return (
    containerProblem('init container', spec.initContainers, account, listed) ??
    containerProblem('container', spec.containers, account, listed) ??
    pullSecretProblem(spec, account)
  )
}

/** The same for the ephemeral containers of a running pod. */
export const ephemeralSecretProblem = ({ spec }: Pod, account: ServiceAccount): string | undefined =>
  isLimited(account)
    ? containerProblem('ephemeral container', spec.ephemeralContainers, account, listOf(account))
    : undefined

const isLimited = ({ metadata }: ServiceAccount) =>
  /^(1|t|T|TRUE|true|True)$/.test(metadata.annotations?.[annotation] ?? '')

function listOf({ secrets = [] }: ServiceAccount): Listed {
  const names = new Set(secrets.map(({ name }) => name))
  return name => names.has(name)
}

const because = ({ metadata }: ServiceAccount) =>
  `is not allowed because service account ${metadata.name} does not reference that`

function containerProblem(
  what: string,
  containers: Pod['spec']['containers'] | Pod['spec']['ephemeralContainers'],
  account: ServiceAccount,
  listed: Listed,
): string | undefined {
  for (const { name, env = [], envFrom = [] } of containers ?? []) {
    const refused = (from: string, secret: string | undefined) =>
      secret !== undefined && !listed(secret)
        ? `${what} ${name} with ${from} referencing secret.secretName="${secret}" ${because(account)} secret`
        : undefined
    for (const { name: variable, valueFrom } of env) {
      const why = refused(`envVar ${variable}`, valueFrom?.secretKeyRef?.name)
      if (why) return why
    }
    for (const { secretRef } of envFrom) {
      const why = refused('envFrom', secretRef?.name)
      if (why) return why
    }
  }
  return undefined
}

function pullSecretProblem({ imagePullSecrets = [] }: Pod['spec'], account: ServiceAccount): string | undefined {
  const listed = new Set((account.imagePullSecrets ?? []).map(({ name }) => name))
  const at = imagePullSecrets.findIndex(({ name }) => !listed.has(name))
  return at < 0
    ? undefined
    : `imagePullSecrets[${at}].name="${imagePullSecrets[at]!.name}" ${because(account)} imagePullSecret`
}
