// How a node joins a cluster, and the other sources of credentials: bootstrap tokens, certificate requests, and tokens
// in Secrets.
import { deepStrictEqual, match, ok, rejects, strictEqual } from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { isReason } from '../../src/base/errors.ts'
import type { Client } from '../../src/client/index.ts'
import { timeText } from '../../src/api/time.ts'
import { publishClusterInfo } from '../../src/cluster/cluster-info.ts'
import { SubjectAccessReview } from '../../src/kinds/authorization/subjectaccessreview.ts'
import { TokenReview } from '../../src/kinds/authentication/tokenreview.ts'
import { CertificateSigningRequest } from '../../src/kinds/certificates/certificatesigningrequest.ts'
import { ConfigMap } from '../../src/kinds/core/configmap.ts'
import { Node } from '../../src/kinds/core/node.ts'
import { Secret } from '../../src/kinds/core/secret.ts'
import { ServiceAccount } from '../../src/kinds/core/serviceaccount.ts'
import { ClusterRole } from '../../src/kinds/rbac/clusterrole.ts'
import { makeAuthority, makeRequest, readCertificate, type Subject } from '../../src/wire/x509.ts'
import { type Sim, simulate } from './cluster.ts'

const hour = 3600_000
const authority = await makeAuthority({
  commonName: 'test-ca',
  now: Date.UTC(2026, 0, 1),
  validMs: 10 * 365 * 24 * hour,
})
const clientUsages = ['digital signature', 'client auth']

async function ask(
  client: Client,
  name: string,
  subject: Subject,
  spec: { signerName: string; usages: string[]; expirationSeconds?: number },
) {
  const { requestPem } = await makeRequest(subject)
  const request = Buffer.from(requestPem).toString('base64')
  return client.create(CertificateSigningRequest, { metadata: { name }, spec: { request, ...spec } })
}

const csr = (sim: Sim, name: string) => sim.client.mirror(CertificateSigningRequest).get(undefined, name)
const types = (sim: Sim, name: string) => csr(sim, name)?.status.conditions?.map(c => c.type) ?? []

async function makeToken(sim: Sim, more: Record<string, string> = {}) {
  const data = {
    'token-id': 'abcdef',
    'token-secret': '0123456789abcdef',
    'usage-bootstrap-authentication': 'true',
    'usage-bootstrap-signing': 'true',
    'auth-extra-groups': 'system:bootstrappers:worker,system:masters',
    ...more,
  }
  await sim.client.create(Secret, {
    metadata: { name: 'bootstrap-token-abcdef', namespace: 'kube-system' },
    type: 'bootstrap.kubernetes.io/token',
    stringData: data,
  })
}

const review = async (sim: Sim, token: string) =>
  (await sim.client.create(TokenReview, { metadata: {}, spec: { token } })).status

test('a bootstrap token authenticates a user until it expires', () =>
  simulate({ scheduler: false, authority }, async sim => {
    await publishClusterInfo(sim.client, 'https://192.0.2.1:6443', authority.certPem)
    await makeToken(sim, { expiration: timeText(sim.clock.now() + hour) })
    const good = await review(sim, 'abcdef.0123456789abcdef')
    strictEqual(good.user?.username, 'system:bootstrap:abcdef')
    // Groups without the prefix system:bootstrappers: are left out.
    deepStrictEqual(good.user?.groups, ['system:bootstrappers', 'system:bootstrappers:worker', 'system:authenticated'])
    strictEqual((await review(sim, 'abcdef.0123456789abcdee')).authenticated, undefined)
    const info = () => sim.client.mirror(ConfigMap).get('kube-public', 'cluster-info')?.data
    await sim.until('the signature', () => info()?.['jws-kubeconfig-abcdef'] !== undefined)
    const [head = '', middle, signature] = info()!['jws-kubeconfig-abcdef']!.split('.')
    deepStrictEqual(JSON.parse(Buffer.from(head, 'base64url').toString()), { alg: 'HS256', kid: 'abcdef' })
    strictEqual(middle, '')
    const text = `${head}.${Buffer.from(info()!.kubeconfig!).toString('base64url')}`
    strictEqual(signature, createHmac('sha256', '0123456789abcdef').update(text).digest('base64url'))
    await sim.clock.forward(hour + 1000)
    await sim.until('the token to go', () => !sim.client.mirror(Secret).get('kube-system', 'bootstrap-token-abcdef'))
    await sim.until('the signature to go', () => info()?.['jws-kubeconfig-abcdef'] === undefined)
    match((await review(sim, 'abcdef.0123456789abcdef')).error ?? '', /invalid bearer token/)
  }))

