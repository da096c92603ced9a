// Authorizers that an administrator chooses: their configuration, their order, and servers that decide.
import { deepStrictEqual, match, ok, strictEqual } from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { VirtualClock } from '../../base/clock.ts'
import { silentLog } from '../../base/log.ts'
import { metricsText } from '../../base/metrics.ts'
import { seededRandom } from '../../base/random.ts'
import { type JsonAnswer, jsonServer, untilSettled } from '../post-json-testing.ts'
import type { AccessRequest, Authorizer, Decision } from './authorizer.ts'
import { AuthorizerChoice, type ChosenAuthorizer, requestAuthorizer } from './chosen.ts'
import { parseAuthorization } from './configuration.ts'
import { WebhookAuthorizer } from './webhook.ts'

const head = { apiVersion: 'apiserver.config.k8s.io/v1', kind: 'AuthorizationConfiguration' }
const webhook = {
  timeout: '1s',
  subjectAccessReviewVersion: 'v1',
  failurePolicy: 'NoOpinion',
  connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: '/there' },
}
const parse = (authorizers: unknown[]) =>
  parseAuthorization(JSON.stringify({ ...head, authorizers }), 'f', file =>
    file === '/there' ? undefined : 'error loading file: none',
  )

function mistakes(authorizers: unknown[]): string[] {
  try {
    parse(authorizers)
    return []
  } catch (error) {
    return (error as Error).message.split('\n').filter(line => line.startsWith('f: '))
  }
}

const hook = (more: object) => [{ type: 'Webhook', name: 'w', webhook: { ...webhook, ...more } }]
const conditions = (...expressions: string[]) => ({
  matchConditionSubjectAccessReviewVersion: 'v1',
  matchConditions: expressions.map(expression => ({ expression })),
})

const table: readonly (readonly [authorizers: unknown[], expected: readonly string[]])[] = [
  [[], ['authorizers: Required value: at least one authorization mode must be defined']],
  [[{ type: 'Node', name: 'n' }, { type: 'RBAC', name: 'r' }, ...hook({}), { ...hook({})[0], name: 'w2' }], []],
  [
    [
      { type: 'AlwaysAllow', name: 'a' },
      { type: 'AlwaysDeny', name: 'd' },
    ],
    [],
  ],
  [[{ name: 'n' }], ['authorizers[0].type: Required value']],
  [
    [{ type: 'ABAC', name: 'n' }],
    [
      'authorizers[0].type: Unsupported value: "ABAC": supported values: "AlwaysAllow", "AlwaysDeny", "Node", "RBAC", "Webhook"',
    ],
  ],
  [
    [
      { type: 'RBAC', name: 'a' },
      { type: 'RBAC', name: 'b' },
    ],
    ['authorizers[1].type: Duplicate value: "RBAC"'],
  ],
  [[{ type: 'RBAC' }], ['authorizers[0].name: Required value']],
  [
    [
      { type: 'RBAC', name: 'a' },
      { type: 'Node', name: 'a' },
    ],
    ['authorizers[1].name: Duplicate value: "a"'],
  ],
  [[{ type: 'RBAC', name: 'A_' }], ['authorizers[0].name: Invalid value: "A_": authorizer name is invalid: ']],
  [
    [{ type: 'RBAC', name: 'a', webhook }],
    ['authorizers[0].webhook: Invalid value: "non-null": may only be specified when'],
  ],
  [[{ type: 'Webhook', name: 'a' }], ['authorizers[0].webhook: Required value: required when type=Webhook']],
  [hook({ timeout: undefined }), ['authorizers[0].timeout: Required value']],
  [hook({ timeout: '31s' }), ['authorizers[0].timeout: Invalid value: "31s": must be > 0s and <= 30s']],
  [hook({ timeout: '-1s' }), ['authorizers[0].timeout: Invalid value: "-1s": must be > 0s and <= 30s']],
  [hook({ timeout: 'soon' }), ['authorizers[0].webhook.timeout: must be a duration']],
  [
    hook({ authorizedTTL: '-1s', unauthorizedTTL: '-2s' }),
    ['authorizedTTL: Invalid value: "-1s": must be > 0s', 'unauthorizedTTL: Invalid value: "-2s": must be > 0s'],
  ],
  [hook({ subjectAccessReviewVersion: '' }), ['subjectAccessReviewVersion: Required value']],
  [
    hook({ subjectAccessReviewVersion: 'v2' }),
    ['subjectAccessReviewVersion: Unsupported value: "v2": supported values: "v1", "v1beta1"'],
  ],
  [hook({ failurePolicy: undefined }), ['failurePolicy: Required value']],
  [
    hook({ failurePolicy: 'Allow' }),
    ['failurePolicy: Unsupported value: "Allow": supported values: "NoOpinion", "Deny"'],
  ],
  [hook({ connectionInfo: {} }), ['connectionInfo.type: Required value']],
  [hook({ connectionInfo: { type: 'Http' } }), ['connectionInfo.type: Unsupported value: "Http"']],
  [
    hook({ connectionInfo: { type: 'InClusterConfig' } }),
    ['authorizers[0].connectionInfo.type: Invalid value: "InClusterConfig": is not allowed for the API server'],
  ],
  [
    hook({ connectionInfo: { type: 'InClusterConfig', kubeConfigFile: '/there' } }),
    ['type: Invalid value: "InClusterConfig"', 'Invalid value: "/there": can only be set when type=KubeConfigFile'],
  ],
  [hook({ connectionInfo: { type: 'KubeConfigFile' } }), ['connectionInfo.kubeConfigFile: Required value']],
  [hook({ connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: 'a' } }), ['must be an absolute path']],
  [hook({ connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: '/a' } }), ['"/a": error loading file: none']],
  [
    hook({ matchConditions: [{ expression: 'true' }] }),
    ['matchConditionSubjectAccessReviewVersion: Required value: required if match'],
  ],
  [
    hook({ ...conditions('true'), matchConditionSubjectAccessReviewVersion: 'v2' }),
    ['Unsupported value: "v2": supported values: "v1"'],
  ],
  [
    hook(conditions(...Array.from({ length: 65 }, () => 'true'))),
    ['matchConditions: Too many: 65: must have at most 64 items'],
  ],
  [
    hook(conditions(' ', 'true', 'true', 'request.user', 'request.name == ""', 'nothing')),
    [
      'matchConditions[0].expression: Required value',
      'matchConditions[2].expression: Duplicate value: "true"',
      'matchConditions[3].expression: Invalid value: "request.user": must evaluate to bool but got string',
      "undefined field 'name'",
      "undeclared reference to 'nothing'",
    ],
  ],
  [hook({ more: 1 }), ['authorizers[0].webhook.more: unknown field']],
]

