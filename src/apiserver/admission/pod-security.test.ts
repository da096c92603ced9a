// The Pod Security Standards, by the labels of namespaces.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Draft } from '../../api/kind.ts'
import { Deployment } from '../../kinds/apps/deployment.ts'
import type { Container } from '../../kinds/core/container.ts'
import { Namespace } from '../../kinds/core/namespace.ts'
import { Pod } from '../../kinds/core/pod.ts'
import type { PodSpec } from '../../kinds/core/podspec.ts'
import { ServiceAccount } from '../../kinds/core/serviceaccount.ts'
import { type Caller, openTestServer } from '../testing.ts'
import { refusal } from './testing.ts'

const key = (mode: string) => `pod-security.kubernetes.io/${mode}`

async function namespace(admin: Caller, name: string, labels: Record<string, string>): Promise<void> {
  await admin.create(Namespace, { metadata: { name, labels } })
  await admin.create(ServiceAccount, { metadata: { name: 'default', namespace: name } })
}

const container = (
  securityContext: Draft<Container>['securityContext'] = {},
  more: Draft<Container> = {},
): Draft<Container> => ({ name: 'c', image: 'i', securityContext, ...more })

/** A container that restricted allows, if its pod is not root and has a profile. */
const modest = (more: Draft<Container>['securityContext'] = {}) =>
  container({ allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] }, ...more })
const careful = { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } } as const

type Spec = Draft<PodSpec>
const table: [level: string, spec: Spec, why: string | undefined, annotations?: Record<string, string>][] = [
  ['privileged:latest', { hostNetwork: true, containers: [container({ privileged: true })] }, undefined],
  ['baseline:latest', {}, undefined],
  ['baseline:latest', { hostNetwork: true, hostPID: true }, 'host namespaces (hostNetwork=true, hostPID=true)'],
  [
    'baseline:latest',
    { containers: [container({ privileged: true }), container({ privileged: true }, { name: 'd' })] },
    'privileged (containers "c", "d" must not set securityContext.privileged=true)',
  ],
  [
    'baseline:latest',
    { containers: [container({}, { ports: [{ containerPort: 80, hostPort: 80 }] })] },
    'hostPort (container "c" uses hostPort 80)',
  ],
  ['baseline:latest', { volumes: [{ name: 'v', hostPath: { path: '/' } }] }, 'hostPath volumes (volume "v")'],
  [
    'baseline:latest',
    { containers: [container({ capabilities: { add: ['NET_ADMIN', 'CHOWN'] } })] },
    'non-default capabilities (container "c" must not include "NET_ADMIN" in securityContext.capabilities.add)',
  ],
  [
    'baseline:latest',
    { containers: [container({ seccompProfile: { type: 'Unconfined' } })] },
    'seccompProfile (container "c" must not set securityContext.seccompProfile.type to "Unconfined")',
  ],
  [
    'baseline:latest',
    { securityContext: { seLinuxOptions: { type: 'spc_t', user: 'u' } } },
    'seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type "spc_t"; user may not be set)',
  ],
  [
    'baseline:latest',
    { securityContext: { appArmorProfile: { type: 'Unconfined' } } },
    'forbidden AppArmor profile (pod must not set AppArmor profile type to "Unconfined")',
  ],
  [
    'baseline:latest',
    { securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '1' }] } },
    'forbidden sysctls (kernel.msgmax)',
  ],
  [
    'baseline:v1.31',
    { securityContext: { sysctls: [{ name: 'net.ipv4.tcp_rmem', value: '1' }] } },
    'forbidden sysctls (net.ipv4.tcp_rmem)',
  ],
  ['baseline:v1.32', { securityContext: { sysctls: [{ name: 'net.ipv4.tcp_rmem', value: '1' }] } }, undefined],
  [
    'baseline:latest',
    { containers: [container({}, { livenessProbe: { tcpSocket: { host: 'h', port: 1 } } })] },
    'probe or lifecycle host (container "c" uses probe or lifecycle host "h")',
  ],
  [
    'baseline:v1.33',
    { containers: [container({}, { livenessProbe: { tcpSocket: { host: 'h', port: 1 } } })] },
    undefined,
  ],
  ['restricted:latest', { containers: [modest()], securityContext: careful }, undefined],
  [
    'restricted:latest',
    { containers: [container()] },
    'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
  ],
  [
    'restricted:latest',
    { containers: [modest({ runAsUser: 0, runAsNonRoot: false })], securityContext: careful },
    'runAsNonRoot != true (container "c" must not set securityContext.runAsNonRoot=false), runAsUser=0 (container "c" must not set runAsUser=0)',
  ],
  [
    'restricted:latest',
    { containers: [modest()], securityContext: careful, volumes: [{ name: 'v', hostPath: { path: '/' } }] },
    'restricted volume types (volume "v" uses restricted volume type "hostPath")',
  ],
  [
    'restricted:latest',
    { hostPID: true, containers: [modest()], securityContext: { runAsNonRoot: true } },
    'host namespaces (hostPID=true), seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
  ],
  ['restricted:v1.7', { containers: [container()], securityContext: { runAsNonRoot: true } }, undefined],
]

