// The cluster roles and bindings that every cluster has from the start: those of Kubernetes, and some of kutter's own
// with the prefix `kutter:`. Source: plugin/pkg/auth/authorizer/rbac/bootstrappolicy,
// kubernetes.io/docs/reference/access-authn-authz/rbac "default roles".

import { controllerRules } from './controller-roles.ts'
import { eventsRule, type Rule, rule } from './rules.ts'

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
const every = 'create delete deletecollection get list patch update watch'
const csr = 'certificates.k8s.io'

/** The right to create any Lease, and to use the Lease `name`. */
const leaderElection = (name: string, verbs: string): Rule[] => [
  rule('create', 'coordination.k8s.io', 'leases'),
  rule(verbs, 'coordination.k8s.io', 'leases', name),
]
/** What a server needs that leaves authentication and authorization to this one. */
const delegation = [
  rule('create', 'authentication.k8s.io', 'tokenreviews'),
  rule('create', 'authorization.k8s.io', 'subjectaccessreviews'),
]
/** The right to approve requests to one signer. */
const approver = (signer: string) => ({ rules: [rule('approve', csr, 'signers', `kubernetes.io/${signer}`)] })

const view = 'get list watch'
const viewRules: Rule[] = [
  rule(
    view,
    'core',
    'configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status',
  ),
  rule(
    view,
    'core',
    'bindings limitranges namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status',
  ),
  rule(view, 'core', 'namespaces'),
  rule(view, 'core events.k8s.io', 'events'),
  rule(view, 'discovery.k8s.io', 'endpointslices'),
  rule(
    view,
    'apps',
    'controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status',
  ),
  rule(view, 'autoscaling', 'horizontalpodautoscalers horizontalpodautoscalers/status'),
  rule(view, 'batch', 'cronjobs cronjobs/status jobs jobs/status'),
  rule(
    view,
    'extensions',
    'daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses ingresses/status networkpolicies replicasets replicasets/scale replicasets/status replicationcontrollers/scale',
  ),
  rule(view, 'policy', 'poddisruptionbudgets poddisruptionbudgets/status'),
  rule(view, 'networking.k8s.io', 'ingresses ingresses/status networkpolicies'),
  rule(view, 'resource.k8s.io', 'resourceclaims resourceclaims/status resourceclaimtemplates'),
]

const edit = 'create delete deletecollection patch update'
const editRules: Rule[] = [
  rule(view, 'core', 'pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy'),
  rule('impersonate', 'core', 'serviceaccounts'),
  rule(edit, 'core', 'pods pods/attach pods/exec pods/portforward pods/proxy'),
  rule('create', 'core', 'pods/eviction'),
  rule(
    edit,
    'core',
    'configmaps persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy',
  ),
  rule('create', 'core', 'serviceaccounts/token'),
  rule(edit, 'core events.k8s.io', 'events'),
  rule(
    edit,
    'apps',
    'daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale',
  ),
  rule(edit, 'autoscaling', 'horizontalpodautoscalers'),
  rule(edit, 'batch', 'cronjobs jobs'),
  rule(
    edit,
    'extensions',
    'daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies replicasets replicasets/scale replicationcontrollers/scale',
  ),
  rule(edit, 'policy', 'poddisruptionbudgets'),
  rule(edit, 'networking.k8s.io', 'ingresses networkpolicies'),
  rule(every, 'coordination.k8s.io', 'leases'),
  rule(edit, 'resource.k8s.io', 'resourceclaims resourceclaimtemplates'),
]

const adminRules: Rule[] = [
  rule('create', 'authorization.k8s.io', 'localsubjectaccessreviews'),
  rule(every, 'rbac.authorization.k8s.io', 'rolebindings roles'),
]

