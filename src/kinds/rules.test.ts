// What is wrong with objects, kind by kind: a field, and what Kubernetes says about it.
import { deepStrictEqual, throws } from 'node:assert'
import { test } from 'node:test'
import type { AnyKind, Kind, KubeObject } from '../api/kind.ts'
import { root } from '../api/path.ts'
import { decode } from '../api/schema/decode.ts'
import { validateObject, validateUpdate } from '../api/validate.ts'
import { MutatingWebhookConfiguration } from './admissionregistration/mutatingwebhookconfiguration.ts'
import { ValidatingAdmissionPolicyBinding } from './admissionregistration/validatingadmissionpolicybinding.ts'
import { APIService } from './apiregistration/apiservice.ts'
import { Deployment } from './apps/deployment.ts'
import { HorizontalPodAutoscaler } from './autoscaling/horizontalpodautoscaler-v2.ts'
import { CronJob } from './batch/cronjob.ts'
import { ConfigMap } from './core/configmap.ts'
import { LimitRange } from './core/limitrange.ts'
import { PersistentVolume } from './core/persistentvolume.ts'
import { PersistentVolumeClaim } from './core/persistentvolumeclaim.ts'
import { Pod } from './core/pod.ts'
import { ResourceQuota } from './core/resourcequota.ts'
import { Service } from './core/service.ts'
import { FlowSchema } from './flowcontrol/flowschema.ts'
import { PriorityLevelConfiguration } from './flowcontrol/prioritylevelconfiguration.ts'
import { NetworkPolicy } from './networking/networkpolicy.ts'
import { ServiceCIDR } from './networking/servicecidr.ts'
import { RuntimeClass } from './node/runtimeclass.ts'
import { RoleBinding } from './rbac/rolebinding.ts'
import { ResourceClaim } from './resource/resourceclaim.ts'
import { ResourceSlice } from './resource/resourceslice.ts'
import { CSINode } from './storage/csinode.ts'
import { StorageClass } from './storage/storageclass.ts'
import { objectOf } from './testing.ts'

const made = (kind: AnyKind, body: object): KubeObject => objectOf(kind as Kind, body)

const lines = (problems: Iterable<{ field: string; body: string }>) => [...problems].map(p => `${p.field}: ${p.body}`)

const container = { name: 'c', image: 'app' }
const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [container] } }
const rule = { operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] }
const webhook = {
  name: 'a.example.com',
  clientConfig: { url: 'https://h' },
  sideEffects: 'None',
  admissionReviewVersions: ['v1'],
}
const device = { name: 'a', attributes: {} }
const pool = { name: 'p', generation: 1, resourceSliceCount: 1 }
const verbs = ['get']
const controllerOf = (name: string) => ({ apiVersion: 'v1', kind: 'A', name, uid: name, controller: true })
const subjects = [{ kind: 'Group', group: { name: 'g' } }]

