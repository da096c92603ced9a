// The roles and bindings every cluster starts with. Source: plugin/pkg/auth/authorizer/rbac/bootstrappolicy,
// kubernetes.io/docs/reference/access-authn-authz/rbac "default roles".

import { controllerRules } from './controller-roles.ts'
import { eventsRule, type Rule, rule } from './rules.ts'

const read = ['get', 'list', 'watch']
const write = ['create', 'delete', 'deletecollection', 'patch', 'update']
const all = [...read, ...write]

const on = (group: string, resources: string[], verbs: string[]): Rule => ({ apiGroups: [group], resources, verbs })
const url = (...nonResourceURLs: string[]): Rule => ({ nonResourceURLs, verbs: ['get'] })

const discoveryPaths = [
  '/api',
  '/api/*',
  '/apis',
  '/apis/*',
  '/healthz',
  '/livez',
  '/openapi',
  '/openapi/*',
  '/readyz',
  '/version',
  '/version/',
]
const publicPaths = ['/healthz', '/livez', '/readyz', '/version', '/version/']
const leaderElection = (name: string): Rule[] => [
  on('coordination.k8s.io', ['leases'], ['create', 'get', 'list', 'update', 'watch']),
  { apiGroups: ['coordination.k8s.io'], resources: ['leases'], resourceNames: [name], verbs: ['get', 'update'] },
]

const viewRules: Rule[] = [
  on(
    '',
    [
      'configmaps',
      'endpoints',
      'persistentvolumeclaims',
      'persistentvolumeclaims/status',
      'pods',
      'replicationcontrollers',
      'replicationcontrollers/scale',
      'serviceaccounts',
      'services',
      'services/status',
    ],
    read,
  ),
  on(
    '',
    [
      'bindings',
      'events',
      'limitranges',
      'namespaces/status',
      'pods/log',
      'pods/status',
      'replicationcontrollers/status',
      'resourcequotas',
      'resourcequotas/status',
      'namespaces',
    ],
    read,
  ),
  on('discovery.k8s.io', ['endpointslices'], read),
  on(
    'apps',
    [
      'controllerrevisions',
      'daemonsets',
      'daemonsets/status',
      'deployments',
      'deployments/scale',
      'deployments/status',
      'replicasets',
      'replicasets/scale',
      'replicasets/status',
      'statefulsets',
      'statefulsets/scale',
      'statefulsets/status',
    ],
    read,
  ),
  on('autoscaling', ['horizontalpodautoscalers', 'horizontalpodautoscalers/status'], read),
  on('batch', ['cronjobs', 'cronjobs/status', 'jobs', 'jobs/status'], read),
  on('policy', ['poddisruptionbudgets', 'poddisruptionbudgets/status'], read),
  on('networking.k8s.io', ['ingresses', 'ingresses/status', 'networkpolicies'], read),
]

const editRules: Rule[] = [
  on('', ['pods/attach', 'pods/exec', 'pods/portforward', 'pods/proxy', 'secrets', 'services/proxy'], read),
  on('', ['serviceaccounts'], ['impersonate']),
  on('', ['pods', 'pods/attach', 'pods/exec', 'pods/portforward', 'pods/proxy'], write),
  on('', ['pods/eviction'], ['create']),
  on(
    '',
    [
      'configmaps',
      'events',
      'persistentvolumeclaims',
      'replicationcontrollers',
      'replicationcontrollers/scale',
      'secrets',
      'serviceaccounts',
      'services',
      'services/proxy',
    ],
    write,
  ),
  on('', ['serviceaccounts/token'], ['create']),
  on(
    'apps',
    [
      'daemonsets',
      'deployments',
      'deployments/rollback',
      'deployments/scale',
      'replicasets',
      'replicasets/scale',
      'statefulsets',
      'statefulsets/scale',
    ],
    write,
  ),
  on('autoscaling', ['horizontalpodautoscalers'], write),
  on('batch', ['cronjobs', 'jobs'], write),
  on('policy', ['poddisruptionbudgets'], write),
  on('networking.k8s.io', ['ingresses', 'networkpolicies'], write),
  on('coordination.k8s.io', ['leases'], all),
]

