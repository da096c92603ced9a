// NodeRestriction: with the credentials of a node, only objects of that node can be changed, so that a stolen node does
// not give access to others. Authorization lets nodes write these kinds; this plugin limits which objects and fields:
//
// - its Node, except the labels and taints by which it could attract pods
// - the status of the pods bound to it, and their eviction and deletion
// - mirror pods, which must not refer to a service account, Secret, ConfigMap or claim
// - tokens for pods bound to it, for audiences that the pods or their drivers name
// - its Leases, CSINode and ResourceSlices, certificate requests in its own name, and the progress of resizing a claim
//
// The node is part of the user's name (nodeNameOf). Users that are not nodes are not affected.
// Source: plugin/pkg/admission/noderestriction/admission.go.
import type { TokenRequest } from '../../kinds/authentication/tokenrequest.ts'
import type { CertificateSigningRequest } from '../../kinds/certificates/certificatesigningrequest.ts'
import { Node } from '../../kinds/core/node.ts'
import type { PersistentVolumeClaim } from '../../kinds/core/persistentvolumeclaim.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { leaseNameOf, leaseNamespace, virtualLeaseNameOf } from '../../kinds/core/service-balancing.ts'
import type { ResourceSlice } from '../../kinds/resource/resourceslice.ts'
import { readRequest } from '../../wire/x509.ts'
import type { Authorizer } from '../authz/authorizer.ts'
import { configMapsOf, nodeNameOf, secretsOf } from '../authz/node.ts'
import { forbidden } from '../errors.ts'
import type { Storage } from '../storage.ts'
import type { AdmissionPlugin } from './chain.ts'
import { forbiddenLabels, isMirrorPod } from './node-rules.ts'
import type { AdmissionRequest } from './request.ts'
import { mayRequestAudience } from './token-audience.ts'
import { sameJson } from '../../api/equal.ts'
import type { Mutable } from '../../api/schema/node.ts'

/** A request by a node, and what the rules need to look at. */
interface NodeRequest {
  request: AdmissionRequest
  node: string
  storage: Storage
  authorizer: Authorizer
}

/** Returns why a node may not do this, or undefined if it may. */
type Rule = (request: NodeRequest) => string | undefined | Promise<string | undefined>

/** Rules by group and resource. All subresources of a resource have the same rule. */
const rules: Readonly<Record<string, Rule>> = {
  '/pods': podProblem,
  '/nodes': nodeProblem,
  '/persistentvolumeclaims': claimProblem,
  '/serviceaccounts': tokenProblem,
  'coordination.k8s.io/leases': leaseProblem,
  'storage.k8s.io/csinodes': csiNodeProblem,
  'resource.k8s.io/resourceslices': sliceProblem,
  'certificates.k8s.io/certificatesigningrequests': certificateProblem,
}

export function nodeRestriction(storage: Storage, authorizer: Authorizer): AdmissionPlugin {
  return {
    name: 'NodeRestriction',
    async validate(request) {
      const node = nodeNameOf(request.operation.user)
      if (node === undefined) return
      const { kind, name } = request.operation
      const rule = rules[`${kind.group}/${kind.plural}`]
      const why =
        node === ''
          ? `could not determine node from user ${JSON.stringify(request.operation.user.name)}`
          : await rule?.({ request, node, storage, authorizer })
      if (why) throw forbidden(kind, name, why)
    },
  }
}

function podProblem(asked: NodeRequest): string | undefined {
  const { operation } = asked.request
  switch (operation.subresource) {
    case '':
      return podItselfProblem(asked)
    case 'status':
      return podStatusProblem(asked)
    case 'eviction': {
      const pod = asked.storage.mirror(Pod).get(operation.namespace, operation.name)
      if (pod?.spec.nodeName === asked.node) return undefined
      return `node ${asked.node} can only evict pods with spec.nodeName set to itself`
    }
    default:
      return `unexpected pod subresource ${JSON.stringify(operation.subresource)}, only 'status' and 'eviction' are allowed`
  }
}

function podItselfProblem({ request, node, storage }: NodeRequest): string | undefined {
  if (request.type === 'CREATE') return mirrorPodProblem(request.object as Mutable<Pod>, node, storage)
  if (request.type !== 'DELETE')
    return `unexpected operation "${request.type}", node "${node}" can only create and delete mirror pods`
  if ((request.old as Pod | undefined)?.spec.nodeName === node) return undefined
  return `node "${node}" can only delete pods with spec.nodeName set to itself`
}