test('what is wrong with a new object', () => {
  const table: [kind: AnyKind, body: object, expected: string[]][] = [
    [
      ConfigMap,
      { data: { 'a/b': '' } },
      [
        "data[a/b]: Invalid value: \"a/b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
      ],
    ],
    [Pod, { spec: { containers: [] } }, ['spec.containers: Required value']],
    [
      Pod,
      { spec: { containers: [{ ...container, ports: [{ containerPort: 0 }] }] } },
      ['spec.containers[0].ports[0].containerPort: Required value'],
    ],
    [
      Pod,
      { spec: { containers: [container], tolerations: [{ key: 'a', operator: 'Gt', value: '1' }, { operator: 'x' }] } },
      [
        'spec.tolerations[0].operator: Unsupported value: "Gt": supported values: "Equal", "Exists", "Lt", "Gt"',
        'spec.tolerations[1].operator: Invalid value: "x": operator must be Exists when `key` is empty, which means "match all values and all keys"',
        'spec.tolerations[1].operator: Unsupported value: "x": supported values: "Equal", "Exists"',
      ],
    ],
    [
      Deployment,
      { spec: { selector: { matchLabels: { a: 'c' } }, template } },
      ['spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match template `labels`'],
    ],
    [
      CronJob,
      {
        spec: {
          schedule: '61 * * * *',
          jobTemplate: { spec: { template: { spec: { ...template.spec, restartPolicy: 'Never' } } } },
        },
      },
      ['spec.schedule: Invalid value: "61 * * * *": end of range (61) above maximum (59): 61'],
    ],
    [
      Service,
      { spec: { type: 'ExternalName', externalName: 'Bad_' } },
      [
        "spec.externalName: Invalid value: \"Bad_\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
      ],
    ],
    [
      Service,
      { spec: { ports: [{ port: 80 }], externalIPs: ['010.1.1.1'] } },
      ['spec.externalIPs[0]: Invalid value: "010.1.1.1": must not have leading 0s'],
    ],
    [
      LimitRange,
      { spec: { limits: [{ type: 'Pod', max: { cpu: '1' }, min: { cpu: '2' } }] } },
      ['spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1'],
    ],
    [
      ResourceQuota,
      { spec: { hard: { pods: '1' }, scopes: ['Odd'] } },
      ['spec.scopes: Invalid value: ["Odd"]: unsupported scope'],
    ],
    [
      PersistentVolume,
      { spec: { capacity: { cpu: '1' }, accessModes: ['ReadWriteOnce'], local: { path: '/a' } } },
      [
        'spec.capacity: Unsupported value: {"cpu":"1"}: supported values: "storage"',
        'spec.nodeAffinity: Required value: Local volume requires node affinity',
      ],
    ],
    [
      PersistentVolumeClaim,
      { spec: {} },
      [
        'spec.accessModes: Required value: at least 1 access mode is required',
        'spec.resources[storage]: Required value',
      ],
    ],
    [
      StorageClass,
      { provisioner: 'a b', parameters: { '': 'x' } },
      [
        "provisioner: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
        'parameters: Invalid value: "": field can not be empty.',
      ],
    ],
    [
      CSINode,
      { spec: { drivers: [{ name: '', nodeID: '' }] } },
      ['spec.drivers[0].name: Required value', 'spec.drivers[0].nodeID: Required value'],
    ],
    [RuntimeClass, { handler: '' }, ['handler: Required value']],
    [
      ServiceCIDR,
      { spec: { cidrs: ['192.0.2.1/24'] } },
      ['spec.cidrs[0]: Invalid value: "192.0.2.1/24": must not have bits set beyond the prefix length'],
    ],
    [
      NetworkPolicy,
      { spec: { podSelector: {}, ingress: [{ ports: [{ endPort: 90 }] }] } },
      ['spec.ingress[0].ports[0].endPort: Invalid value: 90: may not be specified when `port` is not specified'],
    ],
    [
      RoleBinding,
      { roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: '' } },
      ['roleRef.name: Required value'],
    ],
    [
      ResourceClaim,
      { spec: { devices: { requests: [{ name: 'a' }] } } },
      ['spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required'],
    ],
    [
      ResourceSlice,
      { spec: { driver: 'd.io', pool, allNodes: true, devices: [{ ...device, attributes: { v: { version: 'x' } } }] } },
      [
        'spec.devices[0].attributes[v].version: Invalid value: "x": must be a string compatible with semver.org spec 2.0.0',
      ],
    ],
    [
      MutatingWebhookConfiguration,
      { webhooks: [{ ...webhook, rules: [{ ...rule, resources: ['*', 'pods'] }] }] },
      [
        'webhooks[0].rules[0].resources: Invalid value: ["*","pods"]: if \'*\' is present, must not specify other resources without subresources',
      ],
    ],
    [
      ValidatingAdmissionPolicyBinding,
      { spec: { policyName: 'a', validationActions: ['Deny', 'Warn'] } },
      [
        'spec.validationActions: Invalid value: ["Deny","Warn"]: must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)',
      ],
    ],
    [
      APIService,
      { spec: { group: 'g.io', version: 'v1', groupPriorityMinimum: 1, versionPriority: 0 } },
      [
        'metadata.name: Invalid value: "x": must be `spec.version+"."+spec.group`: "v1.g.io"',
        'spec.versionPriority: Invalid value: 0: must be positive and less than 1000',
      ],
    ],
    [
      HorizontalPodAutoscaler,
      { spec: { scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'a' }, maxReplicas: -1 } },
      [
        'spec.maxReplicas: Invalid value: -1: must be greater than or equal to 1',
        'spec.maxReplicas: Invalid value: -1: must be greater than or equal to `minReplicas`',
      ],
    ],
    [
      FlowSchema,
      {
        spec: {
          priorityLevelConfiguration: { name: 'a' },
          rules: [{ subjects, resourceRules: [{ verbs, apiGroups: ['*'], resources: ['*'] }] }],
        },
      },
      [
        'spec.rules[0].resourceRules[0].namespaces: Required value: resource rules that are not cluster scoped must supply at least one namespace',
      ],
    ],
    [
      PriorityLevelConfiguration,
      { spec: { type: 'Limited' } },
      ['spec.limited: Required value: must not be empty when type is Limited'],
    ],
    [
      PriorityLevelConfiguration,
      { metadata: { name: 'exempt' }, spec: { type: 'Exempt', exempt: { lendablePercent: 50 } } },
      [],
    ],
    [
      PriorityLevelConfiguration,
      { metadata: { name: 'catch-all' }, spec: { type: 'Limited', limited: { limitResponse: { type: 'Reject' } } } },
      [
        'spec: Invalid value: {"Type":"Limited","Limited":{"NominalConcurrencyShares":30,"LimitResponse":{"Type":"Reject","Queuing":null},"LendablePercent":0,"BorrowingLimitPercent":null},"Exempt":null}: spec of \'catch-all\' must equal the fixed value',
      ],
    ],
    [
      ConfigMap,
      {
        metadata: {
          name: 'x',
          namespace: 'default',
          ownerReferences: [
            {},
            { apiVersion: 'a/b/c', kind: 'A', name: 'a', uid: 'a' },
            { apiVersion: 'v1', kind: 'Event', name: 'e', uid: 'e' },
            { apiVersion: 'events.k8s.io/v1', kind: 'Event', name: 'e', uid: 'f' },
          ],
        },
      },
      [
        'metadata.ownerReferences.apiVersion: Invalid value: "": version must not be empty',
        'metadata.ownerReferences.kind: Invalid value: "": must not be empty',
        'metadata.ownerReferences.name: Invalid value: "": must not be empty',
        'metadata.ownerReferences.uid: Invalid value: "": must not be empty',
        'metadata.ownerReferences.apiVersion: Invalid value: "a/b/c": version must not be empty',
        'metadata.ownerReferences: Invalid value: {"apiVersion":"v1","kind":"Event","name":"e","uid":"e"}: /v1, Kind=Event is disallowed from being an owner',
      ],
    ],
    [
      ConfigMap,
      { metadata: { name: 'x', namespace: 'default', ownerReferences: ['b', 'c', 'd'].map(controllerOf) } },
      ['c', 'd'].map(
        name =>
          `metadata.ownerReferences: Invalid value: ${JSON.stringify(['b', 'c', 'd'].map(controllerOf))}: Only one reference can have Controller set to true. Found "true" in references for A/b and A/${name}`,
      ),
    ],
  ]
  for (const [kind, body, expected] of table)
    deepStrictEqual(lines(validateObject(kind, made(kind, body))), expected, kind.kind)
})

