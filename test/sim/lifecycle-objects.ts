// One small object of every kind that the API server stores, with a status if the kind has one. The tests of the
// operations that all kinds share (create, read, watch, patch, apply, delete) use them.
import type { JsonObject } from '../../src/api/schema/node.ts'
import { makeAuthority, makeRequest } from '../../src/wire/x509.ts'

/** Trust bundles must contain real certificates. */
const authority = await makeAuthority({ commonName: 'root', now: 0, validMs: 365 * 24 * 3600_000 })

export interface Example {
  /** All fields except kind, apiVersion and metadata. */
  object?: JsonObject
  /** A status that any client may write. */
  status?: JsonObject
  /** Returns the name of object `n`, for kinds that do not allow a simple name. */
  name?(n: number): string
  /** Whether finalizers keep it after its deletion, until another component removes them. */
  held?: boolean
}

const at = '2026-01-01T00:00:00Z'
const condition = { type: 'StatusUpdate', status: 'True', reason: 'E2E', message: 'Set from a test' }
const full = { ...condition, lastTransitionTime: at }
const conditions = { conditions: [full] }
const labels = { app: 'web' }
const containers = [{ name: 'c', image: 'app:1' }]
const template = { metadata: { labels }, spec: { containers } }
const selector = { matchLabels: labels }
const roleRef = (kind: string) => ({ apiGroup: 'rbac.authorization.k8s.io', kind, name: 'view' })
const subjects = [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'alice' }]
const rules = [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }]
const webhook = (name: string) => ({
  name,
  clientConfig: { url: 'https://example.org/hook' },
  sideEffects: 'None',
  admissionReviewVersions: ['v1'],
  rules: [{ apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], operations: ['CREATE'] }],
})
const matchConstraints = {
  resourceRules: [{ apiGroups: ['apps'], apiVersions: ['v1'], operations: ['CREATE'], resources: ['deployments'] }],
}
const deviceRequests = { devices: { requests: [{ name: 'gpu', exactly: { deviceClassName: 'gpu.example.com' } }] } }
const storage = { storage: '1Gi' }
const jobTemplate = { spec: { template: { spec: { containers, restartPolicy: 'OnFailure' } } } }

const request = Buffer.from((await makeRequest({ commonName: 'e2e' })).requestPem).toString('base64')

