// Which certificate requests may be signed and approved, as tables: for each signer, one request that is right and all
// ways in which another is not.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Draft } from '../../api/kind.ts'
import { timeText } from '../../api/time.ts'
import { CertificateSigningRequest } from '../../kinds/certificates/certificatesigningrequest.ts'
import { nodeOf, objectOf } from '../../kinds/testing.ts'
import { issue, makeAuthority, type RequestInfo } from '../../wire/x509.ts'
import { deleteAt } from './cleaning.ts'
import {
  hasCondition,
  isOwnServing,
  kubeletClientProblem,
  kubeletClientSigner,
  kubeletServingSigner,
  ourSigners,
  signerProblem,
} from './recognize.ts'

type Spec = NonNullable<Draft<CertificateSigningRequest>['spec']>
type Usages = NonNullable<Spec['usages']>
const csrOf = (spec: Partial<Spec>, status: Draft<CertificateSigningRequest>['status'] = {}) =>
  objectOf(CertificateSigningRequest, {
    metadata: { name: 'r', creationTimestamp: timeText(Date.UTC(2026, 0, 1)) },
    spec: { request: 'eA==', signerName: kubeletClientSigner, usages: ['client auth'], ...spec },
    status,
  })

const client: RequestInfo = {
  commonName: 'system:node:n1',
  organizations: ['system:nodes'],
  dnsNames: [],
  ips: [],
  emails: [],
  uris: [],
}
const serving: RequestInfo = { ...client, dnsNames: ['n1'], ips: ['10.0.0.1'] }

test('a kubelet’s client certificate has the name and group of a node, no other names, and one purpose', () => {
  const table: [what: string, asked: Partial<RequestInfo>, usages: Usages, problem: string | undefined][] = [
    ['right', {}, ['client auth'], undefined],
    ['right, with the usages of its key', {}, ['client auth', 'digital signature', 'key encipherment'], undefined],
    ['a DNS name', { dnsNames: ['n1'] }, ['client auth'], 'DNS subjectAltNames are not allowed'],
    ['an address', { ips: ['10.0.0.1'] }, ['client auth'], 'IP subjectAltNames are not allowed'],
    ['a mail address', { emails: ['a@b'] }, ['client auth'], 'email subjectAltNames are not allowed'],
    ['a URI', { uris: ['spiffe://x'] }, ['client auth'], 'URI subjectAltNames are not allowed'],
    ['no group', { organizations: [] }, ['client auth'], 'subject organization is not system:nodes'],
    [
      'another group',
      { organizations: ['system:masters'] },
      ['client auth'],
      'subject organization is not system:nodes',
    ],
    [
      'a second group',
      { organizations: ['system:nodes', 'system:masters'] },
      ['client auth'],
      'subject organization is not system:nodes',
    ],
    ['another name', { commonName: 'admin' }, ['client auth'], 'subject common name does not begin with system:node: '],
    ['no purpose', {}, ['digital signature'], 'usages did not match: client auth is missing'],
    ['another purpose', {}, ['server auth'], 'usages did not match: server auth must not be asked for'],
    ['a second purpose', {}, ['client auth', 'server auth'], 'usages did not match: server auth must not be asked for'],
    ['to sign others', {}, ['client auth', 'cert sign'], 'usages did not match: cert sign must not be asked for'],
  ]
  for (const [what, asked, usages, problem] of table) {
    const csr = csrOf({ usages })
    assert.equal(kubeletClientProblem(csr, { ...client, ...asked }), problem, what)
    assert.equal(signerProblem(csr, { ...client, ...asked }), problem, what)
  }
})

test('a kubelet’s serving certificate has names or addresses as well', () => {
  const problem = (
    asked: Partial<RequestInfo>,
    usages: readonly ('server auth' | 'client auth' | 'digital signature')[] = ['server auth'],
  ) => signerProblem(csrOf({ signerName: kubeletServingSigner, usages }), { ...serving, ...asked })
  assert.equal(problem({}), undefined)
  assert.equal(problem({ dnsNames: [] }), undefined)
  assert.equal(problem({ ips: [] }), undefined)
  assert.equal(problem({ dnsNames: [], ips: [] }), 'DNS or IP subjectAltName is required')
  assert.equal(problem({ emails: ['a@b'] }), 'email subjectAltNames are not allowed')
  assert.equal(problem({ uris: ['x:y'] }), 'URI subjectAltNames are not allowed')
  assert.equal(problem({ organizations: ['x'] }), 'subject organization is not system:nodes')
  assert.equal(problem({ commonName: 'n1' }), 'subject common name does not begin with system:node: ')
  assert.equal(problem({}, ['client auth']), 'usages did not match: client auth must not be asked for')
  assert.equal(problem({}, ['digital signature']), 'usages did not match: server auth is missing')
})