test('nodes get certificates in their own name, and no other user does', () =>
  simulate({ scheduler: false, nodes: 1, authority }, async sim => {
    const signerName = 'kubernetes.io/kube-apiserver-client-kubelet'
    const subject = { commonName: 'system:node:node-1', organizations: ['system:nodes'] }
    const newcomer = sim.plane.client('system:bootstrap:abcdef', ['system:bootstrappers'])
    const asked = await ask(newcomer, 'join', subject, { signerName, usages: clientUsages, expirationSeconds: 3600 })
    strictEqual(asked.spec.username, 'system:bootstrap:abcdef')
    await sim.until('the certificate', () => csr(sim, 'join')?.status.certificate !== undefined)
    const pem = Buffer.from(csr(sim, 'join')!.status.certificate!, 'base64').toString()
    const certificate = readCertificate(pem)
    strictEqual(certificate.commonName, 'system:node:node-1')
    deepStrictEqual(certificate.organizations, ['system:nodes'])
    ok(certificate.notAfter - sim.clock.now() <= hour)
    strictEqual(csr(sim, 'join')!.status.conditions![0]!.reason, 'AutoApproved')

    const node = sim.plane.client('system:node:node-1', ['system:nodes'])
    await ask(node, 'renew', subject, { signerName, usages: clientUsages })
    await sim.until('the next certificate', () => csr(sim, 'renew')?.status.certificate !== undefined)
    // A request for another node's name is rejected. Requests that do not fit a node's own certificate are not
    // approved.
    const other = sim.plane.client('somebody', ['system:masters'])
    const named2 = { ...subject, commonName: 'system:node:node-2' }
    await rejects(ask(node, 'other', named2, { signerName, usages: clientUsages }), { reason: 'Forbidden' })
    await ask(newcomer, 'other', { ...subject, commonName: 'node-2' }, { signerName, usages: clientUsages })
    await ask(newcomer, 'more', subject, { signerName, usages: ['server auth'] })
    await sim.clock.forward(60_000)
    deepStrictEqual(types(sim, 'more'), [])
    // A user may approve the second one by hand. The signer does not sign it even then, since it does not fit the
    // signer.
    await other.patch(
      CertificateSigningRequest,
      { name: 'more' },
      'merge',
      { status: { conditions: [{ type: 'Approved', status: 'True', reason: 'ByHand' }] } },
      { subresource: 'approval' },
    )
    await sim.until('the refusal', () => types(sim, 'more').includes('Failed'))
    strictEqual(csr(sim, 'more')!.status.certificate, undefined)

    await sim.clock.forward(hour)
    await sim.until('granted ones to go', () => !csr(sim, 'join') && !csr(sim, 'more'))
    ok(csr(sim, 'other'))
    await sim.clock.forward(24 * hour)
    await sim.until('pending ones to go', () => !csr(sim, 'other'))
  }))

test('serving certificates contain only the node’s own names and addresses', () =>
  simulate({ scheduler: false, nodes: 1, authority }, async sim => {
    const addresses = [
      { type: 'InternalIP', address: '192.0.2.7' },
      { type: 'Hostname', address: 'node-0' },
    ]
    await sim.client.patch(Node, { name: 'node-0' }, 'merge', { status: { addresses } }, { subresource: 'status' })
    const node = sim.plane.client('system:node:node-0', ['system:nodes'])
    const want = (name: string, ips: string[]) =>
      ask(
        node,
        name,
        { commonName: 'system:node:node-0', organizations: ['system:nodes'], dnsNames: ['node-0'], ips },
        { signerName: 'kubernetes.io/kubelet-serving', usages: ['digital signature', 'server auth'] },
      )
    await want('own', ['192.0.2.7'])
    await want('foreign', ['192.0.2.7', '192.0.2.1'])
    await sim.until('the certificate', () => csr(sim, 'own')?.status.certificate !== undefined)
    strictEqual(csr(sim, 'foreign')!.status.certificate, undefined)
  }))

