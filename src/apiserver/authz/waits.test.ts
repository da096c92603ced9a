// Everyone who asks an authorizer waits for one that has to ask a server first. Each case needs one right, which a
// server grants or refuses later: what needs it must succeed with it, and must be refused without it.
import { deepStrictEqual, rejects, strictEqual } from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { isReason } from '../../base/errors.ts'
import type { Json } from '../../api/schema/node.ts'
import { ValidatingAdmissionPolicy } from '../../kinds/admissionregistration/validatingadmissionpolicy.ts'
import { ValidatingAdmissionPolicyBinding } from '../../kinds/admissionregistration/validatingadmissionpolicybinding.ts'
import { LocalSubjectAccessReview } from '../../kinds/authorization/localsubjectaccessreview.ts'
import { SelfSubjectAccessReview } from '../../kinds/authorization/selfsubjectaccessreview.ts'
import { SelfSubjectRulesReview } from '../../kinds/authorization/selfsubjectrulesreview.ts'
import { SubjectAccessReview } from '../../kinds/authorization/subjectaccessreview.ts'
import { CertificateSigningRequest } from '../../kinds/certificates/certificatesigningrequest.ts'
import { ClusterTrustBundle } from '../../kinds/certificates/clustertrustbundle.ts'
import { ConfigMap } from '../../kinds/core/configmap.ts'
import { ClusterRole } from '../../kinds/rbac/clusterrole.ts'
import { ClusterRoleBinding } from '../../kinds/rbac/clusterrolebinding.ts'
import { ResourceClaim } from '../../kinds/resource/resourceclaim.ts'
import { makeAuthority, makeRequest } from '../../wire/x509.ts'
import { impersonated } from '../http/impersonate.ts'
import { type Caller, openTestServer } from '../testing.ts'
import type { AccessRequest } from './authorizer.ts'
import { AuthorizerChoice } from './chosen.ts'

type Server = Awaited<ReturnType<typeof openTestServer>>
const apiGroup = 'rbac.authorization.k8s.io'
const now = Date.UTC(2026, 0, 1)
const { certPem } = await makeAuthority({ commonName: 'ca', now, validMs: 1e9 })
const signing = Buffer.from((await makeRequest({ commonName: 'x' })).requestPem).toString('base64')
const signerName = 'example.com/web'

/** A server whose only authorizer decides later: it refuses requests with `verb resource/subresource` of the line. */
async function opened(t: TestContext, without: string): Promise<Server & { jane: Caller }> {
  const authorize = async ({ verb, resource, subresource }: AccessRequest) => {
    await new Promise(setImmediate)
    const allowed = `${verb} ${resource}${subresource && `/${subresource}`}` !== without
    return { allowed, reason: allowed ? '' : 'the server refuses' }
  }
  const authorizers = new AuthorizerChoice([{ type: 'Webhook', name: 'later', authorizer: { authorize } }])
  const plugins = { enable: ['OwnerReferencesPermissionEnforcement'] }
  const server = await openTestServer(t, undefined, { authorizers, plugins })
  return { ...server, jane: server.as('jane') }
}

const rules = [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }]

