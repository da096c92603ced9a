// Reads static pods from a text: completes them as the API server would, names them after their node, and refuses what
// is no pod or refers to objects of the API, which the node could not read for it. Pure.
// Source: kubernetes pkg/kubelet/config/common.go.
import { createHash } from 'node:crypto'
import { messageOf } from '../../base/errors.ts'
import { parseYaml } from '../../base/yaml-file.ts'
import type { Draft } from '../../api/kind.ts'
import { decode } from '../../api/schema/decode.ts'
import type { Mutable } from '../../api/schema/node.ts'
import { timeText } from '../../api/time.ts'
import { validateObject } from '../../api/validate.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { hashAnnotation, seenAnnotation, sourceAnnotation } from '../admission/critical.ts'
import { allContainers, qosOf } from '../pod/spec.ts'

/** A file, or the answer of a URL. */
export interface StaticDocument {
  /** Its path or URL, which no other document has. */
  source: string
  kind: 'file' | 'http'
  text: string
}

interface ReadPods {
  pods: readonly Pod[]
  /** Why the document has no pods, or not all. */
  problems: readonly string[]
}

/** The most pods of one document. */
const maxPods = 200

/** The pods in a document: a Pod, or a list of them. */
export function readStaticPods(document: StaticDocument, nodeName: string, now: number): ReadPods {
  const { source, text } = document
  const pods: Pod[] = []
  const problems: string[] = []
  try {
    for (const draft of draftsIn(parseYaml(text, source)).slice(0, maxPods)) {
      const pod = complete(draft, document, nodeName, now)
      const problem = problemOf(pod)
      if (problem === undefined) pods.push(pod)
      else problems.push(`${source}: ${problem}`)
    }
  } catch (error) {
    problems.push(messageOf(error))
  }
  return { pods, problems }
}

function draftsIn(value: unknown): unknown[] {
  const { kind, apiVersion, items } = (value ?? {}) as { kind?: unknown; apiVersion?: unknown; items?: unknown }
  if (apiVersion !== 'v1' || (kind !== 'Pod' && kind !== 'PodList' && kind !== 'List'))
    throw new Error(`must be a Pod or a list of pods of v1, not ${JSON.stringify([kind, apiVersion])}`)
  if (kind === 'Pod') return [value]
  return Array.isArray(items) ? items : []
}

function complete(draft: unknown, { source, kind }: StaticDocument, nodeName: string, now: number): Pod {
  const pod = decode(Pod.schema, { ...(draft as Draft<Pod>), kind: 'Pod', apiVersion: 'v1' }, { defaults: true })
  Pod.defaults?.(pod)
  const { metadata, spec } = pod
  metadata.uid ??= uidFor(pod, kind === 'file' ? `host:${nodeName}file:${source}` : `url:${source}`)
  metadata.name = `${metadata.name ?? ''}-${nodeName.toLowerCase()}`
  metadata.namespace ||= 'default'
  metadata.creationTimestamp = timeText(now)
  spec.nodeName = nodeName
  metadata.annotations = {
    ...metadata.annotations,
    [hashAnnotation]: metadata.uid,
    [seenAnnotation]: timeText(now),
    [sourceAnnotation]: kind,
  }
  // A static pod has no owner that would replace it elsewhere, so that taints do not end it.
  spec.tolerations = [...(spec.tolerations ?? []), { operator: 'Exists', effect: 'NoExecute' }]
  pod.status = { phase: 'Pending', qosClass: qosOf(pod) }
  return pod
}

/** The same document on the same node gives the same uid, so that a new kubelet finds the pod that runs. */
function uidFor(pod: Mutable<Pod>, where: string): string {
  return createHash('md5').update(where).update(JSON.stringify(pod)).digest('hex')
}

/** A uid becomes the name of directories and control groups. */
const uidPattern = /^[0-9A-Za-z-]{1,63}$/

function problemOf(pod: Pod): string | undefined {
  if (!uidPattern.test(pod.metadata.uid ?? '')) return `metadata.uid: ${JSON.stringify(pod.metadata.uid)} is no uid`
  const reference = referenceIn(pod)
  if (reference !== undefined) return `static pods may not reference ${reference}`
  const [problem] = validateObject(Pod, pod)
  return problem && `${problem.field}: ${problem.body}`
}

/** What a pod refers to in the API. Source: kubernetes pkg/api/v1/pod/util.go (HasAPIObjectReference). */
function referenceIn(pod: Pod): string | undefined {
  const { spec } = pod
  const containers = allContainers(pod)
  const env = containers.flatMap(container => container.env ?? [])
  const envFrom = containers.flatMap(container => container.envFrom ?? [])
  const volumes = spec.volumes ?? []
  const sources = volumes.flatMap(({ projected }) => projected?.sources ?? [])
  const found: readonly (readonly [boolean, string])[] = [
    [!!spec.serviceAccountName, 'serviceaccounts'],
    [(spec.imagePullSecrets?.length ?? 0) > 0, 'secrets'],
    [env.some(({ valueFrom }) => valueFrom?.secretKeyRef) || envFrom.some(from => from.secretRef), 'secrets'],
    [env.some(({ valueFrom }) => valueFrom?.configMapKeyRef) || envFrom.some(from => from.configMapRef), 'configmaps'],
    [volumes.some(({ secret }) => secret) || sources.some(({ secret }) => secret), 'secrets'],
    [volumes.some(({ configMap }) => configMap) || sources.some(({ configMap }) => configMap), 'configmaps'],
    [sources.some(({ serviceAccountToken }) => serviceAccountToken), 'serviceaccounts'],
    [sources.some(({ clusterTrustBundle }) => clusterTrustBundle), 'clustertrustbundles'],
    [volumes.some(volume => volume.persistentVolumeClaim || volume.ephemeral), 'persistentvolumeclaims'],
    [(spec.resourceClaims?.length ?? 0) > 0, 'resourceclaims'],
  ]
  return found.find(([refers]) => refers)?.[1]
}
