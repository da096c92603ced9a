// What every cluster has before anybody asks: its namespaces, roles, priority classes, and the service through
// which pods find this server. Made on start where missing, never overwritten where someone changed it.
import { isReason } from '../../base/errors.ts'
import type { AnyKind } from '../../api/kind.ts'
import type { Operation, Serve, User } from '../../api/operation.ts'
import type { Json, JsonObject } from '../../api/schema/node.ts'
import { Endpoints } from '../../kinds/core/endpoints.ts'
import { Namespace } from '../../kinds/core/namespace.ts'
import { Service } from '../../kinds/core/service.ts'
import { EndpointSlice } from '../../kinds/discovery/endpointslice.ts'
import { ServiceCIDR } from '../../kinds/networking/servicecidr.ts'
import { ClusterRole } from '../../kinds/rbac/clusterrole.ts'
import { ClusterRoleBinding } from '../../kinds/rbac/clusterrolebinding.ts'
import { PriorityClass } from '../../kinds/scheduling/priorityclass.ts'
import { formatIP, parseCidr } from '../../api/ip.ts'
import { clusterRoleBindings, clusterRoles } from './roles.ts'

const self: User = { name: 'system:apiserver', groups: ['system:masters'] }

export interface BootstrapOptions {
  serviceCidr: string
  /** Where pods reach this server: the endpoint behind the service `kubernetes`. */
  advertise: { address: string; port: number }
}

/** The first address of the service range: that of the service `kubernetes`. */
export function apiServiceAddress(serviceCidr: string): string {
  const { family, base } = parseCidr(serviceCidr)!
  return formatIP(family, base + 1n)
}

/** Makes what is missing. */
export async function bootstrap(serve: Serve, options: BootstrapOptions): Promise<void> {
  for (const name of ['default', 'kube-system', 'kube-public', 'kube-node-lease'])
    await ensure(serve, Namespace, { metadata: { name } })
  await Promise.all([roles(serve), priorityClasses(serve)])
  await ensure(serve, ServiceCIDR, { metadata: { name: 'kubernetes' }, spec: { cidrs: [options.serviceCidr] } })
  await kubernetesService(serve, options)
}

const bootstrapped = {
  labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults' },
  annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'true' },
}

async function roles(serve: Serve): Promise<void> {
  for (const [name, { rules, labels }] of Object.entries(clusterRoles)) {
    await ensure(serve, ClusterRole, {
      metadata: { name, ...bootstrapped, labels: { ...bootstrapped.labels, ...labels } },
      rules: rules as unknown as Json,
    })
  }
  for (const [name, { role, subjects }] of Object.entries(clusterRoleBindings)) {
    await ensure(serve, ClusterRoleBinding, {
      metadata: { name, ...bootstrapped },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role ?? name },
      subjects: subjects.map(subject => ({ ...subject, apiGroup: 'rbac.authorization.k8s.io' })),
    })
  }
}

async function priorityClasses(serve: Serve): Promise<void> {
  const classes = {
    'system-cluster-critical': [
      2_000_000_000,
      'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.',
    ],
    'system-node-critical': [
      2_000_001_000,
      'Used for system critical pods that must not be moved from their current node.',
    ],
  } as const
  for (const [name, [value, description]] of Object.entries(classes)) {
    await ensure(serve, PriorityClass, {
      metadata: { name },
      value,
      description,
      preemptionPolicy: 'PreemptLowerPriority',
    })
  }
}

async function kubernetesService(serve: Serve, { serviceCidr, advertise }: BootstrapOptions): Promise<void> {
  const labels = { component: 'apiserver', provider: 'kubernetes' }
  const name = 'kubernetes'
  const namespace = 'default'
  await ensure(serve, Service, {
    metadata: { name, namespace, labels },
    spec: {
      type: 'ClusterIP',
      clusterIP: apiServiceAddress(serviceCidr),
      sessionAffinity: 'None',
      ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: advertise.port }],
    },
  })
  const ports = [{ name: 'https', port: advertise.port, protocol: 'TCP' }]
  // The address may have changed since the last start: these two are always rewritten.
  await replace(serve, Endpoints, {
    metadata: { name, namespace, labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } },
    subsets: [{ addresses: [{ ip: advertise.address }], ports }],
  })
  await replace(serve, EndpointSlice, {
    metadata: { name, namespace, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    endpoints: [{ addresses: [advertise.address], conditions: { ready: true } }],
    ports,
  })
}

const operation = (verb: Operation['verb'], kind: AnyKind, object: JsonObject): Operation => {
  const { name = '', namespace = '' } = object.metadata as { name?: string; namespace?: string }
  return {
    verb,
    kind,
    subresource: '',
    namespace,
    name: verb === 'create' ? '' : name,
    user: self,
    options: {},
    userAgent: 'kutter-apiserver',
    body: object,
  }
}

async function ensure(serve: Serve, kind: AnyKind, object: JsonObject): Promise<boolean> {
  try {
    await serve({ ...operation('get', kind, object), options: { resourceVersion: '0' } })
    return false
  } catch (error) {
    if (!isReason(error, 'NotFound')) throw error
  }
  try {
    await serve(operation('create', kind, object))
  } catch (error) {
    // Another server of the same cluster was faster.
    if (!isReason(error, 'AlreadyExists')) throw error
  }
  return true
}

async function replace(serve: Serve, kind: AnyKind, object: JsonObject): Promise<void> {
  if (!(await ensure(serve, kind, object))) await serve(operation('update', kind, object))
}
