// ServiceAccount: every pod runs as a service account of its namespace, and finds its credentials in a volume.
// Source: plugin/pkg/admission/serviceaccount.
import { nameSuffix, type Random } from '../../base/random.ts'
import type { Mutable } from '../../api/schema/node.ts'
import type { Pod } from '../../kinds/core/pod.ts'
import { ServiceAccount } from '../../kinds/core/serviceaccount.ts'
import type { Volume } from '../../kinds/core/volume.ts'
import { secretsOf } from '../authz/node.ts'
import { forbidden } from '../errors.ts'
import type { Storage } from '../storage.ts'
import { type AdmissionPlugin, isFor } from './chain.ts'
import { isMirrorPod } from './node-rules.ts'

const mountPath = '/var/run/secrets/kubernetes.io/serviceaccount'
const tokenSeconds = 3607

export function serviceAccountAdmission(storage: Storage, random: Random): AdmissionPlugin {
  return {
    name: 'ServiceAccount',
    async mutate(request) {
      if (request.type !== 'CREATE' || !isFor(request, '', 'pods')) return
      const pod = request.object as Mutable<Pod>
      // What runs already must look as it runs.
      if (isMirrorPod(pod)) return
      pod.spec.serviceAccountName ||= 'default'
      pod.spec.serviceAccount = pod.spec.serviceAccountName
      const { kind, namespace, name, signal } = request.operation
      let account = storage.mirror(ServiceAccount).get(namespace, pod.spec.serviceAccountName)
      if (!account) {
        await storage.fresh(signal)
        account = storage.mirror(ServiceAccount).get(namespace, pod.spec.serviceAccountName)
      }
      if (!account) {
        throw forbidden(
          kind,
          name,
          `error looking up service account ${namespace}/${pod.spec.serviceAccountName}: serviceaccount ${JSON.stringify(pod.spec.serviceAccountName)} not found`,
        )
      }
      complete(pod, account, random)
    },
    validate(request) {
      if (request.type !== 'CREATE' || !isFor(request, '', 'pods')) return
      const pod = request.object as Mutable<Pod>
      const why = isMirrorPod(pod) ? mirrorPodProblem(pod) : undefined
      if (why) throw forbidden(request.operation.kind, request.operation.name, why)
    },
  }
}

/** A mirror pod has no rights of its own, whoever creates it. */
function mirrorPodProblem(pod: Pod): string | undefined {
  if (pod.spec.serviceAccountName) return 'a mirror pod may not reference service accounts'
  if (secretsOf(pod).length) return 'a mirror pod may not reference secrets'
  const sources = (pod.spec.volumes ?? []).flatMap(volume => volume.projected?.sources ?? [])
  if (sources.some(source => source.serviceAccountToken))
    return 'a mirror pod may not use ServiceAccountToken volume projections'
  return undefined
}

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
