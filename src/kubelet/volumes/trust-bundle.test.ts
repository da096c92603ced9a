// Which bundles a projection means, and the file that they become.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClusterTrustBundle } from '../../kinds/certificates/clustertrustbundle.ts'
import type { ClusterTrustBundleProjection } from '../../kinds/core/volume.ts'
import { objectOf } from '../../kinds/testing.ts'
import { trustBundleFile } from './trust-bundle.ts'

const pem = (text: string) => `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`
const bundle = (name: string, trustBundle: string, signerName?: string, labels = {}) =>
  objectOf(ClusterTrustBundle, { metadata: { name, labels }, spec: { trustBundle, ...(signerName && { signerName }) } })

const all = [
  bundle('plain', `${pem('bbbb')}between ${pem('aaaa')}`),
  bundle('e.com:s:one', pem('cccc'), 'e.com/s', { use: 'yes' }),
  bundle('e.com:s:two', `${pem('cccc')}${pem('dddd')}`, 'e.com/s', { use: 'yes' }),
  bundle('e.com:s:off', pem('eeee'), 'e.com/s'),
  bundle('f.com:s:one', pem('ffff'), 'f.com/s', { use: 'yes' }),
]
const ofSigner = { signerName: 'e.com/s', path: 'x' }

const cases: [what: string, projection: ClusterTrustBundleProjection, expected: string | RegExp][] = [
  ['by name', { name: 'plain', path: 'x' }, pem('aaaa') + pem('bbbb')],
  ['by signer and labels', { ...ofSigner, labelSelector: { matchLabels: { use: 'yes' } } }, pem('cccc') + pem('dddd')],
  ['every one of a signer', { ...ofSigner, labelSelector: {} }, pem('cccc') + pem('dddd') + pem('eeee')],
  [
    'none without a selector',
    ofSigner,
    /^combination of signerName and labelSelector matched zero ClusterTrustBundles$/,
  ],
  ['none is right if it is optional', { ...ofSigner, optional: true }, ''],
  ['a name that is not there', { name: 'z', path: 'x' }, /^clustertrustbundle.certificates.k8s.io "z" not found$/],
  ['such a name, if it is optional', { name: 'z', path: 'x', optional: true }, ''],
]

for (const [what, projection, expected] of cases)
  test(`the file of trust bundles: ${what}`, () => {
    if (expected instanceof RegExp) assert.throws(() => trustBundleFile(projection, all), { message: expected })
    else assert.equal(trustBundleFile(projection, all).toString(), expected)
  })

test('a certificate in lines of another length is the same', () => {
  const long = 'x'.repeat(100)
  const [one, other] = [pem(long), pem(`${long.slice(0, 7)}\r\n${long.slice(7)}`)]
  const file = trustBundleFile({ name: 'a', path: 'x' }, [bundle('a', one + other)])
  assert.equal(file.toString(), pem(`${long.slice(0, 64)}\n${long.slice(64)}`))
})
