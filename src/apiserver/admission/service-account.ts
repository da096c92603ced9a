// ServiceAccount: every pod runs as a service account of its namespace, `default` unless it names one. The account must
// exist. Its pull secrets are taken over, and a volume with its token is mounted in every container, unless the pod or
// the account turns that off. Source: plugin/pkg/admission/serviceaccount.
import { nameSuffix, type Random } from '../../base/random.ts'
import type { Mutable } from '../../api/schema/node.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { ServiceAccount } from '../../kinds/core/serviceaccount.ts'
import type { Volume } from '../../kinds/core/volume.ts'
import { secretsOf } from '../authz/node.ts'
import { forbidden } from '../errors.ts'
import type { Storage } from '../storage.ts'
import { type AdmissionPlugin, isFor } from './chain.ts'
import { ephemeralSecretProblem, podSecretProblem } from './mountable-secrets.ts'
import { isMirrorPod } from './node-rules.ts'
import type { AdmissionRequest } from './request.ts'

const mountPath = '/var/run/secrets/kubernetes.io/serviceaccount'
/** The extra seven seconds show that a token comes from here, and not from a pod that asks for an hour itself. */
const tokenSeconds = 3607

export function serviceAccountAdmission(storage: Storage, random: Random): AdmissionPlugin {
  return {
    name: 'ServiceAccount',
    async mutate(request) {
      if (request.type !== 'CREATE' || !isFor(request, '', 'pods')) return
      const pod = request.object as Mutable<Pod>
      // A mirror pod shows a pod that is already running, so it is not changed.
      if (!isMirrorPod(pod)) {
        pod.spec.serviceAccountName ||= 'default'
        pod.spec.serviceAccount = pod.spec.serviceAccountName
        complete(pod, await accountOf(storage, request), random)
      }
      await check(storage, request)
    },
    validate: request => check(storage, request),
  }
}

/**
 * Throws Forbidden for an account that does not exist or does not list the pod's Secrets. Called twice: before the
 * rules of the kind, whose errors would come first otherwise, and after all plugins have changed the pod.
 */
async function check(storage: Storage, request: AdmissionRequest): Promise<void> {
  const isNew = request.type === 'CREATE' && isFor(request, '', 'pods')
  const { kind, subresource, name } = request.operation
  if (!isNew && (kind !== Pod || subresource !== 'ephemeralcontainers')) return
  const why = await problemOf(storage, request, isNew)
  if (why) throw forbidden(kind, name, why)
}

async function problemOf(storage: Storage, request: AdmissionRequest, isNew: boolean): Promise<string | undefined> {
  const pod = request.object as Mutable<Pod>
  if (isMirrorPod(pod)) return isNew ? mirrorPodProblem(pod) : undefined
  const account = await accountOf(storage, request)
  return isNew ? podSecretProblem(pod, account) : ephemeralSecretProblem(pod, account)
}

/** The account of the request's pod. Throws Forbidden if it does not exist. */
async function accountOf(storage: Storage, { operation, object }: AdmissionRequest): Promise<ServiceAccount> {
  const { kind, namespace, name, signal } = operation
  const { serviceAccountName = '' } = (object as Mutable<Pod>).spec
  const find = () => storage.mirror(ServiceAccount).get(namespace, serviceAccountName)
  let account = find()
  if (!account) {
    await storage.catchUp(signal)
    account = find()
  }
  if (account) return account
  throw forbidden(
    kind,
    name,
    `error looking up service account ${namespace}/${serviceAccountName}: serviceaccount ${JSON.stringify(serviceAccountName)} not found`,
  )
}

/** Why a mirror pod is refused: no user may create one that refers to an account or a Secret. */
function mirrorPodProblem(pod: Pod): string | undefined {
  if (pod.spec.serviceAccountName) return 'a mirror pod may not reference service accounts'
  if (secretsOf(pod).length) return 'a mirror pod may not reference secrets'
  const sources = (pod.spec.volumes ?? []).flatMap(volume => volume.projected?.sources ?? [])
  if (sources.some(source => source.serviceAccountToken))
    return 'a mirror pod may not use ServiceAccountToken volume projections'
  return undefined
}

/** Takes over the account's pull secrets, and mounts its token where no container mounts something else. */
function complete(pod: Mutable<Pod>, account: ServiceAccount, random: Random): void {
  if (!pod.spec.imagePullSecrets?.length && account.imagePullSecrets?.length)
    pod.spec.imagePullSecrets = account.imagePullSecrets.map(secret => ({ ...secret }))
  if (!(pod.spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true)) return
  const existing = pod.spec.volumes?.find(v => v.name.startsWith('kube-api-access-'))?.name
  const name = existing ?? `kube-api-access-${nameSuffix(random)}`
  let used = false
  for (const container of [...(pod.spec.initContainers ?? []), ...pod.spec.containers]) {
    if (container.volumeMounts?.some(m => m.mountPath === mountPath)) continue
    container.volumeMounts = [...(container.volumeMounts ?? []), { name, readOnly: true, mountPath }]
    used = true
  }
  if (used && !existing) pod.spec.volumes = [...(pod.spec.volumes ?? []), tokenVolume(name)]
}

/** The volume with the account's token, the CA of the API server, and the pod's namespace. */
function tokenVolume(name: string): Mutable<Volume> {
  return {
    name,
    projected: {
      defaultMode: 0o644,
      sources: [
        { serviceAccountToken: { expirationSeconds: tokenSeconds, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        {
          downwardAPI: {
            items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
          },
        },
      ],
    },
  } as Mutable<Volume>
}