const adminRules: Rule[] = [
  on('authorization.k8s.io', ['localsubjectaccessreviews'], ['create']),
  on('rbac.authorization.k8s.io', ['rolebindings', 'roles'], all),
]

/** A role as it is made at the start; one that aggregates is filled by its controller from then on. */
export interface DefaultRole {
  rules: readonly Rule[]
  labels?: Record<string, string>
  /** Takes the rules of every role that carries the label `rbac.authorization.k8s.io/aggregate-to-NAME: "true"`. */
  aggregates?: string
}

/** The label that adds a role's rules to the role `name`. */
export const aggregateTo = (name: string): string => `rbac.authorization.k8s.io/aggregate-to-${name}`

/** Cluster roles by name. */
export const clusterRoles: Readonly<Record<string, DefaultRole>> = {
  'cluster-admin': {
    rules: [
      { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
      { nonResourceURLs: ['*'], verbs: ['*'] },
    ],
  },
  'system:discovery': { rules: [url(...discoveryPaths)] },
  'system:public-info-viewer': { rules: [url(...publicPaths)] },
  'system:monitoring': {
    rules: [url('/healthz', '/healthz/*', '/livez', '/livez/*', '/metrics', '/metrics/slis', '/readyz', '/readyz/*')],
  },
  'system:basic-user': {
    rules: [
      on('authorization.k8s.io', ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'], ['create']),
      on('authentication.k8s.io', ['selfsubjectreviews'], ['create']),
    ],
  },
  // In the order in which the controller joins them: by the names of the roles they come from.
  admin: { rules: [...editRules, ...viewRules, ...adminRules], aggregates: 'admin' },
  edit: { rules: [...editRules, ...viewRules], labels: { [aggregateTo('admin')]: 'true' }, aggregates: 'edit' },
  view: { rules: viewRules, labels: { [aggregateTo('edit')]: 'true' }, aggregates: 'view' },
  'system:aggregate-to-admin': { rules: adminRules, labels: { [aggregateTo('admin')]: 'true' } },
  'system:aggregate-to-edit': { rules: editRules, labels: { [aggregateTo('edit')]: 'true' } },
  'system:aggregate-to-view': { rules: viewRules, labels: { [aggregateTo('view')]: 'true' } },
  'system:auth-delegator': {
    rules: [
      on('authentication.k8s.io', ['tokenreviews'], ['create']),
      on('authorization.k8s.io', ['subjectaccessreviews'], ['create']),
    ],
  },
  'system:node': { rules: [] },
  'system:node-proxier': {
    rules: [
      on('', ['services', 'endpoints'], ['list', 'watch']),
      on('', ['nodes'], read),
      eventsRule,
      on('discovery.k8s.io', ['endpointslices'], ['list', 'watch']),
      on('networking.k8s.io', ['servicecidrs'], ['list', 'watch']),
    ],
  },
  'system:node-bootstrapper': {
    rules: [on('certificates.k8s.io', ['certificatesigningrequests'], ['create', ...read])],
  },
  'system:kubelet-api-admin': {
    rules: [
      on('', ['nodes'], ['get', 'list', 'watch', 'proxy']),
      on('', ['nodes/log', 'nodes/metrics', 'nodes/proxy', 'nodes/stats'], ['*']),
    ],
  },
  'system:kube-dns': {
    rules: [
      on('', ['endpoints', 'services', 'pods', 'namespaces'], ['list', 'watch']),
      on('discovery.k8s.io', ['endpointslices'], ['list', 'watch']),
    ],
  },
  'system:certificates.k8s.io:certificatesigningrequests:nodeclient': {
    rules: [on('certificates.k8s.io', ['certificatesigningrequests/nodeclient'], ['create'])],
  },
  'system:certificates.k8s.io:certificatesigningrequests:selfnodeclient': {
    rules: [on('certificates.k8s.io', ['certificatesigningrequests/selfnodeclient'], ['create'])],
  },
  'system:service-account-issuer-discovery': {
    rules: [
      url(
        '/.well-known/openid-configuration',
        '/.well-known/openid-configuration/',
        '/openid/v1/jwks',
        '/openid/v1/jwks/',
      ),
    ],
  },
  'system:kube-scheduler': {
    rules: [
      eventsRule,
      ...leaderElection('kube-scheduler'),
      on(
        '',
        ['nodes', 'namespaces', 'persistentvolumeclaims', 'persistentvolumes', 'replicationcontrollers', 'services'],
        read,
      ),
      on('', ['pods'], ['delete', ...read]),
      on('', ['bindings', 'pods/binding'], ['create']),
      on('', ['pods/status'], ['patch', 'update']),
      on('apps', ['replicasets', 'statefulsets'], read),
      on('policy', ['poddisruptionbudgets'], read),
      on('scheduling.k8s.io', ['priorityclasses'], read),
      on(
        'storage.k8s.io',
        ['csidrivers', 'csinodes', 'csistoragecapacities', 'storageclasses', 'volumeattachments'],
        read,
      ),
      on('resource.k8s.io', ['deviceclasses', 'resourceclaims', 'resourceslices'], read),
    ],
  },
  'system:kube-controller-manager': {
    rules: [
      eventsRule,
      ...leaderElection('kube-controller-manager'),
      rule('create', 'core', 'secrets serviceaccounts'),
      rule('delete', 'core', 'secrets'),
      rule('get', 'core', 'configmaps namespaces secrets serviceaccounts'),
      rule('update', 'core', 'secrets serviceaccounts'),
      rule('create', 'authentication.k8s.io', 'tokenreviews'),
      rule('create', 'authorization.k8s.io', 'subjectaccessreviews'),
      rule('list watch', '*', '*'),
      rule('create', 'core', 'serviceaccounts/token'),
    ],
  },
  ...Object.fromEntries(
    Object.entries(controllerRules).map(([name, rules]) => [`system:controller:${name}`, { rules }]),
  ),
}

export interface BindingSubject {
  kind: 'User' | 'Group' | 'ServiceAccount'
  name: string
  namespace?: string
  apiGroup?: string
}
const apiGroup = 'rbac.authorization.k8s.io'
export const user = (name: string): BindingSubject => ({ kind: 'User', name, apiGroup })
export const group = (name: string): BindingSubject => ({ kind: 'Group', name, apiGroup })
/** A service account of kube-system. */
export const account = (name: string): BindingSubject => ({ kind: 'ServiceAccount', name, namespace: 'kube-system' })

/** Cluster role bindings: role by the binding's name unless `role` says otherwise. */
export const clusterRoleBindings: Readonly<Record<string, { role?: string; subjects: BindingSubject[] }>> = {
  'cluster-admin': { subjects: [group('system:masters')] },
  'system:discovery': { subjects: [group('system:authenticated')] },
  'system:basic-user': { subjects: [group('system:authenticated')] },
  'system:public-info-viewer': { subjects: [group('system:authenticated'), group('system:unauthenticated')] },
  'system:monitoring': { subjects: [group('system:monitoring')] },
  'system:node-proxier': { subjects: [user('system:kube-proxy')] },
  'system:node-proxier:nodes': { role: 'system:node-proxier', subjects: [group('system:nodes')] },
  'system:kube-scheduler': { subjects: [user('system:kube-scheduler')] },
  'system:kube-controller-manager': { subjects: [user('system:kube-controller-manager')] },
  'system:kube-dns': { subjects: [user('system:kube-dns')] },
  // Every node runs a DNS server of its own, under the node's name.
  'system:kube-dns:nodes': { role: 'system:kube-dns', subjects: [group('system:nodes')] },
  'system:service-account-issuer-discovery': { subjects: [group('system:serviceaccounts')] },
  'system:kubelet-api-admin': { subjects: [user('system:kube-apiserver')] },
  'system:node-bootstrapper': { subjects: [group('system:bootstrappers')] },
  'system:node-autoapprove-bootstrap': {
    role: 'system:certificates.k8s.io:certificatesigningrequests:nodeclient',
    subjects: [group('system:bootstrappers')],
  },
  'system:node-autoapprove-certificate-rotation': {
    role: 'system:certificates.k8s.io:certificatesigningrequests:selfnodeclient',
    subjects: [group('system:nodes')],
  },
  ...Object.fromEntries(
    Object.keys(controllerRules).map(name => [`system:controller:${name}`, { subjects: [account(name)] }]),
  ),
}
