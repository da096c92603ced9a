// The objects that every cluster has from the start: its namespaces, roles and bindings, priority classes, flow
// schemas, and the Service `kubernetes` through which pods reach the API server.
//
// - Missing objects are created when the server starts. The Service and the namespaces are also restored while it runs,
//   every ten seconds.
// - An object that exists is not overwritten, so changes by users stay. There are two exceptions: a default role gets
//   the rules that it lacks, unless its annotation turns that off; and the endpoints of the Service `kubernetes` always
//   get the present address of the server, or those of all servers that share the store.
// - Several servers may do this at the same time. A creation that finds the object already there counts as done.
// - Everything goes through `serve` as the superuser `system:apiserver`, so admission and the rules of kinds apply.
//
// Source: pkg/controlplane, pkg/registry/rbac/rest.
import type { Clock } from '../../base/clock.ts'
import { isReason, messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { sameJson } from '../../api/equal.ts'
import type { AnyKind } from '../../api/kind.ts'
import type { Serve } from '../../api/operation.ts'
import { asJson, type Json, type JsonObject } from '../../api/schema/node.ts'
import { ConfigMap } from '../../kinds/core/configmap.ts'
import { Endpoints } from '../../kinds/core/endpoints.ts'
import { Namespace } from '../../kinds/core/namespace.ts'
import { Service } from '../../kinds/core/service.ts'
import { EndpointSlice } from '../../kinds/discovery/endpointslice.ts'
import { ServiceCIDR } from '../../kinds/networking/servicecidr.ts'
import { FlowSchema } from '../../kinds/flowcontrol/flowschema.ts'
import { PriorityLevelConfiguration } from '../../kinds/flowcontrol/prioritylevelconfiguration.ts'
import { ClusterRole } from '../../kinds/rbac/clusterrole.ts'
import { ClusterRoleBinding } from '../../kinds/rbac/clusterrolebinding.ts'
import { Role } from '../../kinds/rbac/role.ts'
import { RoleBinding } from '../../kinds/rbac/rolebinding.ts'
import { PriorityClass } from '../../kinds/scheduling/priorityclass.ts'
import { headerSettings } from '../aggregation/identity.ts'
import { type FrontProxy, frontProxyName } from '../aggregation/target.ts'
import { formatIP, ipFamily, parseCidr } from '../../api/ip.ts'
import { namespacedRoles } from './controller-roles.ts'
import { dayText, trackingMap } from '../../kinds/core/legacy-token.ts'
import { flowSchemas, priorityLevels } from './flow-control.ts'
import { account, aggregateTo, clusterRoleBindings, clusterRoles, group, user } from './roles.ts'
import { ensure, operation, replace } from './objects.ts'
import { ServerLeases } from './server-leases.ts'

interface BootstrapOptions {
  clock: Clock
  /** The ranges of Services, at most one of each family, the default family's first. */
  serviceCidrs: readonly string[]
  /** The address and port at which pods reach this server: the endpoint of the Service `kubernetes`. */
  advertise: { address: string; port: number }
  /** PEM of the authority of users' certificates, and of that of front proxies, for extension servers. */
  clientCa?: string
  frontProxy?: Pick<FrontProxy, 'ca'>
}

/** The first address of the service range, which the Service `kubernetes` has. */
export function apiServiceAddress(serviceCidr: string): string {
  const { family, base } = parseCidr(serviceCidr)!
  return formatIP(family, base + 1n)
}

/**
 * Creates what is missing. Throws on any other failure.
 * @param leases of the servers that share the store; undefined for a server alone
 */
export async function bootstrap(serve: Serve, options: BootstrapOptions, leases?: ServerLeases): Promise<void> {
  await systemNamespaces(serve)
  await Promise.all([roles(serve), priorityClasses(serve), flowControl(serve)])
  await ensure(serve, ServiceCIDR, { metadata: { name: 'kubernetes' }, spec: { cidrs: [...options.serviceCidrs] } })
  await ensure(serve, ConfigMap, {
    metadata: { name: trackingMap, namespace: 'kube-system' },
    data: { since: dayText(options.clock.now()) },
  })
  await extensionAuthentication(serve, options)
  await kubernetesService(serve, options, leases)
}

const keepEveryMs = 10_000

/**
 * Restores, every ten seconds, what the cluster needs and a user may have deleted: the Service `kubernetes` with its
 * endpoints, the system namespaces, and what extension servers need to recognize their callers. A failure is logged. Source: pkg/controlplane/controller/kubernetesservice,
 * systemnamespaces.
 * @returns a function that stops this, and takes the server's address back where others go on
 */
export function keepEssentials(
  serve: Serve,
  options: BootstrapOptions,
  log: Log,
  leases?: ServerLeases,
): () => Promise<void> {
  const { clock } = options
  const keep = async () => {
    try {
      await systemNamespaces(serve)
      await kubernetesService(serve, options, leases)
      await extensionAuthentication(serve, options)
    } catch (error) {
      log.warn('cannot restore the Service kubernetes, trying again', { why: messageOf(error) })
    }
    again()
  }
  let cancel = () => {}
  let round = Promise.resolve()
  let isStopped = false
  const again = () => {
    if (!isStopped) cancel = clock.after(keepEveryMs, () => void (round = keep()))
  }
  again()
  return async () => {
    isStopped = true
    cancel()
    await round
    try {
      const others = await leases?.release()
      if (others?.length) await serverEndpoints(serve, options, others)
    } catch (error) {
      log.warn('cannot give up the address', { why: messageOf(error) })
    }
  }
}

async function systemNamespaces(serve: Serve): Promise<void> {
  for (const name of ['default', 'kube-system', 'kube-public', 'kube-node-lease'])
    await ensure(serve, Namespace, { metadata: { name } })
}

const bootstrapped = {
  labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults' },
  annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'true' },
}

