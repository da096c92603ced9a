// Names of images, and which entries of a pull secret apply to them, as tables.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { credentialsFor, dockerConfigOf, normalizeImage } from './credentials.ts'

const digest = `sha256:${'a1'.repeat(32)}`

test('an image name is completed by registry, library and tag, and one that is not valid is none', () => {
  const table: [name: string, whole: string | undefined][] = [
    ['busybox', 'docker.io/library/busybox:latest'],
    ['busybox:1.36', 'docker.io/library/busybox:1.36'],
    ['team/app', 'docker.io/team/app:latest'],
    ['docker.io/busybox', 'docker.io/library/busybox:latest'],
    ['index.docker.io/busybox', 'docker.io/library/busybox:latest'],
    ['localhost/x', 'localhost/x:latest'],
    ['localhost:5000/x:2', 'localhost:5000/x:2'],
    ['registry.example.com/a/b/c:v1.2-rc_1', 'registry.example.com/a/b/c:v1.2-rc_1'],
    ['registry:5000/x', 'registry:5000/x:latest'],
    ['[::1]:5000/x', '[::1]:5000/x:latest'],
    // A first part without a dot or port is not a registry.
    ['registry/x', 'docker.io/registry/x:latest'],
    [`x@${digest}`, `docker.io/library/x@${digest}`],
    // With both, the digest decides.
    [`r.io/x:1@${digest}`, `r.io/x@${digest}`],
    ['a__b/c--d.e', 'docker.io/a__b/c--d.e:latest'],
    ['', undefined],
    ['x:', undefined],
    ['x y', undefined],
    ['UPPER', undefined],
    ['Team/app', undefined],
    ['a//b', undefined],
    ['-a', undefined],
    ['a:b:c', undefined],
    ['x@sha256:short', undefined],
    ['https://r.io/x', undefined],
    [`x:${'t'.repeat(128)}`, `docker.io/library/x:${'t'.repeat(128)}`],
    [`x:${'t'.repeat(129)}`, undefined],
  ]
  for (const [name, whole] of table) assert.equal(normalizeImage(name), whole, name)
})

const config = (auths: Record<string, unknown>) => JSON.stringify({ auths })
const users = (image: string, ...configs: string[]) =>
  credentialsFor(normalizeImage(image)!, configs).map(a => a.username)

test('an entry covers the images of its registry and of the path that it names', () => {
  const table: [key: string, image: string, covered: boolean][] = [
    ['r.io', 'r.io/x', true],
    ['r.io', 'other.io/x', false],
    ['https://r.io', 'r.io/x', true],
    ['http://r.io/v2/', 'r.io/x', true],
    ['r.io/v1', 'r.io/x', true],
    ['r.io/', 'r.io/x', true],
    ['r.io:5000', 'r.io:5000/x', true],
    ['r.io', 'r.io:5000/x', false],
    ['r.io/team', 'r.io/team/x', true],
    ['r.io/team', 'r.io/other/x', false],
    ['r.io/team/x', 'r.io/team/x', true],
    ['r.io/team/x', 'r.io/team/y', false],
    ['*.r.io', 'eu.r.io/x', true],
    // A star stands for one label.
    ['*.r.io', 'a.eu.r.io/x', false],
    ['*.r.io', 'r.io/x', false],
    ['e*.r.io', 'eu.r.io/x', true],
    ['e*.r.io', 'us.r.io/x', false],
    ['*.*.io', 'a.b.io/x', true],
    ['https://index.docker.io/v1/', 'busybox', true],
    ['docker.io', 'busybox', true],
    ['index.docker.io', 'team/app', true],
    // What means something in a regular expression is text here.
    ['r(.io', 'r.io/x', false],
  ]
  for (const [key, image, covered] of table) {
    const name = normalizeImage(image) ?? image
    const found = credentialsFor(name, [config({ [key]: { username: 'u', password: 'p' } })])
    assert.equal(found.length, covered ? 1 : 0, `${key} ${image}`)
  }
})

test('the most specific entry of all secrets comes first', () => {
  const all = [
    config({ 'r.io': { username: 'registry' }, 'r.io/team/app': { username: 'app' } }),
    config({ 'r.io/team': { username: 'team' } }),
  ]
  assert.deepEqual(users('r.io/team/app:1', ...all), ['app', 'team', 'registry'])
  assert.deepEqual(users('r.io/team/other', ...all), ['team', 'registry'])
  assert.deepEqual(users('busybox', ...all), [])
})

test('a name and password are given apart, as one base64 text, or as a token', () => {
  const of = (entry: object) => credentialsFor('r.io/x:1', [config({ 'r.io': entry })])[0]
  const auth = (text: string) => Buffer.from(text).toString('base64')
  const none = { username: '', password: '', identityToken: '' }
  assert.deepEqual(of({ username: 'me', password: 'p' }), { ...none, username: 'me', password: 'p' })
  assert.deepEqual(of({ auth: auth('me:p:with:colons') }), { ...none, username: 'me', password: 'p:with:colons' })
  assert.deepEqual(of({ auth: auth('me') }), { ...none, username: 'me' })
  assert.deepEqual(of({ identitytoken: 't' }), { ...none, identityToken: 't' })
  assert.deepEqual(of({ username: 'me', password: 'p', auth: auth('x:y') }), { ...none, username: 'me', password: 'p' })
})

test('entries that are none are passed over, whatever else the JSON says', () => {
  for (const text of ['null', '{}', '[]', '"text"', '{"auths":null}', '{"auths":{"r.io":null,"r.io/x":"text"}}'])
    assert.deepEqual(credentialsFor('r.io/x:1', [text]), [], text)
  assert.deepEqual(users('r.io/x', 'null', config({ 'r.io': { username: 'me' } })), ['me'])
  // The older form has the entries without a frame.
  assert.deepEqual(users('r.io/x', JSON.stringify({ 'r.io': { username: 'old' } })), ['old'])
})

test('only secrets of the two types for it have a Docker configuration', () => {
  const data = {
    '.dockerconfigjson': Buffer.from('new').toString('base64'),
    '.dockercfg': Buffer.from('old').toString('base64'),
  }
  assert.equal(dockerConfigOf({ type: 'kubernetes.io/dockerconfigjson', data }), 'new')
  assert.equal(dockerConfigOf({ type: 'kubernetes.io/dockercfg', data }), 'old')
  assert.equal(dockerConfigOf({ type: 'Opaque', data }), undefined)
  assert.equal(dockerConfigOf({ data }), undefined)
  assert.equal(dockerConfigOf({ type: 'kubernetes.io/dockercfg' }), undefined)
})
