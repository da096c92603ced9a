// The policy of a cluster without a file: who did what to which object, for everything that changes the cluster or reads
// its secrets. Left out is what the cluster's own parts do all the time and what only looks: health, discovery, reads by
// the cluster's parts, Leases, Events, and the reports of nodes about themselves and their pods.
// Source: the policy of cluster/gce/gci/configure-helper.sh, whose exceptions these follow.
import { type AuditPolicy, auditPolicyOf } from './policy.ts'

const policy = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  omitManagedFields: true,
  rules: [
    // What nobody needs an account of.
    {
      level: 'None',
      nonResourceURLs: [
        '/healthz*',
        '/livez*',
        '/readyz*',
        '/version',
        '/metrics',
        '/openapi/*',
        '/openid/*',
        '/api',
        '/api/*',
        '/apis',
        '/apis/*',
      ],
      verbs: ['get', 'head'],
    },
    {
      level: 'None',
      resources: [
        { group: '', resources: ['events'] },
        { group: 'events.k8s.io', resources: ['events'] },
      ],
    },
    // The cluster's parts: they elect leaders, and report what is.
    {
      level: 'None',
      userGroups: ['system:nodes', 'system:serviceaccounts:kube-system'],
      resources: [{ group: 'coordination.k8s.io', resources: ['leases'] }],
    },
    {
      level: 'None',
      users: ['system:kube-scheduler', 'system:kube-controller-manager', 'system:kube-apiserver'],
      resources: [{ group: 'coordination.k8s.io', resources: ['leases'] }],
    },
    {
      level: 'None',
      userGroups: ['system:nodes'],
      verbs: ['update', 'patch'],
      resources: [{ group: '', resources: ['nodes/status', 'pods/status'] }],
    },
    // Reads by the cluster's parts, other than of what is secret.
    {
      level: 'Metadata',
      verbs: ['get', 'list', 'watch'],
      userGroups: ['system:serviceaccounts:kube-system'],
      resources: [{ group: '', resources: ['secrets', 'serviceaccounts/token'] }],
    },
    {
      level: 'None',
      userGroups: ['system:nodes', 'system:serviceaccounts:kube-system'],
      verbs: ['get', 'list', 'watch'],
    },
    {
      level: 'None',
      users: ['system:kube-scheduler', 'system:kube-controller-manager', 'system:kube-apiserver'],
      verbs: ['get', 'list', 'watch'],
    },
    // The API server asks itself whether a user may do something.
    {
      level: 'None',
      userGroups: ['system:nodes'],
      resources: [
        { group: 'authentication.k8s.io', resources: ['tokenreviews'] },
        { group: 'authorization.k8s.io', resources: ['subjectaccessreviews'] },
      ],
    },
    { level: 'Metadata' },
  ],
}

export const defaultAuditPolicy = (): AuditPolicy => auditPolicyOf(policy, 'the default policy')
