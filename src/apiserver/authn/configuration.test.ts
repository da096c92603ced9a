// What an AuthenticationConfiguration may say, with the messages of kube-apiserver.
import { deepStrictEqual, match, ok, throws } from 'node:assert/strict'
import { test } from 'node:test'
import { makeAuthority } from '../../wire/x509.ts'
import { parseAuthentication } from './configuration.ts'
import { checkOidc } from './oidc-options.ts'

const url = 'https://issuer.test'
const good = {
  issuer: { url, audiences: ['kutter'] },
  claimMappings: { username: { claim: 'sub', prefix: '' } },
}

const fileOf = (jwt: unknown[], more: object = {}) =>
  JSON.stringify({ apiVersion: 'apiserver.config.k8s.io/v1', kind: 'AuthenticationConfiguration', jwt, ...more })

/** The mistakes that are found in a file, a line for each. */
function mistakes(text: string): string[] {
  try {
    parseAuthentication(text, 'f', ['https://own.test'])
    return []
  } catch (error) {
    return (error as Error).message.split('\n').map(line => line.replace(/^f: /, ''))
  }
}

const withIssuer = (more: object) => [{ ...good, issuer: { ...good.issuer, ...more } }]
const withMappings = (more: object) => [{ ...good, claimMappings: { ...good.claimMappings, ...more } }]

