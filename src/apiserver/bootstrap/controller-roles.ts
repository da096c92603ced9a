// What each controller may do: one role for each, bound to the service account in kube-system whose name it uses.
// Source: plugin/pkg/auth/authorizer/rbac/bootstrappolicy/controller_policy.go and namespace_policy.go.
import { trackingMap } from '../../kinds/core/legacy-token.ts'
import { eventsRule, type Rule, rule } from './rules.ts'

const apps = 'apps extensions'
const csr = 'certificates.k8s.io'

/** Rules by the name of the controller; the role is `system:controller:NAME`. */
export const controllerRules: Readonly<Record<string, readonly Rule[]>> = {
  'attachdetach-controller': [
    rule('list watch', 'core', 'persistentvolumeclaims persistentvolumes'),
    rule('get list watch', 'core', 'nodes'),
    rule('patch update', 'core', 'nodes/status'),
    rule('list watch', 'core', 'pods'),
    eventsRule,
    rule('create delete get list watch', 'storage.k8s.io', 'volumeattachments'),
    rule('get list watch', 'storage.k8s.io', 'csidrivers'),
    rule('get list watch', 'storage.k8s.io', 'csinodes'),
  ],
  'certificate-controller': [
    rule('delete get list watch', csr, 'certificatesigningrequests'),
    rule('update', csr, 'certificatesigningrequests/approval certificatesigningrequests/status'),
    rule('approve', csr, 'signers', 'kubernetes.io/kube-apiserver-client-kubelet'),
    rule(
      'sign',
      csr,
      'signers',
      'kubernetes.io/kube-apiserver-client kubernetes.io/kube-apiserver-client-kubelet kubernetes.io/kubelet-serving kubernetes.io/legacy-unknown',
    ),
    rule('create', 'authorization.k8s.io', 'subjectaccessreviews'),
    eventsRule,
  ],
  'clusterrole-aggregation-controller': [
    rule('escalate get list patch update watch', 'rbac.authorization.k8s.io', 'clusterroles'),
  ],
  'cronjob-controller': [
    rule('get list update watch', 'batch', 'cronjobs'),
    rule('create delete get list patch update watch', 'batch', 'jobs'),
    rule('update', 'batch', 'cronjobs/status'),
    rule('update', 'batch', 'cronjobs/finalizers'),
    rule('delete list watch', 'core', 'pods'),
    eventsRule,
  ],
  'daemon-set-controller': [
    rule('get list watch', apps, 'daemonsets'),
    rule('update', apps, 'daemonsets/status'),
    rule('update', apps, 'daemonsets/finalizers'),
    rule('list watch', 'core', 'nodes'),
    rule('create delete list patch watch', 'core', 'pods'),
    rule('create', 'core', 'pods/binding'),
    rule('create delete get list patch update watch', 'apps', 'controllerrevisions'),
    eventsRule,
  ],
  'deployment-controller': [
    rule('get list update watch', apps, 'deployments'),
    rule('update', apps, 'deployments/status'),
    rule('update', apps, 'deployments/finalizers'),
    rule('create delete get list patch update watch', apps, 'replicasets'),
    rule('get list update watch', 'core', 'pods'),
    eventsRule,
  ],
  'device-taint-eviction-controller': [
    rule('delete get list watch', 'core', 'pods'),
    rule('patch update', 'core', 'pods/status'),
    rule('get list watch', 'resource.k8s.io', 'resourceclaims'),
    rule('get list watch', 'resource.k8s.io', 'resourceslices'),
    rule('get list watch', 'resource.k8s.io', 'deviceclasses'),
    eventsRule,
  ],
  // The provisioner that every cluster has; in Kubernetes, these are programs of others.
  'directory-provisioner': [
    rule('create delete get list update watch', 'core', 'persistentvolumes'),
    rule('get list patch update watch', 'core', 'persistentvolumeclaims'),
    rule('update', 'core', 'persistentvolumeclaims/status'),
    rule('get list watch', 'core', 'nodes'),
    rule('get list watch', 'storage.k8s.io', 'storageclasses'),
    eventsRule,
  ],
  'disruption-controller': [
    rule('get list watch', apps, 'deployments'),
    rule('get list watch', apps, 'replicasets'),
    rule('get list watch', 'core', 'replicationcontrollers'),
    rule('get list watch', 'policy', 'poddisruptionbudgets'),
    rule('get list watch', 'apps', 'statefulsets'),
    rule('update', 'policy', 'poddisruptionbudgets/status'),
    rule('patch update', 'core', 'pods/status'),
    rule('get', '*', '*/scale'),
    eventsRule,
  ],
  'endpoint-controller': [
    rule('get list watch', 'core', 'pods services'),
    rule('create delete get list update watch', 'core', 'endpoints'),
    rule('create', 'core', 'endpoints/restricted'),
    eventsRule,
  ],
  'endpointslice-controller': [
    rule('get list watch', 'core', 'nodes pods services'),
    rule('update', 'core', 'services/finalizers'),
    rule('create delete get list update watch', 'discovery.k8s.io', 'endpointslices'),
    eventsRule,
  ],
  'endpointslicemirroring-controller': [
    rule('get list watch', 'core', 'endpoints services'),
    rule('update', 'core', 'services/finalizers'),
    rule('update', 'core', 'endpoints/finalizers'),
    rule('create delete get list update watch', 'discovery.k8s.io', 'endpointslices'),
    eventsRule,
  ],
  'ephemeral-volume-controller': [
    rule('get list watch', 'core', 'pods'),
    rule('update', 'core', 'pods/finalizers'),
    rule('create get list watch', 'core', 'persistentvolumeclaims'),
    eventsRule,
  ],
  // A controller deletes old events here; in Kubernetes, the store does.
  'event-ttl-controller': [rule('delete list watch', 'core events.k8s.io', 'events')],
  'expand-controller': [
    rule('get list patch update watch', 'core', 'persistentvolumes'),
    rule('patch update', 'core', 'persistentvolumeclaims/status'),
    rule('get list watch', 'core', 'persistentvolumeclaims'),
    eventsRule,
  ],
  'generic-garbage-collector': [rule('delete get list patch update watch', '*', '*'), eventsRule],
  'horizontal-pod-autoscaler': [
    rule('get list watch', 'autoscaling', 'horizontalpodautoscalers'),
    rule('update', 'autoscaling', 'horizontalpodautoscalers/status'),
    rule('get update', '*', '*/scale'),
    rule('list watch', 'core', 'pods'),
    rule('list watch', 'metrics.k8s.io', 'pods'),
    rule('get list watch', 'custom.metrics.k8s.io', '*'),
    rule('get list watch', 'external.metrics.k8s.io', '*'),
    eventsRule,
  ],
  'job-controller': [
    rule('get list patch update watch', 'batch', 'jobs'),
    rule('update', 'batch', 'jobs/status'),
    rule('update', 'batch', 'jobs/finalizers'),
    rule('create delete list patch watch', 'core', 'pods'),
    eventsRule,
  ],
  // The nodes serve Gateways here. Their statuses say whether certificates can be used.
  'gateway-status-controller': [
    rule(
      'get list watch',
      'gateway.networking.k8s.io',
      'gatewayclasses gateways grpcroutes httproutes referencegrants tlsroutes',
    ),
    rule(
      'update',
      'gateway.networking.k8s.io',
      'gatewayclasses/status gateways/status grpcroutes/status httproutes/status tlsroutes/status',
    ),
    rule('get list watch', 'core', 'namespaces nodes secrets services'),
    rule('get list watch', 'networking.k8s.io', 'ingresses ingressclasses'),
  ],
  // The nodes serve Ingresses here; in Kubernetes, these are programs of others.
  'ingress-status-controller': [
    rule('get list watch', 'networking.k8s.io', 'ingresses ingressclasses'),
    rule('update', 'networking.k8s.io', 'ingresses/status'),
    rule('get list watch', 'core', 'nodes'),
  ],
  'legacy-service-account-token-cleaner': [
    rule('get', 'core', 'configmaps', trackingMap),
    rule('delete patch', 'core', 'secrets'),
  ],
  'namespace-controller': [
    rule('delete get list watch', 'core', 'namespaces'),
    rule('update', 'core', 'namespaces/finalize namespaces/status'),
    rule('delete deletecollection get list watch', '*', '*'),
  ],
  'node-controller': [
    rule('delete get list patch update watch', 'core', 'nodes'),
    rule('patch update', 'core', 'nodes/status'),
    rule('patch update', 'core', 'pods/status'),
    rule('delete get list watch', 'core', 'pods'),
    eventsRule,
  ],
  'persistent-volume-binder': [
    rule('create delete get list update watch', 'core', 'persistentvolumes'),
    rule('update', 'core', 'persistentvolumes/status'),
    rule('get list update watch', 'core', 'persistentvolumeclaims'),
    rule('update', 'core', 'persistentvolumeclaims/status'),
    rule('create delete get list watch', 'core', 'pods'),
    rule('get list watch', 'storage.k8s.io', 'storageclasses'),
    rule('list watch', 'core', 'nodes'),
    eventsRule,
    rule('watch', 'core', 'events'),
  ],
  'pod-garbage-collector': [
    rule('delete list watch', 'core', 'pods'),
    rule('get list watch', 'core', 'nodes'),
    rule('patch', 'core', 'pods/status'),
  ],
  'pv-protection-controller': [rule('get list update watch', 'core', 'persistentvolumes'), eventsRule],
  'pvc-protection-controller': [
    rule('get list update watch', 'core', 'persistentvolumeclaims'),
    rule('get list watch', 'core', 'pods'),
    eventsRule,
  ],
  'replicaset-controller': [
    rule('get list update watch', apps, 'replicasets'),
    rule('update', apps, 'replicasets/status'),
    rule('update', apps, 'replicasets/finalizers'),
    rule('create delete list patch watch', 'core', 'pods'),
    eventsRule,
  ],
  'replication-controller': [
    rule('get list update watch', 'core', 'replicationcontrollers'),
    rule('update', 'core', 'replicationcontrollers/status'),
    rule('update', 'core', 'replicationcontrollers/finalizers'),
    rule('create delete list patch watch', 'core', 'pods'),
    eventsRule,
  ],
  'resource-claim-controller': [
    rule('get list watch', 'core', 'pods'),
    rule('update', 'core', 'pods/finalizers'),
    rule('create delete get list watch', 'resource.k8s.io', 'resourceclaims'),
    rule('patch update', 'resource.k8s.io', 'resourceclaims resourceclaims/status'),
    rule('patch update', 'core', 'pods/status'),
    eventsRule,
    rule('patch update', 'resource.k8s.io', 'resourceclaims/binding'),
  ],
  'resourcequota-controller': [
    rule('list watch', '*', '*'),
    rule('update', 'core', 'resourcequotas/status'),
    eventsRule,
  ],
  'root-ca-cert-publisher': [rule('create update', 'core', 'configmaps'), eventsRule],
  'route-controller': [rule('list watch', 'core', 'nodes'), rule('patch', 'core', 'nodes/status'), eventsRule],
  'selinux-warning-controller': [
    eventsRule,
    rule('get list watch', 'core', 'persistentvolumes'),
    rule('get list watch', 'core', 'persistentvolumeclaims'),
    rule('get list watch', 'core', 'pods'),
    rule('get list watch', 'storage.k8s.io', 'csidrivers'),
  ],
  'service-cidrs-controller': [
    rule('get list patch update watch', 'networking.k8s.io', 'servicecidrs'),
    rule('patch update', 'networking.k8s.io', 'servicecidrs/finalizers'),
    rule('patch update', 'networking.k8s.io', 'servicecidrs/status'),
    rule('get list watch', 'networking.k8s.io', 'ipaddresses'),
    eventsRule,
  ],
  'service-ip-address-controller': [
    rule('get list watch', 'core', 'services'),
    rule('create delete get list watch', 'networking.k8s.io', 'ipaddresses'),
  ],
  'service-controller': [
    rule('get list watch', 'core', 'services'),
    rule('patch update', 'core', 'services/status'),
    rule('list watch', 'core', 'nodes'),
    eventsRule,
  ],
  'service-account-controller': [rule('create', 'core', 'serviceaccounts'), eventsRule],
  'statefulset-controller': [
    rule('list watch', 'core', 'pods'),
    rule('get list watch', 'apps', 'statefulsets'),
    rule('update', 'apps', 'statefulsets/status'),
    rule('update', 'apps', 'statefulsets/finalizers'),
    rule('create delete get patch update', 'core', 'pods'),
    rule('create delete get list patch update watch', 'apps', 'controllerrevisions'),
    rule('create get list watch', 'core', 'persistentvolumeclaims'),
    rule('delete update', 'core', 'persistentvolumeclaims'),
    rule('update', 'core', 'pods/finalizers'),
    eventsRule,
  ],
  'ttl-after-finished-controller': [rule('delete get list watch', 'batch', 'jobs'), eventsRule],
  'ttl-controller': [rule('list patch update watch', 'core', 'nodes'), eventsRule],
  'validatingadmissionpolicy-status-controller': [
    rule('get list watch', 'admissionregistration.k8s.io', 'validatingadmissionpolicies'),
    rule('get patch update', 'admissionregistration.k8s.io', 'validatingadmissionpolicies/status'),
    eventsRule,
  ],
  'volumeattributesclass-protection-controller': [
    rule('get list watch', 'core', 'persistentvolumeclaims'),
    rule('get list watch', 'core', 'persistentvolumes'),
    rule('get list update watch', 'storage.k8s.io', 'volumeattributesclasses'),
    eventsRule,
  ],
}