test('what may not change', () => {
  const driver = { name: 'd.io', nodeID: 'n' }
  const bound = { phase: 'Bound', capacity: { storage: '2Gi' } }
  const table: [kind: AnyKind, old: object, next: object, expected: string[]][] = [
    [
      StorageClass,
      { provisioner: 'a', parameters: { a: 'b' } },
      { provisioner: 'a', parameters: {} },
      ['parameters: Invalid value: {}: field is immutable'],
    ],
    [
      CSINode,
      { spec: { drivers: [driver] } },
      { spec: { drivers: [{ ...driver, nodeID: 'm' }] } },
      [
        'spec.drivers: Invalid value: {"Name":"d.io","NodeID":"m","TopologyKeys":null,"Allocatable":null}: field is immutable',
      ],
    ],
    [
      PersistentVolumeClaim,
      { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '2Gi' } } }, status: bound },
      { spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } }, status: bound },
      ['spec.resources.requests.storage: Forbidden: field can not be less than status.capacity'],
    ],
  ]
  for (const [kind, old, next, expected] of table)
    deepStrictEqual(lines(validateUpdate(kind, made(kind, next), made(kind, old))), expected, kind.kind)
})

test('what is warned of', () => {
  const table: [kind: AnyKind, body: object, expected: string[]][] = [
    [
      Service,
      { spec: { externalIPs: ['1.2.3.4'] } },
      ['spec.externalIPs is deprecated and may no longer be implemented in some clusters'],
    ],
    [
      Pod,
      { metadata: { name: 'a.b' }, spec: { containers: [{ ...container, env: [{ name: 'A' }, { name: 'A' }] }] } },
      [
        "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]",
        'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply',
      ],
    ],
    [
      Pod,
      {
        spec: {
          containers: [
            { ...container, ports: [{ containerPort: 80 }] },
            { name: 'd', image: 'app', ports: [{ containerPort: 80 }, { containerPort: 80, hostPort: 8080 }] },
          ],
          volumes: [{ name: 'v', rbd: { monitors: ['m'], image: 'i' } }],
          topologySpreadConstraints: [
            { maxSkew: 1, topologyKey: 'beta.kubernetes.io/os', whenUnsatisfiable: 'DoNotSchedule' },
          ],
          imagePullSecrets: [{ name: '' }, { name: 's' }, { name: 's' }],
        },
      },
      [
        'spec.topologySpreadConstraints[0].topologyKey: beta.kubernetes.io/os is deprecated since v1.14; use "kubernetes.io/os" instead',
        'spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod',
        'spec.volumes[0].rbd: deprecated in v1.28, non-functional in v1.31+',
        'spec.imagePullSecrets[2].name: duplicate name "s"',
        'spec.imagePullSecrets[0].name: invalid empty name ""',
        'spec.containers[1].ports[0]: duplicate port definition with spec.containers[0].ports[0]',
        'spec.containers[1].ports[1]: overlapping port definition with spec.containers[0].ports[0]',
        'spec.containers[1].ports[1]: overlapping port definition with spec.containers[1].ports[0]',
      ],
    ],
    [
      PersistentVolumeClaim,
      { spec: { resources: { requests: { storage: '1500m' } } } },
      ['spec.resources.requests[storage]: fractional byte value "1500m" is invalid, must be an integer'],
    ],
  ]
  for (const [kind, body, expected] of table)
    deepStrictEqual([...(kind.warnings?.(made(kind, body), undefined, root) ?? [])], expected, kind.kind)
})