const table: readonly (readonly [jwt: unknown[], expected: readonly string[]])[] = [
  [[good], []],
  [[], []],
  [Array.from({ length: 65 }, () => good), ['jwt: Too many: 65: must have at most 64 items']],
  [withIssuer({ url: '' }), ['jwt[0].issuer.url: Required value']],
  [
    withIssuer({ url: 'http://me:pw@issuer.test/?a=b#c' }),
    ['URL scheme must be https', 'username or password', 'must not contain a query', 'must not contain a fragment'],
  ],
  [withIssuer({ url: 'https://own.test' }), ['URL must not overlap with disallowed issuers: [https://own.test]']],
  [withIssuer({ url: 'no url' }), ['jwt[0].issuer.url: Invalid value: "no url"']],
  [withIssuer({ discoveryURL: `${url}/` }), ['discoveryURL must be different from URL']],
  [withIssuer({ discoveryURL: 'http://in.test' }), ['jwt[0].issuer.discoveryURL: Invalid value: "http://in.test"']],
  [withIssuer({ audiences: [] }), ['jwt[0].issuer.audiences: Required value: at least one jwt[0].issuer.audiences']],
  [
    withIssuer({ audiences: ['a', '', 'a'] }),
    ['audiences[1]: Required value', 'audiences[2]: Duplicate value: "a"', 'must be MatchAny for multiple audiences'],
  ],
  [withIssuer({ audiences: ['a', 'b'], audienceMatchPolicy: 'MatchAny' }), []],
  [withIssuer({ audienceMatchPolicy: 'All' }), ['must be empty or MatchAny for single audience']],
  [
    withIssuer({ certificateAuthority: 'pem' }),
    ['certificateAuthority: Invalid value: "<omitted>": data does not contain any valid RSA or ECDSA certificates'],
  ],
  [withIssuer({ egressSelectorType: 'cluster' }), ['egress selector is not supported']],
  [[good, good], ['jwt[1].issuer.url: Duplicate value: "https://issuer.test"']],
  [withIssuer({ urls: [] }), ['jwt[0].issuer.urls: unknown field']],
  [withIssuer({ url: 7 }), ['jwt[0].issuer.url: must be a string, not 7']],
  [[{ ...good, claimMappings: {} }], ['claimMappings.username: Required value: claim or expression is required']],
  [withMappings({ username: { claim: 'sub' } }), ['username.prefix: Required value: prefix is required when claim']],
  [
    withMappings({ username: { claim: 'a', expression: 'claims.b' } }),
    [`claimMappings.username: Invalid value: "": claim and expression can't both be set`],
  ],
  [
    withMappings({ username: { expression: 'claims.sub', prefix: 'p' } }),
    ['username.prefix: Invalid value: "p": may not be specified when expression is set'],
  ],
  [
    withMappings({ username: { expression: 'claims.(' } }),
    ['username.expression: Invalid value: "claims.(": compilation'],
  ],
  [withMappings({ username: { expression: 'user.name' } }), ["undeclared reference to 'user'"]],
  [withMappings({ username: { expression: 'claims.email' } }), ['claims.email_verified must be used in']],
  [withMappings({ username: { expression: 'claims.?email.orValue("")' } }), ['claims.email_verified must be used in']],
  [withMappings({ username: { expression: 'claims.email_verified ? claims.email : claims.sub' } }), []],
  [
    withMappings({
      username: { expression: 'claims.email' },
      extra: [{ key: 'a.io/b', valueExpression: 'string(claims.?email_verified.orValue(false))' }],
    }),
    [],
  ],
  [withMappings({ groups: { claim: 'groups' } }), ['groups.prefix: Required value']],
  [
    withMappings({ uid: { claim: 'a', expression: 'claims.b' } }),
    ['uid: Invalid value: "": claim and expression can\'t'],
  ],
  [withMappings({ uid: { claim: 'uid' } }), []],
  [
    withMappings({
      extra: [
        { key: 'b', valueExpression: 'claims.a' },
        { key: 'A.io/b', valueExpression: 'claims.a' },
        { key: 'x.kubernetes.io/b', valueExpression: 'claims.a' },
        { key: 'k8s.io/b', valueExpression: 'claims.a' },
        { key: 'a.io/b', valueExpression: 'claims.a' },
        { key: 'a.io/b', valueExpression: 'claims.a' },
        { key: 'a.io/c' },
        {},
      ],
    }),
    [
      'extra[0].key: Invalid value: "b": must be a domain-prefixed path',
      'extra[1].key: Invalid value: "A.io/b"',
      'extra[1].key: Invalid value: "A.io/b": must be lowercase',
      'extra[2].key: Invalid value: "x.kubernetes.io/b": k8s.io, kubernetes.io and their subdomains',
      'extra[3].key: Invalid value: "k8s.io/b"',
      'extra[5].key: Duplicate value: "a.io/b"',
      'extra[6].valueExpression: Required value',
      'extra[7].key: Required value',
      'extra[7].valueExpression: Required value',
    ],
  ],
  [
    [
      {
        ...good,
        claimValidationRules: [
          {},
          { claim: 'a', requiredValue: 'b', message: 'm' },
          { claim: 'a', expression: 'true' },
          { claim: 'a' },
          { expression: 'claims.a == "b"', requiredValue: 'b' },
          { expression: 'claims.a == "b"' },
          { expression: 'claims.a' },
          { expression: '"text"' },
        ],
      },
    ],
    [
      'claimValidationRules[0]: Required value: claim or expression is required',
      'claimValidationRules[1].message: Invalid value: "m": may not be specified when claim is set',
      `claimValidationRules[2]: Invalid value: "a": claim and expression can't both be set`,
      'claimValidationRules[3].claim: Duplicate value: "a"',
      'claimValidationRules[4].requiredValue: Invalid value: "b": may not be specified when expression is set',
      'claimValidationRules[5].expression: Duplicate value',
      'claimValidationRules[6].expression: Invalid value: "claims.a": must evaluate to bool',
      'claimValidationRules[7].expression: Invalid value: "\\"text\\"": must evaluate to bool',
    ],
  ],
  [
    [
      {
        ...good,
        userValidationRules: [
          {},
          { expression: "!user.username.startsWith('system:')", message: 'm' },
          { expression: "!user.username.startsWith('system:')" },
          { expression: 'user.name == ""' },
          { expression: 'user.groups.size() < 3 && user.extra["a"][0] == "" && user.uid == ""' },
        ],
      },
    ],
    [
      'userValidationRules[0].expression: Required value',
      'userValidationRules[2].expression: Duplicate value',
      'userValidationRules[3].expression: Invalid value: "user.name == \\"\\"": compilation failed: ERROR: <input>:1:5: undefined field \'name\'',
    ],
  ],
]

