// The priority levels and flow schemas that every cluster has from the start. flow/
// puts them into effect. Source: apiserver pkg/apis/flowcontrol/bootstrap/default.go.
import type { JsonObject } from '../../api/schema/node.ts'
import { fixedLevels, fixedSchemas } from '../../kinds/flowcontrol/fixed.ts'

interface Queues {
  shares: number
  lendable: number
  queues: number
  hand: number
}

const limited = ({ shares, lendable, queues, hand }: Queues): JsonObject => ({
  type: 'Limited',
  limited: {
    nominalConcurrencyShares: shares,
    lendablePercent: lendable,
    limitResponse: { type: 'Queue', queuing: { queues, handSize: hand, queueLengthLimit: 50 } },
  },
})

/** Specs by name. */
export const priorityLevels: Readonly<Record<string, JsonObject>> = {
  ...fixedLevels,
  system: limited({ shares: 30, lendable: 33, queues: 64, hand: 6 }),
  'node-high': limited({ shares: 40, lendable: 25, queues: 64, hand: 6 }),
  'leader-election': limited({ shares: 10, lendable: 0, queues: 16, hand: 4 }),
  'workload-high': limited({ shares: 40, lendable: 50, queues: 128, hand: 6 }),
  'workload-low': limited({ shares: 100, lendable: 90, queues: 128, hand: 6 }),
  'global-default': limited({ shares: 20, lendable: 50, queues: 128, hand: 6 }),
}

const group = (name: string): JsonObject => ({ kind: 'Group', group: { name } })
const user = (name: string): JsonObject => ({ kind: 'User', user: { name } })
/** A service account in kube-system, or all of them for `*`. */
const account = (name: string): JsonObject => ({
  kind: 'ServiceAccount',
  serviceAccount: { namespace: 'kube-system', name },
})

const anyResource = { verbs: ['*'], apiGroups: ['*'], resources: ['*'], clusterScope: true, namespaces: ['*'] }
const anyPath = { verbs: ['*'], nonResourceURLs: ['*'] }
const leases = { verbs: ['get', 'create', 'update'], apiGroups: ['coordination.k8s.io'], resources: ['leases'] }
const within = (rule: JsonObject): JsonObject => ({ ...rule, namespaces: ['*'] })

interface Flow {
  level: string
  precedence: number
  by?: 'ByUser' | 'ByNamespace'
  subjects: JsonObject[]
  resources?: JsonObject[]
  paths?: JsonObject[]
}

const flow = ({ level, precedence, by, subjects, resources = [], paths = [] }: Flow): JsonObject => ({
  priorityLevelConfiguration: { name: level },
  matchingPrecedence: precedence,
  ...(by && { distinguisherMethod: { type: by } }),
  rules: [
    {
      subjects,
      ...(resources.length && { resourceRules: resources }),
      ...(paths.length && { nonResourceRules: paths }),
    },
  ],
})

const all = { resources: [anyResource], paths: [anyPath] }
const anyone = [group('system:unauthenticated'), group('system:authenticated')]

/** Specs by name. */
export const flowSchemas: Readonly<Record<string, JsonObject>> = {
  ...fixedSchemas,
  probes: flow({
    level: 'exempt',
    precedence: 2,
    subjects: anyone,
    paths: [{ verbs: ['get'], nonResourceURLs: ['/healthz', '/readyz', '/livez'] }],
  }),
  'system-leader-election': flow({
    level: 'leader-election',
    precedence: 100,
    by: 'ByUser',
    subjects: [user('system:kube-controller-manager'), user('system:kube-scheduler'), account('*')],
    resources: [within(leases)],
  }),
  'endpoint-controller': flow({
    level: 'workload-high',
    precedence: 150,
    by: 'ByUser',
    subjects: [
      user('system:kube-controller-manager'),
      account('endpoint-controller'),
      account('endpointslicemirroring-controller'),
    ],
    resources: [within({ verbs: ['get', 'create', 'update'], apiGroups: [''], resources: ['endpoints'] })],
  }),
  'workload-leader-election': flow({
    level: 'leader-election',
    precedence: 200,
    by: 'ByUser',
    subjects: [group('system:serviceaccounts')],
    resources: [within(leases)],
  }),
  'system-node-high': flow({
    level: 'node-high',
    precedence: 400,
    by: 'ByUser',
    subjects: [group('system:nodes')],
    resources: [
      within({ verbs: ['*'], apiGroups: [''], resources: ['nodes', 'nodes/status'], clusterScope: true }),
      within({ verbs: ['*'], apiGroups: ['coordination.k8s.io'], resources: ['leases'] }),
    ],
  }),
  'system-nodes': flow({ level: 'system', precedence: 500, by: 'ByUser', subjects: [group('system:nodes')], ...all }),
  'kube-controller-manager': flow({
    level: 'workload-high',
    precedence: 800,
    by: 'ByNamespace',
    subjects: [user('system:kube-controller-manager')],
    ...all,
  }),
  'kube-scheduler': flow({
    level: 'workload-high',
    precedence: 800,
    by: 'ByNamespace',
    subjects: [user('system:kube-scheduler')],
    ...all,
  }),
  'kube-system-service-accounts': flow({
    level: 'workload-high',
    precedence: 900,
    by: 'ByNamespace',
    subjects: [account('*')],
    ...all,
  }),
  'service-accounts': flow({
    level: 'workload-low',
    precedence: 9000,
    by: 'ByUser',
    subjects: [group('system:serviceaccounts')],
    ...all,
  }),
  'global-default': flow({ level: 'global-default', precedence: 9900, by: 'ByUser', subjects: anyone, ...all }),
}
