// The node authorizer: a node may read the pods bound to it and the objects that those pods use, and write its own Node
// and Lease. Which fields it may change is checked by admission (../admission/node-restriction.ts).
//
// - A node may read a Secret, ConfigMap, claim or volume while a pod bound to it refers to the object. When the last
//   such pod is gone, the right is gone. It is computed from the mirrors at each request; nothing is cached.
// - It announces addresses of load balancers, so it may also write the Lease for that which has its name.
// - It serves Ingresses, so it may also read the Secrets that one of those names which are of the cluster's own class.
// - It serves Gateways, so it may also read the Secrets that listeners of the cluster's own class name, in the namespace of
//   the Gateway or by a ReferenceGrant.
// - It may read these objects one by one. A list or watch is allowed only with a selector on one name.
// - It only allows. For everything else the next authorizer is asked.
//
// Source: plugin/pkg/auth/authorizer/node; kubernetes.io/docs/reference/access-authn-authz/node.
import { PersistentVolume } from '../../kinds/core/persistentvolume.ts'
import { PersistentVolumeClaim } from '../../kinds/core/persistentvolumeclaim.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { leaseNameOf, leaseNamespace, virtualLeaseNameOf } from '../../kinds/core/service-balancing.ts'
import { claimNamesOf } from '../../kinds/resource/claim-use.ts'
import { ownGateways } from '../../kinds/gateway/attachment.ts'
import { Gateway } from '../../kinds/gateway/gateway.ts'
import { GatewayClass } from '../../kinds/gateway/gatewayclass.ts'
import { secretsOfGateway } from '../../kinds/gateway/grants.ts'
import { ReferenceGrant } from '../../kinds/gateway/referencegrant.ts'
import { isServed, secretsOfIngress } from '../../kinds/networking/ingress-serving.ts'
import { Ingress } from '../../kinds/networking/ingress.ts'
import { IngressClass } from '../../kinds/networking/ingressclass.ts'
import type { Storage } from '../storage.ts'
import type { AccessRequest, Decision, InstantAuthorizer } from './authorizer.ts'

const no: Decision = { allowed: false, reason: '' }
const yes: Decision = { allowed: true, reason: '' }
const nodePrefix = 'system:node:'

/** The name of the node, if the user is one: it must have the name of a node and be in the group of nodes. */
export function nodeNameOf(user: AccessRequest['user']): string | undefined {
  return user.groups.includes('system:nodes') && user.name.startsWith(nodePrefix)
    ? user.name.slice(nodePrefix.length)
    : undefined
}

export function nodeAuthorizer(storage: Storage): InstantAuthorizer {
  const podsOn = (node: string) => storage.mirror(Pod).byIndex('node', pod => [pod.spec.nodeName ?? ''], node)
  return {
    authorize(request) {
      const node = nodeNameOf(request.user)
      if (node === undefined || request.path !== undefined) return no
      return decide(request, node, podsOn, storage)
    },
  }
}

const readVerbs = ['get', 'list', 'watch']
/** The only subresources that a node may use. A right to an object is not a right to its other subresources. */
const subresources = new Set([
  'nodes/status',
  'pods/status',
  'pods/eviction',
  'persistentvolumeclaims/status',
  'serviceaccounts/token',
])