test('bad certificate requests are refused, and approval needs a right of its own', () =>
  simulate({ scheduler: false, authority }, async sim => {
    const { requestPem } = await makeRequest({ commonName: 'jane' })
    const request = Buffer.from(requestPem).toString('base64')
    const signerName = 'kubernetes.io/kube-apiserver-client'
    const make = (name: string, spec: object) =>
      sim.client.create(CertificateSigningRequest, {
        metadata: { name },
        spec: { request, signerName, ...spec },
      } as never)
    await rejects(
      make('a', { usages: ['client auth'], request: 'bm90IGEgcmVxdWVzdA==' }),
      /spec.request: Invalid value/,
    )
    await rejects(make('a', { usages: [] }), /spec.usages: Required value/)
    await rejects(make('a', { usages: ['client auth'], expirationSeconds: 60 }), /spec.expirationSeconds.*600 seconds/)
    await rejects(make('a', { usages: ['client auth'], signerName: 'me' }), /spec.signerName: Invalid value/)
    const masters = await makeRequest({ commonName: 'jane', organizations: ['system:masters'] })
    await rejects(
      make('a', { usages: ['client auth'], request: Buffer.from(masters.requestPem).toString('base64') }),
      /with system:masters group is not allowed/,
    )
    await make('jane', { usages: ['client auth'] })
    // All rights on certificate requests, but none on signers.
    await sim.client.create(ClusterRole, {
      metadata: { name: 'requests' },
      rules: [{ verbs: ['*'], apiGroups: ['certificates.k8s.io'], resources: ['certificatesigningrequests/approval'] }],
    })
    const approve = (client: Client) =>
      client.patch(
        CertificateSigningRequest,
        { name: 'jane' },
        'merge',
        { status: { conditions: [{ type: 'Approved', status: 'True' }] } },
        { subresource: 'approval' },
      )
    await sim.plane.serve({
      verb: 'create',
      kind: sim.plane.core.catalog.all.find(k => k.kind === 'ClusterRoleBinding')!,
      subresource: '',
      namespace: '',
      name: '',
      user: { name: 'tester', groups: ['system:masters'] },
      userAgent: 'test',
      options: {},
      body: {
        metadata: { name: 'requests' },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'requests' },
        subjects: [{ kind: 'User', name: 'clerk', apiGroup: 'rbac.authorization.k8s.io' }],
      },
    })
    await rejects(approve(sim.plane.client('clerk')), (error: Error) => {
      match(
        error.message,
        /user not permitted to approve requests with signerName "kubernetes.io\/kube-apiserver-client"/,
      )
      return isReason(error, 'Forbidden')
    })
    await approve(sim.client)
    await sim.until('the certificate', () => csr(sim, 'jane')?.status.certificate !== undefined)
  }))

test('a token Secret gets a token that is valid as long as the Secret and its account exist', () =>
  simulate({ scheduler: false }, async sim => {
    const secret = () => sim.client.mirror(Secret).get('default', 'robot-token')
    await sim.client.create(ServiceAccount, { metadata: { name: 'robot', namespace: 'default' } })
    await sim.client.create(Secret, {
      metadata: {
        name: 'robot-token',
        namespace: 'default',
        annotations: { 'kubernetes.io/service-account.name': 'robot' },
      },
      type: 'kubernetes.io/service-account-token',
    })
    await sim.until('the token', () => secret()?.data?.token !== undefined)
    strictEqual(Buffer.from(secret()!.data!.namespace!, 'base64').toString(), 'default')
    const token = Buffer.from(secret()!.data!.token!, 'base64').toString()
    const answer = await review(sim, token)
    strictEqual(answer.user?.username, 'system:serviceaccount:default:robot')
    await sim.client.delete(ServiceAccount, { namespace: 'default', name: 'robot' })
    await sim.until('the Secret to go', () => !secret())
    strictEqual((await review(sim, token)).authenticated, undefined)
  }))

test('the default roles have the rules of all roles that aggregate to them', () =>
  simulate({ scheduler: false }, async sim => {
    const may = async () =>
      (
        await sim.client.create(SubjectAccessReview, {
          metadata: {},
          spec: {
            user: 'system:serviceaccount:kube-system:horizontal-pod-autoscaler',
            resourceAttributes: { verb: 'list', group: 'metrics.k8s.io', resource: 'pods', namespace: 'default' },
          },
        })
      ).status.allowed
    strictEqual(await may(), true)
    const view = () => sim.client.mirror(ClusterRole).get(undefined, 'view')!.rules ?? []
    const before = view().length
    await sim.client.create(ClusterRole, {
      metadata: { name: 'more', labels: { 'rbac.authorization.k8s.io/aggregate-to-view': 'true' } },
      rules: [{ verbs: ['get'], apiGroups: ['example.com'], resources: ['things'] }],
    })
    await sim.until('the rule in view', () => view().some(rule => rule.apiGroups?.includes('example.com')))
    // The rule also reaches edit and admin, since they aggregate view.
    const admin = () => sim.client.mirror(ClusterRole).get(undefined, 'admin')!.rules ?? []
    await sim.until('the rule in admin', () => admin().some(rule => rule.apiGroups?.includes('example.com')))
    await sim.client.delete(ClusterRole, { name: 'more' })
    await sim.until('it to go again', () => view().length === before)
  }))