/** By `group/plural`. The core group is the empty string. */
export const examples: Record<string, Example> = {
  '/configmaps': { object: { data: { key: 'value' } } },
  '/endpoints': { object: { subsets: [{ addresses: [{ ip: '10.0.0.24' }], ports: [{ name: 'http', port: 80 }] }] } },
  '/events': {
    object: {
      involvedObject: { kind: 'Pod', name: 'web', namespace: 'lifecycle' },
      reason: 'Test',
      message: 'This is an event',
      type: 'Normal',
      count: 1,
    },
  },
  '/limitranges': { object: { spec: { limits: [{ type: 'Container', max: { cpu: '500m' } }] } } },
  '/namespaces': { status: conditions, held: true },
  '/nodes': { object: { spec: { unschedulable: true } }, status: { capacity: { 'example.com/fake': '123' } } },
  '/persistentvolumes': {
    held: true,
    object: { spec: { capacity: storage, accessModes: ['ReadWriteOnce'], hostPath: { path: '/tmp' } } },
    status: { phase: 'Available', message: 'StatusUpdate', reason: 'E2E' },
  },
  '/persistentvolumeclaims': {
    held: true,
    object: { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: storage } } },
    status: conditions,
  },
  '/pods': { object: { spec: { containers, terminationGracePeriodSeconds: 0 } }, status: conditions },
  '/podtemplates': { object: { template } },
  '/replicationcontrollers': { object: { spec: { replicas: 0, selector: labels, template } }, status: conditions },
  '/resourcequotas': {
    object: { spec: { hard: { pods: '5' } } },
    status: { hard: { pods: '5' }, used: { pods: '0' } },
  },
  '/secrets': { object: { data: { key: 'dmFsdWU=' }, type: 'Opaque' } },
  '/services': {
    object: {
      spec: {
        type: 'LoadBalancer',
        loadBalancerClass: 'example.com/vip',
        ports: [{ name: 'http', port: 80, targetPort: 80 }],
        selector: labels,
      },
    },
    status: { loadBalancer: { ingress: [{ ip: '203.0.113.1' }] } },
  },
  '/serviceaccounts': { object: { automountServiceAccountToken: false } },
  'admissionregistration.k8s.io/mutatingadmissionpolicies': {
    object: {
      spec: {
        matchConstraints,
        reinvocationPolicy: 'Never',
        mutations: [
          {
            patchType: 'JSONPatch',
            jsonPatch: { expression: '[JSONPatch{op: "add", path: "/metadata/labels/a", value: "b"}]' },
          },
        ],
      },
    },
  },
  'admissionregistration.k8s.io/mutatingadmissionpolicybindings': { object: { spec: { policyName: 'p' } } },
  'admissionregistration.k8s.io/mutatingwebhookconfigurations': { object: { webhooks: [webhook('a.example.com')] } },
  'admissionregistration.k8s.io/validatingadmissionpolicies': {
    object: { spec: { matchConstraints, validations: [{ expression: 'true' }] } },
    status: conditions,
  },
  'admissionregistration.k8s.io/validatingadmissionpolicybindings': {
    object: { spec: { policyName: 'p', validationActions: ['Deny'] } },
  },
  'admissionregistration.k8s.io/validatingwebhookconfigurations': { object: { webhooks: [webhook('a.example.com')] } },
  'apiextensions.k8s.io/customresourcedefinitions': {
    object: {
      spec: {
        group: 'example.com',
        scope: 'Namespaced',
        names: { plural: 'things', singular: 'thing', kind: 'Thing', listKind: 'ThingList' },
        versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
      },
    },
    status: conditions,
    name: n => `things${n}.example.com`,
  },
  'apiregistration.k8s.io/apiservices': {
    object: {
      spec: {
        group: 'example.com',
        version: 'v1',
        groupPriorityMinimum: 1000,
        versionPriority: 15,
        insecureSkipTLSVerify: true,
        service: { namespace: 'default', name: 'api' },
      },
    },
    status: conditions,
    name: n => `v${n}.example.com`,
  },
  'apps/controllerrevisions': { object: { revision: 1, data: { spec: { x: 1 } } } },
  'apps/daemonsets': { object: { spec: { selector, template } }, status: conditions },
  'apps/deployments': { object: { spec: { replicas: 0, selector, template } }, status: conditions },
  'apps/replicasets': { object: { spec: { replicas: 0, selector, template } }, status: conditions },
  'apps/statefulsets': {
    object: { spec: { replicas: 0, serviceName: 'web', selector, template } },
    status: conditions,
  },
  'autoscaling/horizontalpodautoscalers': {
    object: {
      spec: { maxReplicas: 3, scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' } },
    },
    status: { currentReplicas: 1, desiredReplicas: 2 },
  },
  'batch/cronjobs': {
    object: { spec: { schedule: '*/1 * * * *', suspend: true, jobTemplate } },
    status: { lastScheduleTime: at },
  },
  'batch/jobs': {
    object: { spec: { suspend: true, template: jobTemplate.spec.template } },
    status: { conditions: [{ ...full, lastProbeTime: at }], startTime: at },
  },
  'certificates.k8s.io/certificatesigningrequests': {
    object: { spec: { request, signerName: 'example.com/e2e', usages: ['client auth'] } },
    status: { conditions: [{ ...full, lastUpdateTime: at }] },
  },
  'certificates.k8s.io/clustertrustbundles': { object: { spec: { trustBundle: authority.certPem } } },
  'certificates.k8s.io/podcertificaterequests': {
    object: {
      spec: {
        signerName: 'example.com/pods',
        podName: 'p',
        podUID: 'uid-p',
        serviceAccountName: 'default',
        serviceAccountUID: 'uid-sa',
        nodeName: 'n',
        nodeUID: 'uid-n',
        maxExpirationSeconds: 86400,
        stubPKCS10Request: 'AAAA',
      },
    },
    status: { conditions: [{ ...full, type: 'Failed', reason: 'E2E' }] },
  },
  'coordination.k8s.io/leases': { object: { spec: { holderIdentity: 'me', leaseDurationSeconds: 30 } } },
  'discovery.k8s.io/endpointslices': {
    object: { addressType: 'IPv4', endpoints: [{ addresses: ['1.2.3.4'], conditions: { ready: true } }] },
  },
  'events.k8s.io/events': {
    object: {
      regarding: { kind: 'Pod', name: 'web', namespace: 'lifecycle' },
      reason: 'Test',
      action: 'Do',
      note: 'This is an event',
      type: 'Normal',
      eventTime: '2026-01-01T00:00:00.000000Z',
      reportingController: 'example.com/test',
      reportingInstance: 'test-1',
    },
  },
  'flowcontrol.apiserver.k8s.io/flowschemas': {
    object: {
      spec: {
        matchingPrecedence: 10000,
        priorityLevelConfiguration: { name: 'global-default' },
        distinguisherMethod: { type: 'ByUser' },
        rules: [
          {
            subjects: [{ kind: 'User', user: { name: 'example-e2e-non-existent-user' } }],
            nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
          },
        ],
      },
    },
    status: { conditions: [{ ...full, type: 'Dangling', status: 'False' }] },
  },
  'flowcontrol.apiserver.k8s.io/prioritylevelconfigurations': {
    object: {
      spec: { type: 'Limited', limited: { nominalConcurrencyShares: 2, limitResponse: { type: 'Reject' } } },
    },
    status: conditions,
  },
  'networking.k8s.io/ingressclasses': { object: { spec: { controller: 'example.com/controller' } } },
  'networking.k8s.io/ingresses': {
    object: { spec: { defaultBackend: { service: { name: 'web', port: { number: 80 } } } } },
    status: { loadBalancer: { ingress: [{ ip: '169.1.1.1' }] } },
  },
  'networking.k8s.io/ipaddresses': {
    object: { spec: { parentRef: { group: 'g', resource: 'things', namespace: 'foo', name: 'bar' } } },
    name: n => (n === 2 ? 'fe80::42:1dff:fe84:f9e2' : `192.0.2.${n}`),
  },
  'networking.k8s.io/networkpolicies': { object: { spec: { podSelector: {}, policyTypes: ['Ingress'] } } },
  'networking.k8s.io/servicecidrs': { object: { spec: { cidrs: ['203.0.113.0/24'] } }, status: conditions },
  'node.k8s.io/runtimeclasses': { object: { handler: 'runc' } },
  'policy/poddisruptionbudgets': {
    object: { spec: { minAvailable: '1%', selector } },
    status: { observedGeneration: 1, conditions: [full] },
  },
  'rbac.authorization.k8s.io/clusterrolebindings': { object: { subjects, roleRef: roleRef('ClusterRole') } },
  'rbac.authorization.k8s.io/clusterroles': { object: { rules } },
  'rbac.authorization.k8s.io/rolebindings': { object: { subjects, roleRef: roleRef('ClusterRole') } },
  'rbac.authorization.k8s.io/roles': { object: { rules } },
  'resource.k8s.io/deviceclasses': {
    object: { spec: { selectors: [{ cel: { expression: 'device.driver == "gpu.example.com"' } }] } },
  },
  'resource.k8s.io/devicetaintrules': {
    object: { spec: { taint: { key: 'example.com/broken', effect: 'NoSchedule' } } },
    status: conditions,
  },
  'resource.k8s.io/resourceclaims': {
    object: { spec: deviceRequests },
    status: { allocation: { devices: {} }, reservedFor: [{ resource: 'pods', name: 'p', uid: 'u' }] },
  },
  'resource.k8s.io/resourceclaimtemplates': { object: { spec: { spec: deviceRequests } } },
  'resource.k8s.io/resourceslices': {
    object: {
      spec: {
        driver: 'gpu.example.com',
        nodeName: 'n',
        pool: { name: 'n', generation: 1, resourceSliceCount: 1 },
        devices: [{ name: 'gpu-0' }],
      },
    },
  },
  'scheduling.k8s.io/priorityclasses': { object: { value: 7 } },
  'storage.k8s.io/csidrivers': { object: { spec: { attachRequired: false } } },
  'storage.k8s.io/csinodes': {
    object: { spec: { drivers: [{ name: 'csi.example.com', nodeID: 'n', topologyKeys: ['example.com/zone'] }] } },
  },
  'storage.k8s.io/csistoragecapacities': { object: { storageClassName: 'fast', capacity: '1Gi' } },
  'storage.k8s.io/storageclasses': { object: { provisioner: 'e2e-fake-provisioner' } },
  'storage.k8s.io/volumeattachments': {
    object: {
      spec: { attacher: 'e2e-test.example.com', source: { persistentVolumeName: 'pv' }, nodeName: 'n' },
    },
    status: { attached: true },
  },
  'storage.k8s.io/volumeattributesclasses': {
    held: true,
    object: { driverName: 'csi.example.com', parameters: { iops: '100' } },
  },
  'storagemigration.k8s.io/storageversionmigrations': {
    object: { spec: { resource: { group: 'apps', resource: 'deployments' } } },
    status: conditions,
  },
}