test('pods are refused by the level and version of their namespace', async t => {
  const { admin } = await openTestServer(t)
  for (const [row, [policy, spec, why]] of table.entries()) {
    const [level, version] = policy.split(':') as [string, string]
    const name = `n${row}`
    await namespace(admin, name, { [key('enforce')]: level, [key('enforce-version')]: version })
    const make = () =>
      admin.create(Pod, { metadata: { name: 'a', namespace: name }, spec: { containers: [container()], ...spec } })
    if (why === undefined) await make()
    else {
      const message = `pods "a" is forbidden: violates PodSecurity "${policy}": ${why}`
      assert.deepEqual(await refusal(make()), { message, code: 403, reason: 'Forbidden' }, `row ${row}`)
    }
  }
})

test('warnings and notes leave a pod alone, and workloads get nothing else', async t => {
  const { admin } = await openTestServer(t)
  const labels = { [key('warn')]: 'baseline', [key('audit')]: 'baseline', [key('enforce')]: 'privileged' }
  await namespace(admin, 'n', labels)
  const spec = { hostNetwork: true, containers: [container()] }
  const text = 'would violate PodSecurity "baseline:latest": host namespaces (hostNetwork=true)'
  const annotations = new Map<string, string>()
  const made = await admin.ask('create', Pod, {
    namespace: 'n',
    body: { metadata: { name: 'a' }, spec } as object as {},
    annotations,
  })
  assert.deepEqual(made.warnings, [text])
  assert.deepEqual(Object.fromEntries(annotations), {
    'authorization.k8s.io/decision': 'allow',
    'authorization.k8s.io/reason': '',
    [key('enforce-policy')]: 'privileged:latest',
    [key('audit-violations')]: text,
  })
  await admin.patch(Namespace, 'n', 'merge', { metadata: { labels: { [key('enforce')]: 'baseline' } } })
  const selector = { matchLabels: { app: 'a' } }
  const template = { metadata: { labels: { app: 'a' } }, spec }
  const workload = await admin.ask('create', Deployment, {
    namespace: 'n',
    body: { metadata: { name: 'd' }, spec: { selector, template } } as object as {},
  })
  assert.deepEqual(workload.warnings, [text])
})

test('updates are judged when they change images or add containers, and else let be', async t => {
  const { admin } = await openTestServer(t)
  await namespace(admin, 'n', {})
  await admin.create(Pod, {
    metadata: { name: 'a', namespace: 'n' },
    spec: { hostPID: true, containers: [container()] },
  })
  await admin.patch(Namespace, 'n', 'merge', { metadata: { labels: { [key('enforce')]: 'baseline' } } })
  await admin.patch(Pod, 'n/a', 'merge', { metadata: { labels: { x: 'y' } } })
  const image = [{ op: 'replace', path: '/spec/containers/0/image', value: 'other' }]
  assert.match(
    (await refusal(admin.patch(Pod, 'n/a', 'json', image))).message,
    /violates PodSecurity "baseline:latest"/,
  )
  const ephemeral = { spec: { ephemeralContainers: [{ name: 'e', image: 'i' }] } }
  const adding = admin.patch(Pod, 'n/a', 'strategic', ephemeral, { subresource: 'ephemeralcontainers' })
  assert.match((await refusal(adding)).message, /violates PodSecurity "baseline:latest"/)
})

test('labels that cannot be read are refused, and a stricter level warns of the pods that violate it', async t => {
  const { admin } = await openTestServer(t)
  const wrong = await refusal(
    admin.create(Namespace, {
      metadata: { name: 'x', labels: { [key('enforce')]: 'strict', [key('warn-version')]: '1' } },
    }),
  )
  assert.equal(
    wrong.message,
    'Namespace "x" is invalid: [metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "strict": must be one of privileged, baseline, restricted, metadata.labels[pod-security.kubernetes.io/warn-version]: Invalid value: "1": must be "latest" or "v1.x"]',
  )
  await namespace(admin, 'n', {})
  for (const name of ['b', 'a', 'c'])
    await admin.create(Pod, { metadata: { name, namespace: 'n' }, spec: { hostPID: true, containers: [container()] } })
  const raised = await admin.ask('patch', Namespace, {
    name: 'n',
    patchType: 'merge',
    body: { metadata: { labels: { [key('enforce')]: 'baseline' } } },
  })
  assert.deepEqual(raised.warnings, [
    'existing pods in namespace "n" violate the new PodSecurity enforce level "baseline:latest"',
    'a (and 2 other pods): host namespaces',
  ])
})