const cases: Readonly<Record<string, (server: Server & { jane: Caller }) => Promise<unknown>>> = {
  'create configmaps': ({ jane }) => jane.create(ConfigMap, { metadata: { name: 'a' } }),
  'list configmaps': ({ jane }) => jane.list(ConfigMap, { namespace: 'default' }),
  'watch configmaps': ({ jane }) => jane.ask('watch', ConfigMap, { namespace: 'default', signal: AbortSignal.abort() }),
  'impersonate users': async ({ core, jane }) => impersonated(core, jane.user, { 'impersonate-user': 'joe' }),
  'impersonate groups': async ({ core, jane }) =>
    impersonated(core, jane.user, { 'impersonate-user': 'joe', 'impersonate-group': 'dev' }),
  'impersonate uids': async ({ core, jane }) =>
    impersonated(core, jane.user, { 'impersonate-user': 'joe', 'impersonate-uid': '7' }),
  'impersonate userextras/a.io/b': async ({ core, jane }) =>
    impersonated(core, jane.user, { 'impersonate-user': 'joe', 'impersonate-extra-a.io%2fb': 'c' }),
  'approve signers': async ({ admin, jane }) => {
    const spec = { request: signing, signerName, usages: ['client auth'] }
    const made = await admin.create(CertificateSigningRequest, { metadata: { name: 'c' }, spec })
    const conditions = [{ type: 'Approved', status: 'True', reason: 'ByTest' }]
    return jane.update(CertificateSigningRequest, { ...made, status: { conditions } }, { subresource: 'approval' })
  },
  'attest signers': ({ jane }) =>
    jane.create(ClusterTrustBundle, {
      metadata: { name: 'example.com:web:a' },
      spec: { signerName, trustBundle: certPem },
    }),
  'escalate clusterroles': ({ jane }) => jane.create(ClusterRole, { metadata: { name: 'r' }, rules }),
  'bind clusterroles': async ({ admin, jane }) => {
    await admin.create(ClusterRole, { metadata: { name: 'r' }, rules })
    const subjects = [{ kind: 'User', apiGroup, name: 'jane' }]
    return jane.create(ClusterRoleBinding, {
      metadata: { name: 'b' },
      subjects,
      roleRef: { apiGroup, kind: 'ClusterRole', name: 'r' },
    })
  },
  'update configmaps/finalizers': ({ jane }) => {
    const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'o', uid: 'u', blockOwnerDeletion: true }
    return jane.create(ConfigMap, { metadata: { name: 'a', ownerReferences: [owner] } })
  },
  'update resourceclaims/binding': async ({ admin, jane }) => {
    const requests = [{ name: 'r', exactly: { deviceClassName: 'c' } }]
    const made = await admin.create(ResourceClaim, { metadata: { name: 'c' }, spec: { devices: { requests } } })
    const reservedFor = [{ resource: 'pods', name: 'p', uid: 'u' }]
    const allocation = { devices: { results: [{ request: 'r', driver: 'd.io', pool: 'p', device: 'x' }] } }
    return jane.update(ResourceClaim, { ...made, status: { allocation, reservedFor } }, { subresource: 'status' })
  },
  'fly planes': async ({ admin, clock, jane }) => {
    const check = "authorizer.group('').resource('planes').check('fly').allowed()"
    await admin.create(ValidatingAdmissionPolicy, {
      metadata: { name: 'p' },
      spec: {
        variables: [{ name: 'may', expression: check }],
        validations: [{ expression: 'variables.may' }],
        matchConstraints: {
          resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] }],
        },
      },
    })
    await admin.create(ValidatingAdmissionPolicyBinding, {
      metadata: { name: 'p' },
      spec: { policyName: 'p', validationActions: ['Deny'] },
    })
    await clock.forward(10_000)
    return jane.create(ConfigMap, { metadata: { name: 'a' } })
  },
}

for (const [right, run] of Object.entries(cases))
  test(`what needs the right to ${right} waits for it`, async t => {
    await run(await opened(t, ''))
    const server = await opened(t, right)
    await rejects(run(server), (error: unknown) => isReason(error, 'Forbidden', 'Invalid'))
  })

test('a PUT that creates an object waits for the right to create it', async t => {
  for (const [without, isAllowed] of [
    ['', true],
    ['create configmaps', false],
  ] as const) {
    const { jane } = await opened(t, without)
    const applied = jane.apply(ConfigMap, 'a', {}, 'me')
    if (isAllowed) strictEqual((await applied).metadata.name, 'a')
    else await rejects(applied, (error: unknown) => isReason(error, 'Forbidden'))
  }
})

test('reviews show what a server decides, and that it has rules which cannot be listed', async t => {
  const { jane } = await opened(t, 'get secrets')
  const review = async (kind: typeof SubjectAccessReview, spec: object) => {
    const metadata = kind === (LocalSubjectAccessReview as object) ? { namespace: 'default' } : {}
    const body = { apiVersion: kind.apiVersion, kind: kind.kind, metadata, spec } as Json
    const result = await jane.ask('create', kind, { body, ...(metadata.namespace && { namespace: 'default' }) })
    return result.type === 'object' && (result.item.object as { status?: object }).status
  }
  const asked = (resource: string) => ({ resourceAttributes: { verb: 'get', resource, namespace: 'default' } })
  const kinds = [
    SubjectAccessReview,
    LocalSubjectAccessReview,
    SelfSubjectAccessReview,
  ] as (typeof SubjectAccessReview)[]
  for (const kind of kinds) {
    const user = kind === (SelfSubjectAccessReview as object) ? {} : { user: 'joe' }
    deepStrictEqual(await review(kind, { ...user, ...asked('pods') }), { allowed: true })
    deepStrictEqual(await review(kind, { ...user, ...asked('secrets') }), {
      allowed: false,
      reason: 'the server refuses',
    })
  }
  const listed = await review(SelfSubjectRulesReview as object as typeof SubjectAccessReview, { namespace: 'default' })
  deepStrictEqual(listed, {
    resourceRules: [],
    nonResourceRules: [],
    incomplete: true,
    evaluationError: 'webhook authorizer does not support user rule resolution',
  })
})