function mirrorPodProblem(pod: Pod, node: string, storage: Storage): string | undefined {
  if (!isMirrorPod(pod))
    return `pod does not have "kubernetes.io/config.mirror" annotation, node "${node}" can only create mirror pods`
  if (pod.spec.nodeName !== node) return `node "${node}" can only create pods with spec.nodeName set to itself`
  return ownerProblem(pod, node, storage) ?? referenceProblem(pod, node)
}

function ownerProblem({ metadata }: Pod, node: string, storage: Storage): string | undefined {
  const owners = metadata.ownerReferences ?? []
  const only = `node "${node}" can only create pods with`
  if (owners.length > 1) return `${only} a single owner reference set to itself`
  const [owner] = owners
  if (owner?.apiVersion !== 'v1' || owner.kind !== 'Node' || owner.name !== node)
    return `${only} an owner reference set to itself`
  if (!owner.controller) return `${only} a controller owner reference set to itself`
  if (owner.blockOwnerDeletion) return `node "${node}" must not set blockOwnerDeletion on an owner reference`
  const found = storage.mirror(Node).get(undefined, node)
  if (!found) return `node ${node} not found`
  if (owner.uid === found.metadata.uid) return undefined
  return `node ${node} UID mismatch: expected ${found.metadata.uid} got ${owner.uid}`
}

/**
 * Nodes may read what their pods refer to. A mirror pod is created by the node itself, so it must not refer to
 * anything; otherwise a node could give itself access to any Secret.
 */
function referenceProblem(pod: Pod, node: string): string | undefined {
  const volumes = pod.spec.volumes ?? []
  const sources = volumes.flatMap(volume => volume.projected?.sources ?? [])
  const references: readonly (readonly [boolean, string])[] = [
    [!!pod.spec.serviceAccountName, 'a service account'],
    [secretsOf(pod).length > 0, 'secrets'],
    [configMapsOf(pod).length > 0, 'configmaps'],
    [volumes.some(volume => volume.persistentVolumeClaim || volume.ephemeral), 'persistentvolumeclaims'],
    [sources.some(source => source.clusterTrustBundle), 'clustertrustbundles'],
    [sources.some(source => source.podCertificate), 'podcertificates'],
    [(pod.spec.resourceClaims?.length ?? 0) > 0, 'resourceclaims'],
  ]
  const found = references.find(([refers]) => refers)
  return found && `node "${node}" can not create pods that reference ${found[1]}`
}

function podStatusProblem({ request, node }: NodeRequest): string | undefined {
  if (request.type !== 'UPDATE') return `unexpected operation "${request.type}"`
  const old = request.old as Pod
  const next = request.object as Mutable<Pod>
  if (old.spec.nodeName !== node)
    return `node "${node}" can only update pod status for pods with spec.nodeName set to itself`
  if (!sameJson(next.metadata.labels ?? {}, old.metadata.labels ?? {}))
    return `node "${node}" cannot update labels through pod status`
  if (!sameJson(next.status.resourceClaimStatuses ?? [], old.status.resourceClaimStatuses ?? []))
    return `node "${node}" cannot update resource claim statues`
  if (!sameJson(next.status.extendedResourceClaimStatus, old.status.extendedResourceClaimStatus))
    return `node "${node}" cannot update extended resource claim status`
  return undefined
}

function nodeProblem({ request, node }: NodeRequest): string | undefined {
  const { type, operation } = request
  const name = type === 'CREATE' ? (request.object?.metadata.name ?? '') : operation.name
  if (name !== node) return `node "${node}" is not allowed to modify node "${name}"`
  const next = request.object as Mutable<Node> | undefined
  const old = request.old as Node | undefined
  if (!next) return undefined
  const wrong = forbiddenLabels(old?.metadata.labels, next.metadata.labels).join(', ')
  if (type === 'CREATE') {
    if (next.spec.configSource) return `node "${node}" is not allowed to create pods with a non-nil configSource`
    return wrong ? `node "${node}" is not allowed to set the following labels: ${wrong}` : undefined
  }
  if (next.spec.configSource && !sameJson(next.spec.configSource, old?.spec.configSource))
    return `node "${node}" is not allowed to update configSource to a new non-nil configSource`
  if (!sameJson(next.spec.taints ?? [], old?.spec.taints ?? [])) return `node "${node}" is not allowed to modify taints`
  if (wrong) return `is not allowed to modify labels: ${wrong}`
  if (!sameJson(next.metadata.ownerReferences ?? [], old?.metadata.ownerReferences ?? []))
    return `node "${node}" is not allowed to modify ownerReferences`
  return undefined
}

