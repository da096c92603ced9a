// Who may request, approve and sign certificates, and attest the root certificates of a signer.
import { deepStrictEqual, rejects } from 'node:assert/strict'
import { test } from 'node:test'
import { CertificateSigningRequest } from '../../kinds/certificates/certificatesigningrequest.ts'
import { ClusterTrustBundle } from '../../kinds/certificates/clustertrustbundle.ts'
import { ClusterRole } from '../../kinds/rbac/clusterrole.ts'
import { ClusterRoleBinding } from '../../kinds/rbac/clusterrolebinding.ts'
import { makeAuthority, makeRequest } from '../../wire/x509.ts'
import { openTestServer } from '../testing.ts'

const apiGroup = 'rbac.authorization.k8s.io'
const csrs = 'certificates.k8s.io'
const now = Date.UTC(2026, 0, 1)
const { certPem } = await makeAuthority({ commonName: 'ca', now, validMs: 1e9 })
const requestFor = async (commonName: string, organizations: string[] = []) =>
  Buffer.from((await makeRequest({ commonName, organizations })).requestPem).toString('base64')

type Server = Awaited<ReturnType<typeof openTestServer>>

/** A user who may write certificate requests and bundles, and has the right `verb` for some signers. */
async function grant({ admin, as }: Server, name: string, verb: string, signers: string[]) {
  await admin.create(ClusterRole, {
    metadata: { name },
    rules: [
      { verbs: ['*'], apiGroups: [csrs], resources: ['*'], resourceNames: [] },
      { verbs: [verb], apiGroups: [csrs], resources: ['signers'], resourceNames: signers },
    ].map((rule, i) =>
      i === 0
        ? {
            ...rule,
            resources: [
              'certificatesigningrequests',
              'certificatesigningrequests/approval',
              'certificatesigningrequests/status',
              'clustertrustbundles',
            ],
          }
        : rule,
    ),
  })
  await admin.create(ClusterRoleBinding, {
    metadata: { name },
    roleRef: { apiGroup, kind: 'ClusterRole', name },
    subjects: [{ kind: 'User', apiGroup, name }],
  })
  return as(name, 'developers')
}

const signerName = 'example.com/web'
const approved = { type: 'Approved', status: 'True', reason: 'ByTest' }

test('the server sets who has made a request, whatever the request contains', async t => {
  const server = await openTestServer(t)
  const user = await grant(server, 'jane', 'nothing', [signerName])
  const request = await requestFor('x')
  const made = await user.create(CertificateSigningRequest, {
    metadata: { name: 'a' },
    spec: { request, signerName, usages: ['client auth'], username: 'root', groups: ['system:masters'], uid: '0' },
  })
  deepStrictEqual(
    [made.spec.username, made.spec.groups, made.spec.uid, made.spec.extra],
    ['jane', ['developers', 'system:authenticated'], undefined, undefined],
  )
})

test('approving and signing need a right for the signer, or for all signers of its domain', async t => {
  const server = await openTestServer(t)
  const request = await requestFor('x')
  const spec = { request, signerName, usages: ['client auth'] }
  const decide = async (user: Server['admin'], name: string, more: object) =>
    user.patch(CertificateSigningRequest, name, 'merge', more, {
      subresource: 'conditions' in (more as { status: object }).status ? 'approval' : 'status',
    })
  const table: [verb: string, signers: string[], mayApprove: boolean, maySign: boolean][] = [
    ['approve', [signerName], true, false],
    ['approve', ['example.com/*'], true, false],
    ['approve', ['example.com/other'], false, false],
    ['approve', ['*'], false, false],
    ['sign', [signerName], false, true],
    ['sign', ['example.com/*'], false, true],
  ]
  for (const [i, [verb, signers, mayApprove, maySign]] of table.entries()) {
    const [name, of] = [`r-${i}`, `user-${i}`]
    const user = await grant(server, of, verb, signers)
    await server.admin.create(CertificateSigningRequest, { metadata: { name }, spec })
    const refused = (what: string) => ({
      reason: 'Forbidden',
      message: `certificatesigningrequests.certificates.k8s.io "${name}" is forbidden: user not permitted to ${what} requests with signerName "${signerName}"`,
    })
    const approve = decide(user, name, { status: { conditions: [approved] } })
    if (mayApprove) {
      const { conditions } = (await approve).status
      deepStrictEqual(conditions?.[0]?.lastUpdateTime, '2026-01-01T00:00:00Z')
    } else await rejects(approve, refused('approve'))
    if (!mayApprove) await decide(server.admin, name, { status: { conditions: [approved] } })
    const sign = decide(user, name, { status: { certificate: Buffer.from(certPem).toString('base64') } })
    if (maySign) await sign
    else await rejects(sign, refused('sign'))
  }
})

test('a request for the group of superusers is refused, and so is one that cannot be read', async t => {
  const { admin } = await openTestServer(t)
  const ask = async (request: string, signer: string) =>
    admin.create(CertificateSigningRequest, {
      metadata: { name: 'a' },
      spec: { request, signerName: signer, usages: ['client auth'] },
    })
  const client = 'kubernetes.io/kube-apiserver-client'
  await rejects(ask(await requestFor('x', ['system:masters']), client), {
    reason: 'Forbidden',
    message: `certificatesigningrequests.certificates.k8s.io "a" is forbidden: use of ${client} signer with system:masters group is not allowed`,
  })
  await rejects(ask(Buffer.from('nonsense').toString('base64'), client), { reason: 'Invalid' })
  await ask(await requestFor('x', ['developers']), client)
})

test('writing the trust bundle of a signer needs the right to attest for the signer', async t => {
  const server = await openTestServer(t)
  const user = await grant(server, 'jane', 'attest', [signerName, 'whole.com/*'])
  const bundle = (signer: string) => ({
    metadata: { name: signer ? `${signer.replace('/', ':')}:v1` : 'plain' },
    spec: { ...(signer && { signerName: signer }), trustBundle: certPem },
  })
  for (const signer of ['', signerName, 'whole.com/any']) await user.create(ClusterTrustBundle, bundle(signer))
  const refused = {
    reason: 'Forbidden',
    message:
      'clustertrustbundles.certificates.k8s.io "other.com:web:v1" is forbidden: user not permitted to attest for signerName "other.com/web"',
  }
  await rejects(user.create(ClusterTrustBundle, bundle('other.com/web')), refused)
  const theirs = bundle('other.com/web')
  await server.admin.create(ClusterTrustBundle, {
    ...theirs,
    metadata: { ...theirs.metadata, finalizers: ['example.com/hold'] },
  })
  const change = (metadata: object) => user.patch(ClusterTrustBundle, theirs.metadata.name, 'merge', { metadata })
  await rejects(change({ labels: { a: 'b' } }), refused)
  // A change that belongs to a deletion needs no such right.
  await change({ finalizers: null })
})
