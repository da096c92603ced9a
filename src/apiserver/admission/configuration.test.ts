// The configuration of admission plugins, and what they do differently by it.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { JsonObject } from '../../api/schema/node.ts'
import { Deployment } from '../../kinds/apps/deployment.ts'
import { Event } from '../../kinds/core/event.ts'
import { Namespace } from '../../kinds/core/namespace.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { ServiceAccount } from '../../kinds/core/serviceaccount.ts'
import { Event as NewEvent } from '../../kinds/events/event.ts'
import { openMemoryStore } from '../../store/index.ts'
import { openTestServer } from '../testing.ts'
import { loadAdmissionConfiguration } from './configuration.ts'
import { pluginProblem } from './plugins.ts'
import { refusal } from './testing.ts'

function directory(t: TestContext, files: Readonly<Record<string, string>>): string {
  const dir = mkdtempSync(join(tmpdir(), 'kutter-admission-'))
  t.after(() => rmSync(dir, { recursive: true }))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text)
  return dir
}

const head = 'apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins:\n'
/** An entry with its configuration, which is indented by four. */
const entry = (name: string, lines: readonly string[]) =>
  `- name: ${name}\n  configuration:\n${lines.map(line => `    ${line}\n`).join('')}`

async function load(t: TestContext, ...entries: string[]) {
  return loadAdmissionConfiguration(join(directory(t, { 'a.yaml': head + entries.join('') }), 'a.yaml'))
}

const security = [
  'apiVersion: pod-security.admission.config.k8s.io/v1',
  'kind: PodSecurityConfiguration',
  'defaults: { enforce: baseline, enforce-version: v1.30, warn: restricted }',
  'exemptions: { usernames: [builder], namespaces: [system], runtimeClasses: [sandbox] }',
]
const limits = (...lines: string[]) => [
  'apiVersion: eventratelimit.admission.k8s.io/v1alpha1',
  'kind: Configuration',
  'limits:',
  ...lines,
]

test('an entry has its configuration, or names a file beside the first one', async t => {
  const dir = directory(t, {
    'a.yaml': `${head}- { name: PodSecurity, path: security.yaml }\n${entry('EventRateLimit', limits('- { type: User, qps: 5, burst: 7 }'))}`,
    'security.yaml': security.join('\n'),
  })
  const { podSecurity, eventLimits } = await loadAdmissionConfiguration(join(dir, 'a.yaml'))
  assert.deepEqual(podSecurity?.defaults, {
    enforce: { level: 'baseline', version: 30 },
    audit: { level: 'privileged', version: 'latest' },
    warn: { level: 'restricted', version: 'latest' },
  })
  assert.deepEqual([...podSecurity.exemptions.namespaces], ['system'])
  assert.deepEqual(eventLimits, [{ type: 'User', qps: 5, burst: 7, cacheSize: 4096 }])
})

test('every mistake is named with the file and the field', async t => {
  const mistakes: [text: string, problems: string[]][] = [
    ['{', ['is not YAML']],
    ['plugins: {}', ['apiVersion: must be apiserver.config.k8s.io/v1', 'kind: must be', 'plugins: must be a list']],
    [`${head}- { name: Nothing, configuration: {} }`, ['plugins[0].name: only these plugins have a configuration']],
    [`${head}- { name: PodSecurity }`, ['plugins[0]: must have either a path or a configuration']],
    [`${head}- { name: PodSecurity, path: none.yaml }`, ['none.yaml cannot be read']],
    [
      head + entry('PodNodeSelector', ['{}']) + entry('PodNodeSelector', ['{}']),
      ['plugins[1]: there is another entry for the plugin "PodNodeSelector"'],
    ],
    [
      head +
        entry('PodSecurity', ['defaults: { enforce: odd, warn-version: "1", x: y }', 'exemptions: { namespaces: a }']),
      [
        'plugins[0].configuration: apiVersion: must be pod-security.admission.config.k8s.io/v1',
        'defaults.enforce: must be one of privileged, baseline, restricted',
        'defaults.warn-version: must be "latest" or "v1.x"',
        'defaults.x: unknown field',
        'exemptions.namespaces: must be a list',
      ],
    ],
    [
      head + entry('EventRateLimit', limits('- { type: Odd, qps: 0 }')),
      [
        'limits[0].type: must be one of Server',
        'limits[0].qps: must be a whole number',
        'limits[0].burst: is required',
      ],
    ],
    [head + entry('EventRateLimit', limits('  []')), ['limits: must not be empty']],
    [
      head + entry('PodNodeSelector', ['podNodeSelectorPluginConfig: { clusterDefaultNodeSelector: "a=(" }']),
      ['podNodeSelectorPluginConfig.clusterDefaultNodeSelector'],
    ],
    [
      head +
        entry('PodTolerationRestriction', [
          'apiVersion: podtolerationrestriction.admission.k8s.io/v1alpha1',
          'kind: Configuration',
          'default: [{ kee: a }]',
        ]),
      ['default[0].kee: unknown field'],
    ],
  ]
  for (const [text, problems] of mistakes) {
    const path = join(directory(t, { 'a.yaml': text }), 'a.yaml')
    const { message } = await refusal(loadAdmissionConfiguration(path))
    for (const problem of problems) assert.ok(message.includes(problem), `${problem} in ${message}`)
    assert.ok(message.includes(path) || message.includes('none.yaml'), message)
  }
})

