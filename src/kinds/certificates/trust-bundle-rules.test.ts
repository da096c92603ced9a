// What a bundle of trust anchors may be called, and what may be in it.
import { deepStrictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { root } from '../../api/path.ts'
import { validateObject, validateUpdate } from '../../api/validate.ts'
import { issue, makeAuthority } from '../../wire/x509.ts'
import { objectOf } from '../testing.ts'
import { ClusterTrustBundle } from './clustertrustbundle.ts'
import { validateBundle } from './trust-bundle-rules.ts'

const now = Date.UTC(2026, 0, 1)
const authority = await makeAuthority({ commonName: 'one', now, validMs: 1e9 })
const other = await makeAuthority({ commonName: 'two', now, validMs: 1e9 })
const leaf = await issue(authority, { commonName: 'leaf' }, { usages: ['client auth'], now, validMs: 1e9 })
const bundle = (name: string, trustBundle: string, signerName?: string) =>
  objectOf(ClusterTrustBundle, { metadata: { name }, spec: { trustBundle, ...(signerName && { signerName }) } })
const problems = (object: ClusterTrustBundle, old?: ClusterTrustBundle) =>
  [...validateBundle(object, old, root)].map(p => `${p.field}: ${p.body}`)

test('a bundle has certificates of authorities, each once, and nothing else', () => {
  const one = authority.certPem
  const retyped = one.replaceAll('CERTIFICATE', 'THING')
  const withHeader = one.replace('-----BEGIN CERTIFICATE-----\n', '-----BEGIN CERTIFICATE-----\nkey: value\n\n')
  const broken = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
  const table: [text: string, expected: string[]][] = [
    [one, []],
    [`# a comment\n${one}\n\n${other.certPem}`, []],
    ['', ['at least one trust anchor must be provided']],
    ['nothing in PEM', ['at least one trust anchor must be provided']],
    [one + one, ['duplicate trust anchor (indices [0 1])']],
    [one + retyped, ['entry 1 has bad block type: THING']],
    [withHeader, ['entry 0 has PEM block headers']],
    [one + broken, ['entry 1 does not parse as X.509']],
    [leaf.certPem, ['entry 0 does not have the CA bit set']],
    [retyped + broken + one + one, ['entry 0 has bad block type: THING', 'entry 1 does not parse as X.509']],
  ]
  for (const [text, expected] of table)
    deepStrictEqual(
      problems(bundle('x', text)),
      expected.map(why => `spec.trustBundle: Invalid value: "<value omitted>": ${why}`),
      text,
    )
  deepStrictEqual(problems(bundle('x', 'a'.repeat(1024 * 1024 + 1))), [
    'spec.trustBundle: Too long: may not be more than 1048576 bytes',
  ])
  // What was stored is not looked at again.
  deepStrictEqual(problems(bundle('x', 'nothing'), bundle('x', 'nothing')), [])
})

test('a bundle of a signer is called after it, and keeps its signer', () => {
  const of = (name: string, signer?: string) =>
    [...validateObject(ClusterTrustBundle, bundle(name, authority.certPem, signer))].map(p => `${p.field}: ${p.body}`)
  deepStrictEqual(of('plain'), [])
  deepStrictEqual(of('example.com:web:v1', 'example.com/web'), [])
  deepStrictEqual(of('web', 'example.com/web'), [
    'metadata.name: Invalid value: "web": ClusterTrustBundle for signerName example.com/web must be named with prefix example.com:web:',
  ])
  deepStrictEqual(of('example.com:web:v1'), [
    'metadata.name: Invalid value: "example.com:web:v1": ClusterTrustBundle without signer name must not have ":" in its name',
  ])
  const before = bundle('example.com:web:v1', authority.certPem, 'example.com/web')
  const after = bundle('example.com:web:v1', authority.certPem, 'example.com/other')
  deepStrictEqual(
    [...validateUpdate(ClusterTrustBundle, after, before)].map(p => `${p.field}: ${p.body}`),
    [
      'metadata.name: Invalid value: "example.com:web:v1": ClusterTrustBundle for signerName example.com/other must be named with prefix example.com:other:',
      'spec.signerName: Invalid value: "example.com/other": field is immutable',
    ],
  )
})