test('a file is checked field by field', () => {
  for (const [authorizers, expected] of table) {
    const found = mistakes(authorizers)
    const about = `${JSON.stringify(authorizers).slice(0, 200)}\n${found.join('\n')}`
    strictEqual(found.length, expected.length, about)
    expected.forEach((text, i) => ok(found[i]!.includes(text), `${about}\nlacks ${text}`))
  }
})

test('times and what is kept have the defaults of kube-apiserver', () => {
  const settings = (more: object) => {
    const [spec] = parse(hook(more))
    return spec?.type === 'Webhook' && [spec.settings.timeoutMs, spec.settings.allowedMs, spec.settings.refusedMs]
  }
  deepStrictEqual(settings({}), [1000, 300_000, 30_000])
  deepStrictEqual(settings({ authorizedTTL: '1m', unauthorizedTTL: '2s' }), [1000, 60_000, 2000])
  deepStrictEqual(settings({ cacheAuthorizedRequests: false, cacheUnauthorizedRequests: false }), [1000, 0, 0])
})

const request: AccessRequest = {
  user: { name: 'jane', uid: '7', groups: ['dev'], extra: { a: ['b'] } },
  verb: 'list',
  group: 'apps',
  version: 'v1',
  resource: 'deployments',
  subresource: '',
  namespace: 'default',
  name: '',
}

interface Review {
  apiVersion: string
  spec: { user: string; resourceAttributes?: { verb: string } }
}

const around = { random: seededRandom(1), log: silentLog, signal: new AbortController().signal }

async function webhookOf(t: TestContext, answer: (review: Review) => JsonAnswer, more: object = {}) {
  const { poster, asked } = await jsonServer<Review>(t, answer)
  const clock = new VirtualClock()
  const [spec] = parse(hook(more))
  if (spec?.type !== 'Webhook') throw new Error('no webhook')
  return { webhook: new WebhookAuthorizer(spec.settings, { poster, clock, ...around }), asked, clock }
}

const status = (allowed: unknown, more: object = {}): JsonAnswer => ({ body: { status: { allowed, ...more } } })
const refused = { allowed: false, reason: '' }