/** What the node authorizer allows nodes. The role shows it, as upstream, and is bound to no user. */
const nodeRules: Rule[] = [
  rule('create', 'authentication.k8s.io', 'tokenreviews'),
  rule('create', 'authorization.k8s.io', 'localsubjectaccessreviews subjectaccessreviews'),
  rule(view, 'core', 'services'),
  rule('create get list watch', 'core', 'nodes'),
  rule('patch update', 'core', 'nodes/status'),
  rule('patch update', 'core', 'nodes'),
  eventsRule,
  rule(view, 'core', 'pods'),
  rule('create delete', 'core', 'pods'),
  rule('patch update', 'core', 'pods/status'),
  rule('create', 'core', 'pods/eviction'),
  rule(view, 'core', 'configmaps secrets'),
  rule('get', 'core', 'persistentvolumeclaims persistentvolumes'),
  rule('get', 'core', 'endpoints'),
  rule('create get list watch', csr, 'certificatesigningrequests'),
  rule('create delete get patch update', 'coordination.k8s.io', 'leases'),
  rule('get', 'storage.k8s.io', 'volumeattachments'),
  rule('create', 'core', 'serviceaccounts/token'),
  rule('get patch update', 'core', 'persistentvolumeclaims/status'),
  rule(view, 'storage.k8s.io', 'csidrivers'),
  rule('create delete get patch update', 'storage.k8s.io', 'csinodes'),
  rule(view, 'node.k8s.io', 'runtimeclasses'),
  rule('get', 'resource.k8s.io', 'resourceclaims'),
  rule('deletecollection', 'resource.k8s.io', 'resourceslices'),
  rule('get', 'core', 'serviceaccounts'),
]

const schedulerRules: Rule[] = [
  eventsRule,
  ...leaderElection('kube-scheduler', 'get list update watch'),
  rule(every, 'coordination.k8s.io', 'leasecandidates'),
  rule(view, 'core', 'nodes'),
  rule('delete get list watch', 'core', 'pods'),
  rule('create', 'core', 'bindings pods/binding'),
  rule('patch update', 'core', 'pods/status'),
  rule(view, 'core', 'replicationcontrollers services'),
  rule(view, 'apps extensions', 'replicasets'),
  rule(view, 'apps', 'statefulsets'),
  rule(view, 'policy', 'poddisruptionbudgets'),
  rule(view, 'core', 'persistentvolumeclaims persistentvolumes'),
  ...delegation,
  rule(view, 'storage.k8s.io', 'csinodes'),
  rule(view, 'storage.k8s.io', 'volumeattachments'),
  rule(view, 'core', 'namespaces'),
  rule(view, 'storage.k8s.io', 'csidrivers'),
  rule(view, 'storage.k8s.io', 'csistoragecapacities'),
  rule(view, 'resource.k8s.io', 'deviceclasses'),
  rule('get list patch update watch', 'resource.k8s.io', 'resourceclaims'),
  rule('get list patch update watch', 'resource.k8s.io', 'resourceclaims/status'),
  rule('update', 'core', 'pods/finalizers'),
  rule(view, 'resource.k8s.io', 'resourceslices'),
  rule('create delete', 'resource.k8s.io', 'resourceclaims'),
  rule('patch update', 'resource.k8s.io', 'resourceclaims/binding'),
]