function decide(request: AccessRequest, node: string, podsOn: (node: string) => Pod[], storage: Storage): Decision {
  const { group, resource, subresource, verb, name, namespace } = request
  if (subresource && !subresources.has(`${resource}/${subresource}`)) return no
  const inNamespace = () => podsOn(node).filter(pod => pod.metadata.namespace === namespace)
  /** For kinds of which a node may read single objects, and only those that are related to it. */
  const related = (isRelated: (name: string) => boolean): Decision => {
    if (!name) return { allowed: false, reason: 'No Object name found' }
    if (isRelated(name)) return yes
    return { allowed: false, reason: `no relationship found between node '${node}' and this object` }
  }
  switch (`${group}/${resource}`) {
    case '/secrets':
    case '/configmaps': {
      if (!readVerbs.includes(verb)) return { allowed: false, reason: 'can only read resources of this type' }
      const uses = resource === 'secrets' ? secretsOf : configMapsOf
      const isUsed = (used: string) => inNamespace().some(pod => uses(pod).includes(used))
      const isOther = (secret: string) =>
        isVolumeSecret(storage, podsOn(node), secret) || isServingSecret(storage, secret)
      return related(used => isUsed(used) || (resource === 'secrets' && isOther(`${namespace}/${used}`)))
    }
    case '/persistentvolumeclaims':
      if (!mayDoToClaims(verb, subresource))
        return { allowed: false, reason: 'can only get individual resources of this type, and update their status' }
      return related(claim => inNamespace().some(pod => claimsOf(pod).includes(claim)))
    case '/persistentvolumes':
      if (verb !== 'get') return { allowed: false, reason: 'can only get individual resources of this type' }
      return related(volume => podsOn(node).some(pod => volumesOf(pod, storage).includes(volume)))
    case 'resource.k8s.io/resourceclaims':
      if (verb !== 'get') return { allowed: false, reason: 'can only get individual resources of this type' }
      return related(claim => inNamespace().some(pod => claimNamesOf(pod).includes(claim)))
    case 'resource.k8s.io/resourceslices':
      return mayDoToSlices(request, node) ? yes : no
    case '/serviceaccounts':
      if (subresource === 'token' && verb === 'create')
        return inNamespace().some(pod => pod.spec.serviceAccountName === name) ? yes : no
      return verb === 'get' ? yes : no
    case '/nodes':
      if (verb === 'create' || readVerbs.includes(verb)) return yes
      return name === node && (verb === 'update' || verb === 'patch') ? yes : no
    case '/pods':
      if (verb === 'get' && subresource === '')
        return related(pod => inNamespace().some(({ metadata }) => metadata.name === pod))
      if (readVerbs.includes(verb) && subresource === '') return yes
      if (subresource === 'status') return verb === 'patch' || verb === 'update' ? yes : no
      if (subresource === 'eviction') return verb === 'create' ? yes : no
      return subresource === '' && (verb === 'create' || verb === 'delete') ? yes : no
    case '/services':
      return readVerbs.includes(verb) ? yes : no
    case '/events':
    case 'events.k8s.io/events':
      return ['create', 'update', 'patch'].includes(verb) ? yes : no
    case 'coordination.k8s.io/leases':
      return mayUseLease(request, node) ? yes : no
    case 'authentication.k8s.io/tokenreviews':
    case 'authorization.k8s.io/subjectaccessreviews':
    case 'authorization.k8s.io/localsubjectaccessreviews':
      return verb === 'create' ? yes : no
    case 'certificates.k8s.io/certificatesigningrequests':
      return ['create', ...readVerbs].includes(verb) ? yes : no
    case 'storage.k8s.io/csinodes':
      return name === node || verb === 'create' ? yes : no
    case 'certificates.k8s.io/clustertrustbundles':
    case 'node.k8s.io/runtimeclasses':
    case 'storage.k8s.io/csidrivers':
    case 'storage.k8s.io/volumeattachments':
      return readVerbs.includes(verb) ? yes : no
    default:
      return no
  }
}

/** A node renews its own Lease, and that for load balancing, which it creates by name: no other one can be created. */
function mayUseLease({ verb, namespace, name }: AccessRequest, node: string): boolean {
  if (namespace === leaseNamespace) return [leaseNameOf(node), virtualLeaseNameOf(node)].includes(name)
  return namespace === 'kube-node-lease' && (verb === 'create' || name === node)
}

/** A node publishes the devices of its drivers. Admission checks that slices are its own. It may read and delete slices only if it selects its own. */
function mayDoToSlices({ verb, fieldSelector = '' }: AccessRequest, node: string): boolean {
  if (['get', 'create', 'update', 'patch', 'delete'].includes(verb)) return true
  const own = fieldSelector.split(',').includes(`spec.nodeName=${node}`)
  return own && ['list', 'watch', 'deletecollection'].includes(verb)
}

/** A node reads claims, and writes how far the growth of their volumes has come. */
const mayDoToClaims = (verb: string, subresource: string) =>
  verb === 'get' || (subresource === 'status' && (verb === 'patch' || verb === 'update'))

const containersOf = (pod: Pod) => [
  ...(pod.spec.containers ?? []),
  ...(pod.spec.initContainers ?? []),
  ...(pod.spec.ephemeralContainers ?? []),
]
const present = (names: (string | undefined)[]) => names.filter((name): name is string => !!name)

/** The names of the claims that a pod mounts, including those made for its ephemeral volumes. */
const claimsOf = ({ metadata, spec }: Pod) =>
  present(
    (spec.volumes ?? []).map(v => (v.ephemeral ? `${metadata.name}-${v.name}` : v.persistentVolumeClaim?.claimName)),
  )