test('limits of events need a configuration', () => {
  assert.match(pluginProblem({ enable: ['EventRateLimit'] }) ?? '', /needs limits/)
  assert.equal(pluginProblem({ enable: ['EventRateLimit'], disable: ['EventRateLimit'] }), undefined)
  assert.equal(pluginProblem({}), undefined)
})

const pod = (name: string, more: object = {}) => ({
  metadata: { name },
  spec: { hostNetwork: true, containers: [{ name: 'c', image: 'i:1' }], ...more },
})

test('pods are judged by the defaults of the server where labels demand nothing else', async t => {
  const configuration = await load(t, entry('PodSecurity', security))
  const { admin } = await openTestServer(t, openMemoryStore(), { plugins: { configuration } })
  const refused = await refusal(admin.create(Pod, pod('a')))
  assert.match(refused.message, /violates PodSecurity "baseline:v1\.30": host namespaces \(hostNetwork=true\)$/)
  const { warnings } = await admin.ask('create', Pod, {
    namespace: 'default',
    body: pod('b', { hostNetwork: false }),
  })
  assert.match(warnings?.join() ?? '', /would violate PodSecurity "restricted:latest"/)
  await admin.patch(Namespace, 'default', 'merge', {
    metadata: { labels: { 'pod-security.kubernetes.io/enforce': 'privileged' } },
  })
  await admin.create(Pod, pod('a'))
})

test('exempt namespaces, users and runtime classes are not judged, and the audit log has the reason', async t => {
  const configuration = await load(t, entry('PodSecurity', security))
  const { admin, as } = await openTestServer(t, openMemoryStore(), { plugins: { configuration } })
  await admin.create(Namespace, { metadata: { name: 'system' } })
  await admin.create(ServiceAccount, { metadata: { name: 'default', namespace: 'system' } })
  const builder = as('builder', 'system:masters')
  const tried = async (caller: typeof admin, namespace: string, body: JsonObject) => {
    const annotations = new Map<string, string>()
    await caller.ask('create', Pod, { namespace, body, annotations })
    return annotations.get('pod-security.kubernetes.io/exempt')
  }
  assert.equal(await tried(admin, 'system', pod('a')), 'namespace')
  assert.equal(await tried(builder, 'default', pod('b')), 'user')
  const template = { metadata: { labels: { app: 'a' } }, spec: pod('x').spec }
  const spec = { selector: { matchLabels: { app: 'a' } }, template }
  const { warnings } = await builder.ask('create', Deployment, {
    namespace: 'default',
    body: { metadata: { name: 'd' }, spec },
  })
  assert.deepEqual(warnings ?? [], [])
  assert.match((await refusal(tried(admin, 'default', pod('c')))).message, /violates PodSecurity/)
})

test('a policy for an exempt namespace is answered with a warning that it is ignored', async t => {
  const configuration = await load(t, entry('PodSecurity', security))
  const { admin } = await openTestServer(t, openMemoryStore(), { plugins: { configuration } })
  const labels = {
    'pod-security.kubernetes.io/enforce': 'restricted',
    'pod-security.kubernetes.io/audit-version': 'v1.20',
  }
  const { warnings } = await admin.ask('create', Namespace, { body: { metadata: { name: 'system', labels } } })
  assert.deepEqual(warnings, [
    'namespace "system" is exempt from Pod Security, and the policy (enforce=restricted:v1.30) will be ignored',
  ])
})

