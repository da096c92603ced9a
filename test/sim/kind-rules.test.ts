// Defaults and validation messages of the kinds that have few rules.
import { deepStrictEqual, match, rejects } from 'node:assert/strict'
import { test } from 'node:test'
import type { AnyKind, KubeObject } from '../../src/api/kind.ts'
import type { JsonObject } from '../../src/api/schema/node.ts'
import { builtinKinds } from '../../src/kinds/all.ts'
import { examples } from './lifecycle-objects.ts'
import { type Sim, simulate } from './cluster.ts'

const alone = { controllers: false, scheduler: false }
const user = { name: 'tester', groups: ['system:masters'] }
const kindOf = (key: string) => builtinKinds.find(k => `${k.group}/${k.plural}` === key)!

async function write(
  sim: Sim,
  kind: AnyKind,
  verb: 'create' | 'patch',
  body: object,
): Promise<KubeObject & JsonObject> {
  const result = await sim.plane.serve({
    verb,
    kind,
    subresource: '',
    namespace: kind.namespaced ? 'default' : '',
    name: verb === 'patch' ? 'one' : '',
    user,
    options: {},
    body: structuredClone(body) as JsonObject,
    ...(verb === 'patch' && { patchType: 'merge' as const }),
  })
  if (result.type !== 'object') throw new Error(`a ${result.type}`)
  return result.item.object as unknown as KubeObject & JsonObject
}

const named = (key: string, more: JsonObject = {}) => ({ metadata: { name: 'one' }, ...examples[key]!.object, ...more })

test('fields that are left out get their defaults', () =>
  simulate(alone, async sim => {
    const table: [key: string, path: string, expected: unknown][] = [
      ['storage.k8s.io/csidrivers', 'spec.fsGroupPolicy', 'ReadWriteOnceWithFSType'],
      ['storage.k8s.io/csidrivers', 'spec.volumeLifecycleModes', ['Persistent']],
      ['storage.k8s.io/csidrivers', 'spec.podInfoOnMount', false],
      ['storage.k8s.io/storageclasses', 'volumeBindingMode', 'Immediate'],
      ['scheduling.k8s.io/priorityclasses', 'preemptionPolicy', 'PreemptLowerPriority'],
      ['flowcontrol.apiserver.k8s.io/prioritylevelconfigurations', 'spec.limited.lendablePercent', 0],
      ['networking.k8s.io/networkpolicies', 'spec.policyTypes', ['Ingress']],
    ]
    const made = new Map<string, KubeObject & JsonObject>()
    for (const [key, path, expected] of table) {
      if (!made.has(key)) made.set(key, await write(sim, kindOf(key), 'create', named(key)))
      const value = path.split('.').reduce<unknown>((at, part) => (at as JsonObject)[part], made.get(key))
      deepStrictEqual(value, expected, `${key} ${path}`)
    }
  }))

test('the policy types of a NetworkPolicy follow from its rules', () =>
  simulate(alone, async sim => {
    const kind = kindOf('networking.k8s.io/networkpolicies')
    const spec = { podSelector: {}, egress: [{ ports: [{ port: 53 }] }] }
    const made = await write(sim, kind, 'create', { metadata: { name: 'one' }, spec })
    deepStrictEqual((made.spec as JsonObject).policyTypes, ['Ingress', 'Egress'])
    deepStrictEqual((made.spec as JsonObject).egress, [{ ports: [{ protocol: 'TCP', port: 53 }] }])
  }))