/** The names of the volumes to which a pod's claims are bound. */
const volumesOf = (pod: Pod, storage: Storage) =>
  present(
    claimsOf(pod).map(name => storage.mirror(PersistentVolumeClaim).get(pod.metadata.namespace, name)?.spec.volumeName),
  )

/** The keys of the Secrets that a driver needs for a volume on nodes. Those for its controller are none of a node's. */
const driverSecretsOf = (volume: PersistentVolume | undefined): string[] => {
  const { nodeStageSecretRef, nodePublishSecretRef, nodeExpandSecretRef } = volume?.spec.csi ?? {}
  return [nodeStageSecretRef, nodePublishSecretRef, nodeExpandSecretRef].flatMap(ref =>
    ref?.name ? [`${ref.namespace}/${ref.name}`] : [],
  )
}

const ingressSecrets = (ingress: Ingress) =>
  secretsOfIngress(ingress).map(name => `${ingress.metadata.namespace}/${name}`)

/** Whether a driver needs a Secret for a volume of one of these pods, which may be in any namespace. */
const isVolumeSecret = (storage: Storage, pods: readonly Pod[], secret: string): boolean =>
  pods
    .flatMap(pod => volumesOf(pod, storage))
    .some(volume => driverSecretsOf(storage.mirror(PersistentVolume).get(undefined, volume)).includes(secret))

const isServingSecret = (storage: Storage, secret: string): boolean =>
  isIngressSecret(storage, secret) || isGatewaySecret(storage, secret)

/** Whether an Ingress that the nodes serve names a Secret, which is in its namespace. */
function isIngressSecret(storage: Storage, secret: string): boolean {
  const classes = storage.mirror(IngressClass)
  return storage
    .mirror(Ingress)
    .byIndex('secrets', ingressSecrets, secret)
    .some(ingress => isServed(ingress, className => classes.get(undefined, className)))
}

/** Whether a listener of a Gateway that the nodes serve has its certificate in a Secret, and may have it. */
function isGatewaySecret(storage: Storage, secret: string): boolean {
  if (![Gateway, GatewayClass, ReferenceGrant].every(kind => storage.has(kind))) return false
  const name = secret.slice(secret.indexOf('/') + 1)
  const gateways = storage.mirror(Gateway).byIndex('certificates', certificateNames, name)
  if (!gateways.length) return false
  const classes = storage.mirror(GatewayClass).list()
  const grants = storage.mirror(ReferenceGrant).list()
  return ownGateways({ classes, gateways }).some(one => secretsOfGateway(one, grants).includes(secret))
}

const certificateNames = ({ spec }: Gateway) =>
  spec.listeners.flatMap(({ tls }) => (tls?.certificateRefs ?? []).map(({ name }) => name))

/** The names of the Secrets to which a pod refers. */
export function secretsOf(pod: Pod): string[] {
  return present([
    ...(pod.spec.imagePullSecrets ?? []).map(ref => ref.name),
    ...containersOf(pod).flatMap(c => [
      ...(c.env ?? []).map(e => e.valueFrom?.secretKeyRef?.name),
      ...(c.envFrom ?? []).map(e => e.secretRef?.name),
    ]),
    ...(pod.spec.volumes ?? []).flatMap(v => [
      v.secret?.secretName,
      ...(v.projected?.sources ?? []).map(s => s.secret?.name),
      v.csi?.nodePublishSecretRef?.name,
      v.azureFile?.secretName,
      v.cephfs?.secretRef?.name,
      v.flexVolume?.secretRef?.name,
      v.iscsi?.secretRef?.name,
      v.rbd?.secretRef?.name,
      v.scaleIO?.secretRef?.name,
      v.storageos?.secretRef?.name,
    ]),
  ])
}

/** The names of the ConfigMaps to which a pod refers. */
export function configMapsOf(pod: Pod): string[] {
  return present([
    ...containersOf(pod).flatMap(c => [
      ...(c.env ?? []).map(e => e.valueFrom?.configMapKeyRef?.name),
      ...(c.envFrom ?? []).map(e => e.configMapRef?.name),
    ]),
    ...(pod.spec.volumes ?? []).flatMap(v => [
      v.configMap?.name,
      ...(v.projected?.sources ?? []).map(s => s.configMap?.name),
    ]),
  ])
}
