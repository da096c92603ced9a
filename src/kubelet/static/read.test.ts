// Static pods: what is read from a document, and which mirror pods follow from it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { podOf } from '../../kinds/testing.ts'
import { planMirrors } from './mirror-pods.ts'
import { readStaticPods } from './read.ts'

const now = Date.UTC(2026, 0, 1)
const read = (text: string, kind: 'file' | 'http' = 'file') =>
  readStaticPods({ source: '/etc/pods/web.yaml', kind, text }, 'node-1', now)
const manifest = (more = '', spec = '') => `apiVersion: v1
kind: Pod
metadata:
  name: web
${more}
spec:
  containers: [{ name: c, image: app }]
${spec}`

test('a static pod is completed, named after its node, and marked with its source and hash', () => {
  const { pods, problems } = read(manifest())
  assert.deepEqual(problems, [])
  const [pod] = pods
  assert.ok(pod)
  const { name, namespace, uid, annotations } = pod.metadata
  assert.deepEqual([name, namespace], ['web-node-1', 'default'])
  assert.match(uid ?? '', /^[0-9a-f]{32}$/)
  assert.deepEqual(annotations, {
    'kubernetes.io/config.hash': uid,
    'kubernetes.io/config.seen': '2026-01-01T00:00:00Z',
    'kubernetes.io/config.source': 'file',
  })
  assert.equal(pod.spec.nodeName, 'node-1')
  assert.equal(pod.spec.restartPolicy, 'Always')
  assert.equal(pod.spec.containers[0]?.imagePullPolicy, 'Always')
  assert.deepEqual(pod.spec.tolerations, [{ operator: 'Exists', effect: 'NoExecute' }])
  assert.deepEqual(pod.status, { phase: 'Pending', qosClass: 'BestEffort' })
})

test('the uid follows from the document and its place, and nothing else', () => {
  const uid = (text: string, kind?: 'http') => read(text, kind).pods[0]?.metadata.uid
  assert.equal(uid(manifest()), uid(manifest()))
  assert.equal(uid(manifest()), uid(`# a comment\n${manifest()}`))
  assert.notEqual(uid(manifest()), uid(manifest('  labels: { a: b }')))
  assert.notEqual(uid(manifest()), uid(manifest(), 'http'))
  assert.equal(uid(manifest('  uid: my-own')), 'my-own')
})

test('a list has several pods, of which a wrong one does not stop the others', () => {
  const list = JSON.stringify({
    apiVersion: 'v1',
    kind: 'PodList',
    items: ['a', 'B!', 'c'].map(name => ({ metadata: { name }, spec: { containers: [{ name: 'c', image: 'i' }] } })),
  })
  const { pods, problems } = read(list, 'http')
  assert.deepEqual(
    pods.map(pod => pod.metadata.name),
    ['a-node-1', 'c-node-1'],
  )
  assert.equal(problems.length, 1)
  assert.match(problems[0]!, /^\/etc\/pods\/web.yaml: metadata.name: /)
})

const wrong: [string, string, RegExp][] = [
  ['no YAML', 'a: [', /is not YAML/],
  ['another kind', 'apiVersion: v1\nkind: Secret', /must be a Pod or a list of pods/],
  ['nothing', '', /must be a Pod/],
  ['a pod without containers', 'apiVersion: v1\nkind: Pod\nmetadata: { name: x }\nspec: {}', /spec.containers/],
  ['a wrong type', 'apiVersion: v1\nkind: Pod\nmetadata: { name: x }\nspec: { containers: 7 }', /containers|json/],
  ['a service account', manifest('', '  serviceAccountName: boss'), /static pods may not reference serviceaccounts/],
  ['a Secret', manifest('', '  volumes: [{ name: v, secret: { secretName: s } }]'), /may not reference secrets/],
  ['a ConfigMap', manifest('', '  volumes: [{ name: v, configMap: { name: s } }]'), /may not reference configmaps/],
  [
    'a claim',
    manifest('', '  volumes: [{ name: v, persistentVolumeClaim: { claimName: s } }]'),
    /may not reference persistentvolumeclaims/,
  ],
  ['a uid that is a path', manifest('  uid: ../../etc'), /metadata.uid: "..\/..\/etc" is no uid/],
]

for (const [what, text, problem] of wrong)
  test(`what is no static pod is refused: ${what}`, () => {
    const { pods, problems } = read(text)
    assert.deepEqual(pods, [])
    assert.match(problems.join('\n'), problem)
  })

const staticPod = (name: string, uid = `hash-${name}`) => podOf({ metadata: { name, uid } })
const mirror = (name: string, hash = `hash-${name}`, more: object = {}) =>
  podOf({ metadata: { name, annotations: { 'kubernetes.io/config.mirror': hash }, ...more } })
const deleted = { deletionTimestamp: '2026-01-01T00:00:00Z' }

const plans: [string, Parameters<typeof planMirrors>, string][] = [
  ['a static pod without a mirror gets one', [[staticPod('a')], [], new Set(), true], 'create a'],
  ['one with its mirror needs nothing', [[staticPod('a')], [mirror('a')], new Set(), true], ''],
  ['the mirror of a former state goes first', [[staticPod('a')], [mirror('a', 'old')], new Set(), true], 'delete a'],
  [
    'a mirror that somebody deletes goes at once, and comes again when it is gone',
    [[staticPod('a')], [mirror('a', undefined, deleted)], new Set(), true],
    'delete a',
  ],
  ['a mirror without a static pod goes', [[], [mirror('a')], new Set(), true], 'delete a'],
  ['but not while its pod is ending', [[], [mirror('a')], new Set(['default/a']), true], ''],
  ['nor while there may be more static pods', [[], [mirror('a')], new Set(), false], ''],
  [
    'pods of the API stay, also one that has the name',
    [[staticPod('a')], [podOf({ metadata: { name: 'a' } })], new Set(), true],
    '',
  ],
]

for (const [what, args, expected] of plans)
  test(what, () => {
    const { deletes, creates } = planMirrors(...args)
    const texts = [
      ...deletes.map(pod => `delete ${pod.metadata.name}`),
      ...creates.map(pod => `create ${pod.metadata.name}`),
    ]
    assert.equal(texts.join(' '), expected)
  })