/** A role as it is created. The rules of one that aggregates are kept current by its controller. */
interface DefaultRole {
  rules: readonly Rule[]
  labels?: Record<string, string>
  /** The role has the rules of all roles with the label `rbac.authorization.k8s.io/aggregate-to-NAME: "true"`. */
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
      rule('create', 'authorization.k8s.io', 'selfsubjectaccessreviews selfsubjectrulesreviews'),
      rule('create', 'authentication.k8s.io', 'selfsubjectreviews'),
    ],
  },
  // The rules are in the order in which the controller joins them: by the names of the roles that they come from.
  admin: { rules: [...editRules, ...viewRules, ...adminRules], aggregates: 'admin' },
  edit: { rules: [...editRules, ...viewRules], labels: { [aggregateTo('admin')]: 'true' }, aggregates: 'edit' },
  view: { rules: viewRules, labels: { [aggregateTo('edit')]: 'true' }, aggregates: 'view' },
  'system:aggregate-to-admin': { rules: adminRules, labels: { [aggregateTo('admin')]: 'true' } },
  'system:aggregate-to-edit': { rules: editRules, labels: { [aggregateTo('edit')]: 'true' } },
  'system:aggregate-to-view': { rules: viewRules, labels: { [aggregateTo('view')]: 'true' } },
  'system:auth-delegator': { rules: delegation },
  'system:node': { rules: nodeRules },
  'system:node-problem-detector': {
    rules: [rule('get', 'core', 'nodes'), rule('patch', 'core', 'nodes/status'), eventsRule],
  },
  'system:node-proxier': {
    rules: [
      rule('list watch', 'core', 'endpoints services'),
      rule(view, 'core', 'nodes'),
      eventsRule,
      rule('list watch', 'networking.k8s.io', 'servicecidrs'),
      rule('list watch', 'discovery.k8s.io', 'endpointslices'),
    ],
  },
  'system:node-bootstrapper': { rules: [rule('create get list watch', csr, 'certificatesigningrequests')] },
  'system:kubelet-api-admin': {
    rules: [
      rule('get list watch', 'core', 'nodes'),
      rule('proxy', 'core', 'nodes'),
      rule('*', 'core', 'nodes/configz nodes/healthz nodes/log nodes/metrics nodes/pods nodes/proxy nodes/stats'),
    ],
  },
  'system:kube-aggregator': { rules: [rule(view, 'core', 'endpoints services')] },
  'system:kube-dns': { rules: [rule('list watch', 'core', 'endpoints services')] },
  // What the DNS server of a node needs in addition. It uses the credentials of the node.
  'kutter:dns': {
    rules: [
      rule('list watch', 'core', 'namespaces pods services'),
      rule('list watch', 'discovery.k8s.io', 'endpointslices'),
    ],
  },
  // A node gives the virtual address of the servers up when the one beside it is about to end.
  'kutter:virtual-address': { rules: [url('/readyz/shutdown')] },
  'kutter:network-policies': {
    rules: [rule('list watch', 'networking.k8s.io', 'networkpolicies'), rule('list watch', 'core', 'namespaces pods')],
  },
  // Each node serves Ingresses. Which Secrets it may read for them, the node authorizer decides.
  'kutter:ingress': { rules: [rule('list watch', 'networking.k8s.io', 'ingresses ingressclasses')] },
  // Each node serves Gateways, of those clusters that have them.
  'kutter:gateway': {
    rules: [
      rule(
        'list watch',
        'gateway.networking.k8s.io',
        'gatewayclasses gateways grpcroutes httproutes referencegrants tlsroutes',
      ),
    ],
  },
  // The serving certificates of kubelets are approved by a controller here; in Kubernetes, a user must approve them.
  'kutter:certificate-approver': {
    rules: [rule('approve', csr, 'signers', 'kubernetes.io/kubelet-serving'), rule(view, 'core', 'nodes')],
  },
  'kutter:scheduler': {
    rules: [rule(view, 'scheduling.k8s.io', 'priorityclasses'), rule(view, 'resource.k8s.io', 'devicetaintrules')],
  },
  // A controller manager of its own asks kubelets for directories. It may not run commands: that takes other verbs.
  'kutter:directories': { rules: [rule('update delete', 'core', 'nodes/proxy')] },
  'system:certificates.k8s.io:certificatesigningrequests:nodeclient': {
    rules: [rule('create', csr, 'certificatesigningrequests/nodeclient')],
  },
  'system:certificates.k8s.io:certificatesigningrequests:selfnodeclient': {
    rules: [rule('create', csr, 'certificatesigningrequests/selfnodeclient')],
  },
  'system:certificates.k8s.io:kube-apiserver-client-approver': approver('kube-apiserver-client'),
  'system:certificates.k8s.io:kube-apiserver-client-kubelet-approver': approver('kube-apiserver-client-kubelet'),
  'system:certificates.k8s.io:kubelet-serving-approver': approver('kubelet-serving'),
  'system:certificates.k8s.io:legacy-unknown-approver': approver('legacy-unknown'),
  'system:persistent-volume-provisioner': {
    rules: [
      rule('create delete get list watch', 'core', 'persistentvolumes'),
      rule('get list update watch', 'core', 'persistentvolumeclaims'),
      rule(view, 'storage.k8s.io', 'storageclasses'),
      rule('watch', 'core', 'events'),
      eventsRule,
    ],
  },
  'system:volume-scheduler': {
    rules: [
      rule('get list patch update watch', 'core', 'persistentvolumes'),
      rule(view, 'storage.k8s.io', 'storageclasses'),
      rule('get list patch update watch', 'core', 'persistentvolumeclaims'),
    ],
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
  'system:kube-scheduler': { rules: schedulerRules },
  'system:kube-controller-manager': {
    rules: [
      eventsRule,
      ...leaderElection('kube-controller-manager', 'get update'),
      rule('create', 'core', 'secrets serviceaccounts'),
      rule('delete', 'core', 'secrets'),
      rule('get', 'core', 'configmaps namespaces secrets serviceaccounts'),
      rule('update', 'core', 'secrets serviceaccounts'),
      ...delegation,
      rule('list watch', '*', '*'),
      rule('create', 'core', 'serviceaccounts/token'),
    ],
  },
  ...Object.fromEntries(
    Object.entries(controllerRules).map(([name, rules]) => [`system:controller:${name}`, { rules }]),
  ),
}