test('immutable fields cannot change', () =>
  simulate(alone, async sim => {
    const table: [key: string, change: object, message: RegExp][] = [
      ['apps/controllerrevisions', { data: { spec: { x: 2 } } }, /data: Invalid value: .*: field is immutable/],
      ['coordination.k8s.io/leases', { spec: { leaseDurationSeconds: 0 } }, /must be greater than 0/],
      [
        'discovery.k8s.io/endpointslices',
        { addressType: 'IPv6', endpoints: [] },
        /addressType: Invalid value: "IPv6": field is immutable/,
      ],
      [
        'networking.k8s.io/ingressclasses',
        { spec: { controller: 'example.com/b' } },
        /spec.controller: .*field is immutable/,
      ],
      ['node.k8s.io/runtimeclasses', { handler: 'other' }, /handler: Invalid value: "other": field is immutable/],
      ['resource.k8s.io/resourceclaims', { spec: { devices: null } }, /spec: Invalid value: .*field is immutable/],
      ['scheduling.k8s.io/priorityclasses', { value: 8 }, /value: Forbidden: may not be changed in an update\./],
      ['storage.k8s.io/csidrivers', { spec: { attachRequired: true } }, /spec.attachedRequired: .*field is immutable/],
      [
        'storage.k8s.io/storageclasses',
        { provisioner: 'other' },
        /provisioner: Invalid value: "other": field is immutable/,
      ],
      [
        'storage.k8s.io/volumeattachments',
        { spec: { nodeName: 'other' } },
        /spec: Invalid value: .*field is immutable/,
      ],
    ]
    for (const [key, change, message] of table) {
      await write(sim, kindOf(key), 'create', named(key))
      await rejects(
        write(sim, kindOf(key), 'patch', change),
        (error: Error) => (match(error.message, message), true),
        key,
      )
    }
  }))

const ingress = (spec: object) => ({ metadata: { name: 'one' }, spec })
const backend = { service: { name: 'web', port: { number: 80 } } }
const onPath = (path: object) =>
  ingress({ rules: [{ http: { paths: [{ path: '/', pathType: 'Prefix', backend, ...path }] } }] })
const role = (rule: object) => ({ metadata: { name: 'one' }, rules: [rule] })
const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' }
const binding = (more: object) => ({ metadata: { name: 'one' }, roleRef, subjects: [], ...more })

const slice = (more: object) => ({ metadata: { name: 'one' }, addressType: 'IPv4', endpoints: [], ...more })
const policy = (spec: object) => ({ metadata: { name: 'one' }, spec: { podSelector: {}, ...spec } })
const budget = (spec: object) => ({ metadata: { name: 'one' }, spec })