test('any name may have a client certificate of the general signer, and other signers are nobody’s business here', () => {
  const asked = { ...client, commonName: 'me', organizations: ['team'], dnsNames: ['x'] }
  const general = 'kubernetes.io/kube-apiserver-client'
  assert.equal(signerProblem(csrOf({ signerName: general }), asked), undefined)
  assert.match(
    signerProblem(csrOf({ signerName: general, usages: ['server auth'] }), asked) ?? '',
    /^usages did not match/,
  )
  for (const signerName of ['kubernetes.io/legacy-unknown', 'example.com/mine'])
    assert.equal(signerProblem(csrOf({ signerName, usages: ['server auth', 'cert sign'] }), asked), undefined)
  assert.deepEqual(ourSigners.includes('example.com/mine'), false)
  assert.deepEqual(ourSigners.includes('kubernetes.io/legacy-unknown'), true)
})

test('a node may have a serving certificate for its own addresses alone, and only if it asks itself', () => {
  const node = nodeOf({
    metadata: { name: 'n1' },
    status: {
      addresses: [
        { type: 'InternalIP', address: '10.0.0.1' },
        { type: 'Hostname', address: 'n1' },
      ],
    },
  })
  const own: Partial<Spec> = {
    signerName: kubeletServingSigner,
    usages: ['server auth'],
    username: 'system:node:n1',
    groups: ['system:nodes', 'system:authenticated'],
  }
  const table: [
    what: string,
    spec: Partial<Spec>,
    asked: Partial<RequestInfo>,
    of: typeof node | undefined,
    isOwn: boolean,
  ][] = [
    ['right', {}, {}, node, true],
    ['only its name', {}, { ips: [] }, node, true],
    ['a foreign address', {}, { ips: ['10.0.0.1', '10.0.0.2'] }, node, false],
    ['a foreign name', {}, { dnsNames: ['n1', 'n2'] }, node, false],
    ['asked by another node', { username: 'system:node:n2' }, {}, node, false],
    ['in the name of another node', { username: 'system:node:n2' }, { commonName: 'system:node:n2' }, node, false],
    ['by a user with the name and without the group', { groups: ['system:authenticated'] }, {}, node, false],
    ['a node that does not exist', {}, {}, undefined, false],
    ['a node without addresses', {}, {}, nodeOf({ metadata: { name: 'n1' } }), false],
    ['the wrong purpose', { usages: ['client auth'] }, {}, node, false],
  ]
  for (const [what, spec, asked, of, isOwn] of table)
    assert.equal(isOwnServing(csrOf({ ...own, ...spec }), { ...serving, ...asked }, of), isOwn, what)
})

test('a request is deleted when it is not needed any more, and one that waits for its signer stays', async () => {
  const hour = 3_600_000
  const created = Date.UTC(2026, 0, 1)
  const at = created + 5 * hour
  const condition = (type: string) => ({ type, status: 'True' as const, lastUpdateTime: timeText(at) })
  const validity = { now: created, validMs: 2 * hour }
  const authority = await makeAuthority({ commonName: 'ca', now: created, validMs: 100 * hour })
  const pair = await issue(authority, { commonName: 'x' }, { usages: ['client auth'], ...validity })
  const certificate = Buffer.from(pair.certPem).toString('base64')
  const table: [what: string, status: Draft<CertificateSigningRequest>['status'], deleted: number][] = [
    ['nobody has decided', {}, created + 24 * hour],
    ['denied', { conditions: [condition('Denied')] }, at + hour],
    ['failed', { conditions: [condition('Approved'), condition('Failed')] }, at + hour],
    ['approved, and not signed', { conditions: [condition('Approved')] }, Number.POSITIVE_INFINITY],
    // The certificate has expired before that.
    ['signed', { conditions: [condition('Approved')], certificate }, created + 2 * hour],
  ]
  for (const [what, status, deleted] of table) assert.equal(deleteAt(csrOf({}, status)), deleted, what)
  const lasting = await issue(
    authority,
    { commonName: 'x' },
    { usages: ['client auth'], now: created, validMs: 90 * hour },
  )
  const signed = { conditions: [condition('Approved')], certificate: Buffer.from(lasting.certPem).toString('base64') }
  assert.equal(deleteAt(csrOf({}, signed)), at + hour)
  assert.equal(hasCondition(csrOf({}, signed), 'Approved'), true)
  assert.equal(hasCondition(csrOf({}, signed), 'Denied'), false)
})