test('a value of the wrong kind is named as Go names it', () => {
  const volumes = (volume: object) => ({ spec: { containers: [container], volumes: [{ name: 'v', ...volume }] } })
  const table: [kind: AnyKind, body: object, expected: string][] = [
    [
      Pod,
      volumes({ nfs: 'x' }),
      'string into Go struct field Volume.spec.volumes.VolumeSource.nfs of type v1.NFSVolumeSource',
    ],
    [
      Pod,
      volumes({ configMap: { name: 1 } }),
      'number into Go struct field ConfigMapVolumeSource.spec.volumes.VolumeSource.configMap.LocalObjectReference.name of type string',
    ],
    [
      Service,
      { spec: { ports: [{ protocol: {} }] } },
      'object into Go struct field ServicePort.spec.ports.protocol of type v1.Protocol',
    ],
    [
      NetworkPolicy,
      { spec: { policyTypes: {} } },
      'object into Go struct field NetworkPolicySpec.spec.policyTypes of type []v1.PolicyType',
    ],
    [ConfigMap, { data: { a: 1 } }, 'number into Go struct field ConfigMap.data of type string'],
  ]
  for (const [kind, body, expected] of table)
    throws(() => decode(kind.schema, body), { message: `json: cannot unmarshal ${expected}` })
})