test('a server gets the attributes of a request, once for a while', async t => {
  const {
    webhook: authorizer,
    asked,
    clock,
  } = await webhookOf(t, ({ spec }) => status(spec.resourceAttributes?.verb === 'list', { reason: 'because' }))
  const selected = { ...request, fieldSelector: 'metadata.name=a,x!=y', labelSelector: 'app in (a,b),!gone' }
  deepStrictEqual(await Promise.all([authorizer.authorize(selected), authorizer.authorize(selected)]), [
    { allowed: true, reason: 'because' },
    { allowed: true, reason: 'because' },
  ])
  deepStrictEqual(asked as unknown[], [
    {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      metadata: {},
      spec: {
        resourceAttributes: {
          namespace: 'default',
          verb: 'list',
          group: 'apps',
          version: 'v1',
          resource: 'deployments',
          fieldSelector: {
            requirements: [
              { key: 'metadata.name', operator: 'In', values: ['a'] },
              { key: 'x', operator: 'NotIn', values: ['y'] },
            ],
          },
          labelSelector: {
            requirements: [
              { key: 'app', operator: 'In', values: ['a', 'b'] },
              { key: 'gone', operator: 'DoesNotExist' },
            ],
          },
        },
        user: 'jane',
        groups: ['dev'],
        extra: { a: ['b'] },
        uid: '7',
      },
    },
  ])
  const path = { ...request, verb: 'get', path: '/logs' }
  await authorizer.authorize(path)
  deepStrictEqual((asked[1]!.spec as { nonResourceAttributes?: object }).nonResourceAttributes, {
    path: '/logs',
    verb: 'get',
  })
  await clock.forward(29_000)
  await Promise.all([authorizer.authorize(path), authorizer.authorize(selected)])
  strictEqual(asked.length, 2)
  await clock.forward(2_000)
  await Promise.all([authorizer.authorize(path), authorizer.authorize(selected)])
  strictEqual(asked.length, 3)
  await clock.forward(300_000)
  await authorizer.authorize(selected)
  strictEqual(asked.length, 4)
  // What a client has made long is not kept.
  const long = { ...request, name: 'x'.repeat(10_001) }
  await authorizer.authorize(long)
  await authorizer.authorize(long)
  strictEqual(asked.length, 6)
})

test('what is not kept is asked each time, and the older version has its own names', async t => {
  const { webhook: authorizer, asked } = await webhookOf(t, () => status(true), {
    cacheAuthorizedRequests: false,
    subjectAccessReviewVersion: 'v1beta1',
  })
  for (let i = 0; i < 2; i++) strictEqual((await authorizer.authorize(request)).allowed, true)
  strictEqual(asked.length, 2)
  strictEqual(asked[0]!.apiVersion, 'authorization.k8s.io/v1beta1')
  deepStrictEqual((asked[0]!.spec as { group?: string[]; groups?: string[] }).group, ['dev'])
  strictEqual('groups' in asked[0]!.spec, false)
})

test('an answer is not trusted, and a failure is decided by the policy and not kept', async t => {
  const answers: Record<string, JsonAnswer> = {
    both: status(true, { denied: true, reason: 'odd' }),
    denied: status(false, { denied: true, reason: 'no' }),
    none: status(false),
    truthy: status('yes'),
    empty: { body: {} },
    list: { body: [1] },
    failing: { code: 500, body: {} },
  }
  const [open, closed] = await Promise.all(
    ['NoOpinion', 'Deny'].map(failurePolicy => webhookOf(t, ({ spec }) => answers[spec.user]!, { failurePolicy })),
  )
  const decide = (of: typeof open, name: string) =>
    untilSettled(of!.clock, of!.webhook.authorize({ ...request, user: { name, groups: [] } }))
  deepStrictEqual(await decide(open, 'both'), { allowed: false, denied: true, reason: 'odd' })
  deepStrictEqual(await decide(open, 'denied'), { allowed: false, denied: true, reason: 'no' })
  deepStrictEqual(await decide(closed, 'none'), refused)
  for (const name of ['truthy', 'empty', 'list', 'failing']) {
    deepStrictEqual(await decide(open, name), refused, name)
    deepStrictEqual(await decide(closed, name), { ...refused, denied: true }, name)
  }
  const before = closed!.asked.length
  await decide(closed, 'failing')
  strictEqual(closed!.asked.length, before + 5)
})

test('a failure that passes is asked about again, and everyone who asks meanwhile waits for the answer', async t => {
  let failures = 3
  const {
    webhook: authorizer,
    asked,
    clock,
  } = await webhookOf(t, () => (failures-- > 0 ? { code: 500, body: {} } : status(true, { reason: 'at last' })), {
    failurePolicy: 'Deny',
    timeout: '1s',
  })
  const first = authorizer.authorize(request)
  // The waits together are longer than the time for one attempt.
  await clock.forward(900)
  const decisions = untilSettled(clock, Promise.all([first, authorizer.authorize(request)]))
  deepStrictEqual(
    await decisions,
    Array.from({ length: 2 }, () => ({ allowed: true, reason: 'at last' })),
  )
  strictEqual(asked.length, 4)
})