interface BindingSubject {
  kind: 'User' | 'Group' | 'ServiceAccount'
  name: string
  namespace?: string
  apiGroup?: string
}
const apiGroup = 'rbac.authorization.k8s.io'
export const user = (name: string): BindingSubject => ({ kind: 'User', name, apiGroup })
export const group = (name: string): BindingSubject => ({ kind: 'Group', name, apiGroup })
/** A service account in kube-system. */
export const account = (name: string): BindingSubject => ({ kind: 'ServiceAccount', name, namespace: 'kube-system' })

/** Cluster role bindings by name. A binding without `role` is to the role of its own name. */
export const clusterRoleBindings: Readonly<Record<string, { role?: string; subjects: BindingSubject[] }>> = {
  'cluster-admin': { subjects: [group('system:masters')] },
  'system:discovery': { subjects: [group('system:authenticated')] },
  'system:basic-user': { subjects: [group('system:authenticated')] },
  'system:public-info-viewer': { subjects: [group('system:authenticated'), group('system:unauthenticated')] },
  'system:monitoring': { subjects: [group('system:monitoring')] },
  'system:node-proxier': { subjects: [user('system:kube-proxy')] },
  'system:kube-scheduler': { subjects: [user('system:kube-scheduler')] },
  'system:kube-controller-manager': { subjects: [user('system:kube-controller-manager')] },
  'system:kube-dns': { subjects: [account('kube-dns')] },
  'system:node': { subjects: [] },
  'system:volume-scheduler': { subjects: [user('system:kube-scheduler')] },
  // Every node runs its own proxy and DNS server, with the credentials of the node.
  'kutter:node-proxier': { role: 'system:node-proxier', subjects: [group('system:nodes')] },
  'kutter:dns': { subjects: [group('system:nodes')] },
  'kutter:network-policies': { subjects: [group('system:nodes')] },
  'kutter:ingress': { subjects: [group('system:nodes')] },
  'kutter:virtual-address': { subjects: [group('system:nodes')] },
  'kutter:gateway': { subjects: [group('system:nodes')] },
  'kutter:certificate-approver': { subjects: [account('certificate-controller')] },
  'kutter:scheduler': { subjects: [user('system:kube-scheduler')] },
  'kutter:directories': { subjects: [user('system:kube-controller-manager')] },
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
