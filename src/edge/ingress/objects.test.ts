// What is read from Secrets and EndpointSlices.
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { Secret } from '../../kinds/core/secret.ts'
import { Service } from '../../kinds/core/service.ts'
import { EndpointSlice } from '../../kinds/discovery/endpointslice.ts'
import { objectOf } from '../../kinds/testing.ts'
import { issue, makeAuthority } from '../../wire/x509.ts'
import { pemOf } from '../../kinds/networking/tls-pem.ts'
import { portOf, serversOf } from './endpoints.ts'
import { usersOf } from './users.ts'

const now = Date.UTC(2026, 0, 1)
const authority = await makeAuthority({ commonName: 'test', now, validMs: 1e9 })
const pair = await issue(
  authority,
  { commonName: 'a', dnsNames: ['a.test'] },
  { usages: ['server auth'], now, validMs: 1e6 },
)
const tls = (crt: string, key: string, type = 'kubernetes.io/tls') =>
  objectOf(Secret, {
    type,
    data: { 'tls.crt': Buffer.from(crt).toString('base64'), 'tls.key': Buffer.from(key).toString('base64') },
  })

test('a pair becomes one PEM, with its chain and nothing else', () => {
  const { pem = '' } = {
    pem: '',
    ...pemOf(tls(`hello\n${pair.certPem}\nworld\n${authority.certPem}`, `# mine\n${pair.keyPem}`), now),
  }
  assert.deepEqual(pem.match(/^-----BEGIN .*$/gm), [
    '-----BEGIN CERTIFICATE-----',
    '-----BEGIN CERTIFICATE-----',
    '-----BEGIN PRIVATE KEY-----',
  ])
  assert.doesNotMatch(pem, /hello|world|mine/)
})

test('a pair that HAProxy would not take is refused with the reason', () => {
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({ type: 'pkcs8', format: 'pem' })
  for (const [secret, why] of [
    [undefined, /does not exist/],
    [tls(pair.certPem, pair.keyPem, 'Opaque'), /not of type/],
    [tls('', pair.keyPem), /no certificate/],
    [tls('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----', pair.keyPem), /cannot be read/],
    [tls(pair.certPem, 'none'), /cannot be read/],
    [tls(pair.certPem, authority.keyPem), /not that of its certificate/],
    [tls(pair.certPem, String(weak)), /not that of its certificate/],
  ] as const)
    assert.match(pemOf(secret, now).problem ?? '', why)
  const late = pemOf(tls(pair.certPem, pair.keyPem), now + 1e9)
  assert.match(late.problem === undefined ? (late.warning ?? '') : '', /was valid until/)
})

test('users are those whose names can be written and whose passwords can be verified', () => {
  const secret = (data: Record<string, string>) =>
    objectOf(Secret, {
      data: Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString('base64')])),
    })
  const file = secret({
    auth: "ann:$6$a$bcdefghi\r\nbob:$apr1$a$b\n\nno colon\ncarl:$2y$05$abcdefgh\nd d:$5$a$bcdefgh\ne:$5$a$'x y\n",
  })
  const { users, problem } = usersOf(file, false)
  assert.deepEqual(
    users.map(({ name }) => name),
    ['ann', 'carl'],
  )
  assert.match(problem ?? '', /4 users/)
  assert.deepEqual(usersOf(secret({ zoe: '$5$a$bcdefgh' }), true).users, [{ name: 'zoe', hash: '$5$a$bcdefgh' }])
  assert.match(usersOf(secret({}), false).problem ?? '', /no user/)
  assert.match(usersOf(undefined, false).problem ?? '', /does not exist/)
})

test('endpoints are the ready ones, or those that end and still serve', () => {
  const slice = (...states: [ip: string, ready: boolean, serving?: boolean, terminating?: boolean][]) =>
    objectOf(EndpointSlice, {
      addressType: 'IPv4',
      endpoints: states.map(([ip, ready, serving = ready, terminating = false]) => ({
        addresses: [ip],
        conditions: { ready, serving, terminating },
      })),
      ports: [{ name: 'web', port: 8080 }],
    })
  const ips = (...slices: EndpointSlice[]) => serversOf(slices, 'web').map(({ ip }) => ip)
  assert.deepEqual(
    ips(slice(['10.0.0.2', true], ['10.0.0.3', false, true, true]), slice(['10.0.0.1', true], ['10.0.0.2', true])),
    ['10.0.0.1', '10.0.0.2'],
  )
  assert.deepEqual(ips(slice(['10.0.0.3', false, true, true], ['10.0.0.4', false, false, true], ['10.0.0.5', false])), [
    '10.0.0.3',
  ])
  assert.deepEqual(serversOf([slice(['10.0.0.2', true])], 'other'), [])
})

test('a port is found by name or number, and some Services have none', () => {
  const service = objectOf(Service, {
    spec: {
      ports: [
        { name: 'web', port: 80, protocol: 'TCP' },
        { name: 'dns', port: 53, protocol: 'UDP' },
      ],
    },
  })
  const outside = objectOf(Service, {
    spec: { type: 'ExternalName', externalName: 'localhost', ports: [{ port: 80 }] },
  })
  const problem = (of: Service | undefined, port: { name?: string; number?: number }) => {
    const found = portOf(of, { name: 's', port })
    return 'problem' in found ? found.problem : found.port.port
  }
  assert.equal(problem(service, { name: 'web' }), 80)
  assert.equal(problem(service, { number: 80 }), 80)
  assert.match(String(problem(service, { name: 'dns' })), /not of TCP/)
  assert.match(String(problem(service, { number: 81 })), /no port 81/)
  assert.match(String(problem(outside, { number: 80 })), /ExternalName/)
  assert.match(String(problem(undefined, { number: 80 })), /does not exist/)
})