const roleRef = (kind: string, name: string) => ({ apiGroup: 'rbac.authorization.k8s.io', kind, name })

async function roles(serve: Serve): Promise<void> {
  const made = Object.entries(clusterRoles).map(([name, { rules, labels, aggregates }]) =>
    ensureRules(serve, ClusterRole, {
      metadata: { name, ...bootstrapped, labels: { ...bootstrapped.labels, ...labels } },
      ...(aggregates && {
        aggregationRule: { clusterRoleSelectors: [{ matchLabels: { [aggregateTo(aggregates)]: 'true' } }] },
      }),
      rules: asJson(rules),
    }),
  )
  const bound = Object.entries(clusterRoleBindings).map(([name, { role, subjects }]) =>
    ensure(serve, ClusterRoleBinding, {
      metadata: { name, ...bootstrapped },
      roleRef: roleRef('ClusterRole', role ?? name),
      ...(subjects.length && { subjects: asJson(subjects) }),
    }),
  )
  await Promise.all([...made, ...bound, ...rolesWithin(serve)])
}

function rolesWithin(serve: Serve): Promise<unknown>[] {
  return Object.entries(namespacedRoles).flatMap(([namespace, inside]) =>
    Object.entries(inside).flatMap(([name, { rules, binding = name, ...whom }]) => {
      const metadata = { name, namespace, ...bootstrapped }
      const subjects = [
        ...(whom.users ?? []).map(user),
        ...(whom.accounts ?? []).map(account),
        ...(whom.group ? [group(whom.group)] : []),
      ]
      const role = ensureRules(serve, Role, { metadata, rules: asJson(rules) })
      if (!subjects.length) return [role]
      return [
        role,
        ensure(serve, RoleBinding, {
          metadata: { ...metadata, name: binding },
          roleRef: roleRef('Role', name),
          subjects: asJson(subjects),
        }),
      ]
    }),
  )
}

/** Like `ensure`, but a role that exists gets the rules that it lacks, unless its annotation turns that off. */
async function ensureRules(serve: Serve, kind: AnyKind, object: JsonObject): Promise<void> {
  if (await ensure(serve, kind, object)) return
  const result = await serve({ ...operation('get', kind, object), options: { resourceVersion: '0' } })
  if (result.type !== 'object') return
  const stored = asJson(result.item.object) as JsonObject & {
    rules?: Json[]
    metadata: { annotations?: JsonObject }
  }
  if (stored.metadata.annotations?.['rbac.authorization.kubernetes.io/autoupdate'] !== 'true') return
  const has = new Set((stored.rules ?? []).map(rule => JSON.stringify(rule)))
  // Stored rules have their fields in the order of the schema, so the default ones are compared in that order.
  const missing = (object.rules as Json[]).filter(rule => !has.has(JSON.stringify(inOrder(rule as JsonObject))))
  if (!missing.length || object.aggregationRule) return
  await serve(operation('update', kind, { ...stored, rules: [...(stored.rules ?? []), ...missing] } as JsonObject))
}