test('a server that hangs is waited for no longer than its time', async () => {
  const [spec] = parse(hook({ failurePolicy: 'Deny' }))
  if (spec?.type !== 'Webhook') throw new Error('no webhook')
  const poster = { post: async (_: unknown, ms: number) => Promise.reject(new Error(`no answer within ${ms} ms`)) }
  const hanging = { ...around, poster, clock: new VirtualClock() }
  deepStrictEqual(await new WebhookAuthorizer(spec.settings, hanging).authorize(request), { ...refused, denied: true })
  match(metricsText(), /webhook_evaluations_total\{name="w",result="timeout"\} 1/)
})

test('conditions choose the requests about which a server is asked', async t => {
  const isAsked = async (expressions: string[], about: Partial<AccessRequest> = {}, failurePolicy = 'NoOpinion') => {
    const { webhook: authorizer, asked } = await webhookOf(t, () => status(true), {
      ...conditions(...expressions),
      failurePolicy,
    })
    const decision = await authorizer.authorize({ ...request, ...about })
    return asked.length ? 'asked' : decision.denied ? 'denied' : 'left out'
  }
  const kubeSystem = "has(request.resourceAttributes) && request.resourceAttributes.namespace == 'kube-system'"
  strictEqual(await isAsked([kubeSystem]), 'left out')
  strictEqual(await isAsked([kubeSystem], { namespace: 'kube-system' }), 'asked')
  strictEqual(await isAsked([kubeSystem], { path: '/logs' }), 'left out')
  strictEqual(
    await isAsked(["request.groups.exists(g, g == 'dev')", "request.user == 'jane' && request.uid == '7'"]),
    'asked',
  )
  strictEqual(await isAsked(["request.extra['a'][0] == 'b'"]), 'asked')
  const selected = { fieldSelector: 'a=b' }
  strictEqual(
    await isAsked(["request.resourceAttributes.fieldSelector.requirements[0].values == ['b']"], selected),
    'asked',
  )
  // One that fails is decided by the policy, unless another one is not met.
  const failing = "request.extra['none'][0] == 'b'"
  strictEqual(await isAsked([failing]), 'left out')
  strictEqual(await isAsked([failing], {}, 'Deny'), 'denied')
  strictEqual(await isAsked([failing, 'request.user == "joe"'], {}, 'Deny'), 'left out')
})

test('authorizers are asked in their order, at once where none has to wait', async () => {
  const asked: string[] = []
  const of = (name: string, decision: Decision, isLate = false): ChosenAuthorizer => {
    const authorizer: Authorizer = {
      authorize: () => {
        asked.push(name)
        return isLate ? Promise.resolve(decision) : decision
      },
    }
    return { type: 'Webhook', name, authorizer }
  }
  const yes = { allowed: true, reason: 'yes' }
  const no = { allowed: false, denied: true, reason: 'no' }
  const perhaps = (reason: string) => ({ allowed: false, reason })
  const choice = new AuthorizerChoice([])
  const none = { authorize: () => refused }
  const authorizer = requestAuthorizer(choice, { Node: none, RBAC: none })
  const decide = async (...chosen: ChosenAuthorizer[]) => {
    asked.length = 0
    choice.use(chosen)
    return [await authorizer.authorize(request), asked.join()]
  }
  deepStrictEqual(await decide(of('a', perhaps('a')), of('b', yes, true), of('c', no)), [yes, 'a,b'])
  deepStrictEqual(await decide(of('a', perhaps('a'), true), of('b', no), of('c', yes)), [no, 'a,b'])
  deepStrictEqual(await decide(of('a', perhaps('a'), true), of('b', perhaps('')), of('c', perhaps('c'), true)), [
    { allowed: false, reason: 'a, c' },
    'a,b,c',
  ])
  deepStrictEqual(await decide(of('a', yes), of('b', yes, true)), [yes, 'a'])
  choice.use([
    { type: 'RBAC', name: 'r' },
    { type: 'AlwaysAllow', name: 'x' },
  ])
  ok(!(authorizer.authorize(request) instanceof Promise))
  deepStrictEqual(authorizer.shownRules, { roles: true, everything: true })
  choice.use([{ type: 'AlwaysDeny', name: 'x' }])
  strictEqual((await authorizer.authorize(request)).reason, 'Everything is forbidden.')
  // Superusers are allowed everything, whatever is chosen.
  const root = { name: 'root', groups: ['system:masters'] }
  deepStrictEqual(await decide(of('a', no, true)), [no, 'a'])
  strictEqual((await authorizer.authorize({ ...request, user: root })).allowed, true)
  strictEqual(asked.join(), 'a')
  match(metricsText(), /apiserver_authorization_decisions_total\{.*decision="denied".*\} [1-9]/)
})