/** A node may only report the progress of resizing a claim's volume. */
function claimProblem({ request, node }: NodeRequest): string | undefined {
  if (request.operation.subresource !== 'status') return 'may only update PVC status'
  if (request.type !== 'UPDATE') return `unexpected operation "${request.type}"`
  const rest = (claim: PersistentVolumeClaim) => {
    const {
      capacity: _c,
      conditions: _d,
      allocatedResources: _a,
      allocatedResourceStatuses: _s,
      ...status
    } = claim.status
    const { resourceVersion: _r, managedFields: _m, ...metadata } = claim.metadata
    return { ...claim, metadata, status }
  }
  const [next, old] = [request.object as Mutable<PersistentVolumeClaim>, request.old as PersistentVolumeClaim]
  if (sameJson(rest(next), rest(old))) return undefined
  return `node "${node}" is not allowed to update fields other than status.quantity and status.conditions`
}

async function tokenProblem({ request, node, storage, authorizer }: NodeRequest): Promise<string | undefined> {
  if (request.type !== 'CREATE' || request.operation.subresource !== 'token') return undefined
  const { spec } = request.object as Mutable<TokenRequest>
  const ref = spec.boundObjectRef
  if (ref?.apiVersion !== 'v1' || ref.kind !== 'Pod' || !ref.name) return 'node requested token not bound to a pod'
  if (!ref.uid) return 'node requested token with a pod binding without a uid'
  const pod = storage.mirror(Pod).get(request.operation.namespace, ref.name)
  if (!pod) return `pod ${JSON.stringify(ref.name)} not found`
  if (pod.metadata.uid !== ref.uid)
    return `the UID in the bound object reference (${ref.uid}) does not match the UID in record. The object might have been deleted and then recreated`
  if (pod.spec.nodeName !== node) return 'node requested token bound to a pod scheduled on a different node'
  if ((spec.audiences?.length ?? 0) > 1) return 'node may only request 0 or 1 audiences'
  const audience = spec.audiences?.[0] ?? ''
  const { user } = request.operation
  if (await mayRequestAudience({ storage, authorizer, user, pod, audience })) return undefined
  return `audience ${JSON.stringify(audience)} not found in pod spec volume`
}

function leaseProblem({ request, node }: NodeRequest): string | undefined {
  const { namespace } = request.operation
  const own = [leaseNameOf(node), virtualLeaseNameOf(node)]
  if (namespace === leaseNamespace && own.includes(nameOf(request))) return undefined
  if (namespace !== 'kube-node-lease') return 'can only access leases in the "kube-node-lease" system namespace'
  if (nameOf(request) !== node) return 'can only access node lease with the same name as the requesting node'
  return undefined
}

function csiNodeProblem({ request, node }: NodeRequest): string | undefined {
  return nameOf(request) === node ? undefined : 'can only access CSINode with the same name as the requesting node'
}

function sliceProblem({ request, node }: NodeRequest): string | undefined {
  const slice = (request.type === 'CREATE' ? request.object : request.old) as ResourceSlice | undefined
  if (slice?.spec.nodeName === node) return undefined
  const verb = { CREATE: 'create', UPDATE: 'update', DELETE: 'delete', CONNECT: 'connect to' }[request.type]
  return `can only ${verb} ResourceSlice with the same NodeName as the requesting node`
}

/** Signers whose certificates authenticate a node. */
const nodeSigners = ['kubernetes.io/kubelet-serving', 'kubernetes.io/kube-apiserver-client-kubelet']

async function certificateProblem({ request }: NodeRequest): Promise<string | undefined> {
  if (request.type !== 'CREATE') return undefined
  const { spec } = request.object as Mutable<CertificateSigningRequest>
  if (!nodeSigners.includes(spec.signerName ?? '')) return undefined
  const { commonName } = await readRequest(Buffer.from(spec.request ?? '', 'base64').toString()).catch(() => ({
    commonName: undefined,
  }))
  if (commonName === undefined) return 'unable to parse csr'
  const { name } = request.operation.user
  return commonName === name ? undefined : `can only create a node CSR with CN=${name}`
}

const nameOf = ({ type, object, operation }: AdmissionRequest): string =>
  type === 'CREATE' ? (object?.metadata.name ?? '') : operation.name