const ruleFields = ['verbs', 'apiGroups', 'resources', 'resourceNames', 'nonResourceURLs']
const inOrder = (rule: JsonObject) =>
  Object.fromEntries(ruleFields.filter(field => field in rule).map(field => [field, rule[field]!]))

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

async function flowControl(serve: Serve): Promise<void> {
  const metadata = (name: string) => ({ name, annotations: { 'apf.kubernetes.io/autoupdate-spec': 'true' } })
  for (const [kind, specs] of [
    [PriorityLevelConfiguration, priorityLevels],
    [FlowSchema, flowSchemas],
  ] as const)
    await Promise.all(
      Object.entries(specs).map(([name, spec]) => ensure(serve, kind, { metadata: metadata(name), spec })),
    )
}

const serviceTries = 20
const serviceRetryMs = 250

async function kubernetesService(
  serve: Serve,
  { serviceCidrs, advertise, clock }: BootstrapOptions,
  leases: ServerLeases | undefined,
): Promise<void> {
  const labels = { component: 'apiserver', provider: 'kubernetes' }
  const name = 'kubernetes'
  const namespace = 'default'
  const service = {
    metadata: { name, namespace, labels },
    spec: {
      type: 'ClusterIP',
      clusterIP: apiServiceAddress(serviceCidrs[0]!),
      sessionAffinity: 'None',
      ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: advertise.port }],
    },
  }
  // Another server that starts at the same time may have claimed the address, for the same Service.
  for (let tries = 1; ; tries++)
    try {
      await ensure(serve, Service, service)
      break
    } catch (error) {
      if (!leases || !isReason(error, 'Invalid') || tries === serviceTries) throw error
      await clock.sleep(serviceRetryMs)
    }
  await serverEndpoints(serve, { advertise }, (await leases?.keep()) ?? [advertise.address])
}

/** Writes the addresses of the servers, which may have changed since the last start. */
async function serverEndpoints(
  serve: Serve,
  { advertise }: Pick<BootstrapOptions, 'advertise'>,
  addresses: readonly string[],
): Promise<void> {
  const [name, namespace] = ['kubernetes', 'default']
  const ports = [{ name: 'https', port: advertise.port, protocol: 'TCP' }]
  await replace(serve, Endpoints, {
    metadata: { name, namespace, labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } },
    subsets: [{ addresses: addresses.map(ip => ({ ip })), ports }],
  })
  await replace(serve, EndpointSlice, {
    metadata: { name, namespace, labels: { 'kubernetes.io/service-name': name } },
    addressType: `IPv${ipFamily(advertise.address) ?? 4}`,
    endpoints: addresses.map(address => ({ addresses: [address], conditions: { ready: true } })),
    ports,
  })
}

/**
 * How extension servers recognize users and this server, in the ConfigMap that they read. Other keys in it stay.
 * Source: pkg/controlplane/controller/clusterauthenticationtrust.
 */
async function extensionAuthentication(serve: Serve, { clientCa, frontProxy }: BootstrapOptions): Promise<void> {
  if (!clientCa || !frontProxy) return
  const data: JsonObject = {
    'client-ca-file': clientCa,
    'requestheader-client-ca-file': frontProxy.ca,
    'requestheader-allowed-names': JSON.stringify([frontProxyName]),
    ...headerSettings,
  }
  const map: JsonObject = { metadata: { name: 'extension-apiserver-authentication', namespace: 'kube-system' }, data }
  if (await ensure(serve, ConfigMap, map)) return
  const result = await serve({ ...operation('get', ConfigMap, map), options: { resourceVersion: '0' } })
  if (result.type !== 'object') return
  const stored = asJson(result.item.object) as JsonObject & { data?: JsonObject }
  const next = { ...stored.data, ...data }
  if (sameJson(next, stored.data ?? {})) return
  // Servers that start at the same time write the same, so none of them expects a state.
  await serve({ ...operation('patch', ConfigMap, map), patchType: 'merge', body: { data } })
}