/** What a program needs to take part in a leader election with a Lease. */
const leaderLocking = [
  rule('create get list update watch', 'coordination.k8s.io', 'leases'),
  rule('create get list update watch', 'coordination.k8s.io', 'leasecandidates'),
]

interface NamespacedRole {
  rules: readonly Rule[]
  /** The name of the binding, if it is not that of the role. */
  binding?: string
  accounts?: readonly string[]
  users?: readonly string[]
  group?: string
}

/** Roles inside one namespace and the subjects to which they are bound, by namespace and name. */
export const namespacedRoles: Readonly<Record<string, Readonly<Record<string, NamespacedRole>>>> = {
  'kube-system': {
    'extension-apiserver-authentication-reader': {
      rules: [rule('get list watch', 'core', 'configmaps', 'extension-apiserver-authentication')],
      binding: 'system::extension-apiserver-authentication-reader',
      users: ['system:kube-controller-manager', 'system:kube-scheduler'],
    },
    // The settings of the cluster that a node reads.
    'kutter:node-config': {
      rules: [rule('get list watch', 'core', 'configmaps', 'kutter-config')],
      group: 'system:nodes',
    },
    // The settings of the DNS server that each node has.
    'kutter:dns-settings': {
      rules: [rule('get list watch', 'core', 'configmaps', 'kube-dns')],
      group: 'system:nodes',
    },
    // By these Leases the nodes agree who announces an address. Each writes its own, as the node authorizer decides.
    'kutter:load-balancer': {
      rules: [rule('list watch', 'coordination.k8s.io', 'leases')],
      group: 'system:nodes',
    },
    'system:controller:bootstrap-signer': {
      rules: [rule('get list watch', 'core', 'secrets')],
      accounts: ['bootstrap-signer'],
    },
    'system:controller:cloud-provider': {
      rules: [rule('create get list watch', 'core', 'configmaps')],
      accounts: ['cloud-provider'],
    },
    'system:controller:token-cleaner': {
      rules: [rule('delete get list watch', 'core', 'secrets'), eventsRule],
      accounts: ['token-cleaner'],
    },
    'system::leader-locking-kube-controller-manager': {
      rules: leaderLocking,
      users: ['system:kube-controller-manager'],
      accounts: ['kube-controller-manager', 'leader-election-controller'],
    },
    'system::leader-locking-kube-scheduler': {
      rules: leaderLocking,
      users: ['system:kube-scheduler'],
      accounts: ['kube-scheduler'],
    },
  },
  'kube-public': {
    'system:controller:bootstrap-signer': {
      rules: [
        rule('get list watch', 'core', 'configmaps'),
        rule('update', 'core', 'configmaps', 'cluster-info'),
        eventsRule,
      ],
      accounts: ['bootstrap-signer'],
    },
    // A machine that joins reads it before it has credentials.
    'kutter:bootstrap-signer-clusterinfo': {
      rules: [rule('get', 'core', 'configmaps', 'cluster-info')],
      users: ['system:anonymous'],
    },
  },
}