test('a file is checked field by field', () => {
  for (const [jwt, expected] of table) {
    const found = mistakes(fileOf(jwt))
    const about = JSON.stringify(jwt).slice(0, 300)
    const all = found.filter(line => line !== '').join('\n')
    const lines = found.filter(line => /^(jwt|anonymous)/.test(line))
    deepStrictEqual(lines.length, expected.length, `${about}\n${all}`)
    expected.forEach((text, i) => ok(lines[i]!.includes(text), `${about}\n${all}\nlacks ${text}`))
  }
})

test('the version and the kind must be right, and anonymous requests allowed where they have conditions', () => {
  match(mistakes('{}').join(), /apiVersion: must be .*kind: must be AuthenticationConfiguration/)
  match(mistakes('a: [').join(), /is not YAML/)
  const [invalid] = mistakes(fileOf([], { anonymous: { enabled: false, conditions: [{ path: '/livez' }] } }))
  match(
    invalid!,
    /^anonymous.conditions: Invalid value: .*: enabled should be set to true when conditions are defined$/,
  )
  deepStrictEqual(
    parseAuthentication(fileOf([], { anonymous: { enabled: true, conditions: [{ path: '/a' }] } }), 'f', []),
    {
      jwt: [],
      anonymous: { enabled: true, paths: ['/a'] },
    },
  )
  const beta = fileOf([good]).replace('k8s.io/v1', 'k8s.io/v1beta1')
  deepStrictEqual(mistakes(beta), [])
})

test('an authority may be many certificates', async () => {
  const { certPem } = await makeAuthority({ commonName: 'ca', now: 0, validMs: 1000 })
  deepStrictEqual(mistakes(fileOf(withIssuer({ certificateAuthority: `# two\n${certPem}\n${certPem}` }))), [])
})

test('the options of one issuer are the same', () => {
  const plain = { issuerUrl: url, clientId: 'kutter' }
  const [jwt] = checkOidc(plain, []).jwt
  deepStrictEqual(jwt!.username, { claim: 'sub', prefix: `${url}#` })
  deepStrictEqual([jwt!.algorithms, jwt!.audiences, jwt!.groups], [['RS256'], ['kutter'], undefined])
  const prefix = (more: object) => checkOidc({ ...plain, ...more }, []).jwt[0]!.username
  deepStrictEqual(prefix({ usernameClaim: 'email' }), { claim: 'email', prefix: '' })
  deepStrictEqual(prefix({ usernamePrefix: '-' }), { claim: 'sub', prefix: '' })
  deepStrictEqual(prefix({ usernameClaim: 'email', usernamePrefix: 'x:' }), { claim: 'email', prefix: 'x:' })
  const more = checkOidc(
    { ...plain, groupsClaim: 'g', groupsPrefix: 'o:', requiredClaim: 'hd=a.test,b=c', signingAlgs: 'ES256,PS512' },
    [],
  )
  deepStrictEqual(more.jwt[0]!.groups, { claim: 'g', prefix: 'o:' })
  deepStrictEqual(more.jwt[0]!.required, [
    ['hd', 'a.test'],
    ['b', 'c'],
  ])
  deepStrictEqual(more.jwt[0]!.algorithms, ['ES256', 'PS512'])
  throws(() => checkOidc({ ...plain, signingAlgs: 'HS256' }, []), /unsupported signing alg: "HS256"/)
  throws(() => checkOidc({ ...plain, signingAlgs: 'none' }, []), /unsupported signing alg/)
  throws(() => checkOidc({ ...plain, requiredClaim: 'hd' }, []), /must be CLAIM=VALUE/)
  throws(() => checkOidc({ ...plain, issuerUrl: 'http://a' }, []), /URL scheme must be https/)
  throws(() => checkOidc(plain, [url]), /disallowed issuers/)
})