const event = (namespace: string, name: string) => ({
  metadata: { name, namespace },
  involvedObject: { kind: 'Pod', namespace, name: 'p' },
  source: { component: 'c' },
  reason: 'R',
  message: 'm',
  type: 'Normal',
})

test('events over a limit are refused until time has passed, in both groups together', async t => {
  const configuration = await load(
    t,
    entry(
      'EventRateLimit',
      limits('- { type: Namespace, qps: 1, burst: 2 }', '- { type: SourceAndObject, qps: 1, burst: 5 }'),
    ),
  )
  const plugins = { enable: ['EventRateLimit'], configuration }
  const { admin, clock } = await openTestServer(t, openMemoryStore(), { plugins })
  await admin.create(Namespace, { metadata: { name: 'other' } })
  await admin.create(Event, event('default', 'a'))
  const newer = {
    metadata: { name: 'b', namespace: 'default' },
    eventTime: '2026-01-01T00:00:00.000000Z',
    reportingController: 'example.com/c',
    reportingInstance: 'c-1',
    action: 'Act',
    reason: 'R',
    type: 'Normal',
    regarding: { kind: 'Pod', namespace: 'default', name: 'p' },
  }
  await admin.create(NewEvent, newer)
  const refused = await refusal(admin.create(Event, event('default', 'c')))
  assert.deepEqual(refused, {
    code: 429,
    reason: 'TooManyRequests',
    message: 'Too many requests: limit reached on type Namespace for key default',
  })
  await admin.create(Event, event('other', 'a'))
  await clock.forward(1000)
  await admin.create(Event, event('default', 'c'))
  await refusal(admin.create(Event, event('default', 'd')))
})

test('a limit forgets the key that was unused longest', async t => {
  const configuration = await load(
    t,
    entry('EventRateLimit', limits('- { type: Namespace, qps: 1, burst: 1, cacheSize: 1 }')),
  )
  const { admin } = await openTestServer(t, openMemoryStore(), {
    plugins: { enable: ['EventRateLimit'], configuration },
  })
  await admin.create(Namespace, { metadata: { name: 'other' } })
  await admin.create(Event, event('default', 'a'))
  await refusal(admin.create(Event, event('default', 'b')))
  await admin.create(Event, event('other', 'a'))
  await admin.create(Event, event('default', 'b'))
})

test('node selectors and tolerations of the configuration are for namespaces without annotations', async t => {
  const configuration = await load(
    t,
    entry('PodNodeSelector', ['podNodeSelectorPluginConfig: { clusterDefaultNodeSelector: disk=fast, other: zone=a }']),
    entry('PodTolerationRestriction', [
      'apiVersion: podtolerationrestriction.admission.k8s.io/v1alpha1',
      'kind: Configuration',
      'default: [{ key: dedicated, operator: Exists, effect: NoSchedule }]',
      'whitelist: [{ key: dedicated, operator: Exists }, { operator: Exists, effect: NoExecute }]',
    ]),
  )
  const plugins = { enable: ['PodNodeSelector', 'PodTolerationRestriction'], configuration }
  const { admin } = await openTestServer(t, openMemoryStore(), { plugins })
  const annotations = { 'scheduler.alpha.kubernetes.io/node-selector': 'zone=a' }
  await admin.create(Namespace, { metadata: { name: 'other', annotations } })
  await admin.create(ServiceAccount, { metadata: { name: 'default', namespace: 'other' } })
  const { spec } = await admin.create(Pod, pod('a'))
  assert.deepEqual(spec.nodeSelector, { disk: 'fast' })
  assert.ok(spec.tolerations?.some(({ key }) => key === 'dedicated'))
  const inOther = (name: string, nodeSelector: Record<string, string>) => {
    const made = pod(name, { nodeSelector })
    return admin.create(Pod, { ...made, metadata: { name, namespace: 'other' } })
  }
  assert.deepEqual((await inOther('a', {})).spec.nodeSelector, { zone: 'a' })
  assert.match((await refusal(inOther('b', { disk: 'fast' }))).message, /conflict with its namespace whitelist$/)
  const refused = await refusal(admin.create(Pod, pod('b', { tolerations: [{ key: 'x', operator: 'Exists' }] })))
  assert.match(refused.message, /conflict with its namespace whitelist$/)
})