test('invalid objects are refused with their problems', () =>
  simulate(alone, async sim => {
    const table: [key: string, body: object, message: RegExp][] = [
      [
        'discovery.k8s.io/endpointslices',
        slice({ endpoints: [{ addresses: ['x'] }] }),
        /endpoints\[0\].addresses\[0\]: Invalid value: "x": must be a valid IP address/,
      ],
      ['discovery.k8s.io/endpointslices', slice({ endpoints: [{ addresses: ['::1'] }] }), /must be an IPv4 address/],
      [
        'discovery.k8s.io/endpointslices',
        slice({ ports: [{ name: 'a' }, { name: 'a' }] }),
        /ports\[1\].name: Duplicate value: "a"/,
      ],
      ['discovery.k8s.io/endpointslices', slice({ addressType: 'X' }), /addressType: Unsupported value: "X"/],
      [
        'networking.k8s.io/networkpolicies',
        policy({ ingress: [{ from: [{}] }] }),
        /spec.ingress\[0\].from\[0\]: Required value: must specify a peer/,
      ],
      [
        'networking.k8s.io/networkpolicies',
        policy({ ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['11.0.0.0/9'] } }] }] }),
        /except\[0\]: .*must be a strict subset of `cidr`/,
      ],
      [
        'networking.k8s.io/networkpolicies',
        policy({ egress: [{ ports: [{ port: 9, endPort: 8 }] }] }),
        /must be greater than or equal to `port`/,
      ],
      [
        'networking.k8s.io/networkpolicies',
        policy({ policyTypes: ['Sideways'] }),
        /supported values: "Ingress", "Egress"/,
      ],
      [
        'policy/poddisruptionbudgets',
        budget({ minAvailable: 1, maxUnavailable: 1 }),
        /minAvailable and maxUnavailable cannot be both set/,
      ],
      ['policy/poddisruptionbudgets', budget({ minAvailable: '101%' }), /must not be greater than 100%/],
      ['policy/poddisruptionbudgets', budget({ maxUnavailable: -1 }), /must be greater than or equal to 0/],
      [
        'scheduling.k8s.io/priorityclasses',
        { metadata: { name: 'system-mine' }, value: 1 },
        /reserved for system use only/,
      ],
      [
        'scheduling.k8s.io/priorityclasses',
        { metadata: { name: 'one' }, value: 1_000_000_001 },
        /maximum allowed value of a user defined priority is 1000000000/,
      ],
      [
        'networking.k8s.io/ingressclasses',
        {
          metadata: { name: 'one' },
          spec: { controller: 'a.b/c', parameters: { kind: 'K', name: 'n', scope: 'Namespace' } },
        },
        /spec.parameters.namespace: Required value/,
      ],
      [
        'flowcontrol.apiserver.k8s.io/flowschemas',
        { metadata: { name: 'one' }, spec: { matchingPrecedence: 10001, priorityLevelConfiguration: { name: 'x' } } },
        /must not be greater than 10000/,
      ],
      [
        'networking.k8s.io/ingresses',
        ingress({}),
        /spec: Invalid value: .*either `defaultBackend` or `rules` must be specified/,
      ],
      [
        'networking.k8s.io/ingresses',
        ingress({ rules: [{ host: '1.2.3.4' }] }),
        /must be a DNS name, not an IP address/,
      ],
      [
        'networking.k8s.io/ingresses',
        ingress({ rules: [{ host: 'a.*.b' }] }),
        /a wildcard DNS-1123 subdomain must start with/,
      ],
      [
        'networking.k8s.io/ingresses',
        onPath({ pathType: null }),
        /paths\[0\].pathType: Required value: pathType must be specified/,
      ],
      ['networking.k8s.io/ingresses', onPath({ path: 'x' }), /must be an absolute path/],
      ['networking.k8s.io/ingresses', onPath({ path: '/a/../b' }), /must not contain '\/..\/'/],
      ['networking.k8s.io/ingresses', onPath({ backend: {} }), /resource or service backend is required/],
      [
        'networking.k8s.io/ingresses',
        onPath({ backend: { service: { name: 'web', port: {} } } }),
        /backend: Required value: port name or number is required/,
      ],
      [
        'rbac.authorization.k8s.io/roles',
        role({ verbs: [], apiGroups: [''], resources: ['pods'] }),
        /rules\[0\].verbs: Required value: verbs must contain at least one value/,
      ],
      [
        'rbac.authorization.k8s.io/roles',
        role({ verbs: ['get'], nonResourceURLs: ['/x'] }),
        /namespaced rules cannot apply to non-resource URLs/,
      ],
      [
        'rbac.authorization.k8s.io/clusterroles',
        role({ verbs: ['get'], resources: ['pods'] }),
        /must supply at least one api group/,
      ],
      [
        'rbac.authorization.k8s.io/clusterrolebindings',
        binding({ roleRef: { ...roleRef, kind: 'Role' } }),
        /roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"/,
      ],
      [
        'rbac.authorization.k8s.io/clusterrolebindings',
        binding({ subjects: [{ kind: 'ServiceAccount', name: 'a' }] }),
        /subjects\[0\].namespace: Required value/,
      ],
      [
        'rbac.authorization.k8s.io/rolebindings',
        binding({ subjects: [{ kind: 'Robot', name: 'a' }] }),
        /subjects\[0\].kind: Unsupported value: "Robot"/,
      ],
      [
        'node.k8s.io/runtimeclasses',
        { metadata: { name: 'one' }, handler: 'A B' },
        /handler: Invalid value: "A B": a lowercase RFC 1123 label/,
      ],
    ]
    for (const [key, body, message] of table)
      await rejects(write(sim, kindOf(key), 'create', body), (error: Error) => (match(error.message, message), true))
  }))
