// What pods get from their service account, and which Secrets they may use.
import { deepStrictEqual, match, rejects, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { Pod } from '../../kinds/core/pod.ts'
import { ServiceAccount } from '../../kinds/core/serviceaccount.ts'
import { openTestServer } from '../testing.ts'

const mountPath = '/var/run/secrets/kubernetes.io/serviceaccount'
const containers = [{ name: 'c', image: 'app' }]
const mountsOf = (pod: Pod) =>
  [...(pod.spec.initContainers ?? []), ...pod.spec.containers].map(c => c.volumeMounts?.map(m => m.mountPath) ?? [])

test('a pod without an account runs as the default one, with its token in every container', async t => {
  const { admin } = await openTestServer(t)
  const pod = await admin.create(Pod, {
    metadata: { name: 'p' },
    spec: { initContainers: [{ name: 'i', image: 'app' }], containers },
  })
  deepStrictEqual([pod.spec.serviceAccountName, pod.spec.serviceAccount], ['default', 'default'])
  deepStrictEqual(mountsOf(pod), [[mountPath], [mountPath]])
  strictEqual(pod.spec.volumes?.length, 1)
  const [volume] = pod.spec.volumes
  match(volume!.name, /^kube-api-access-[a-z0-9]{5}$/)
  deepStrictEqual(
    volume!.projected!.sources?.map(source => Object.keys(source)[0]),
    ['serviceAccountToken', 'configMap', 'downwardAPI'],
  )
})

test('the token is mounted unless the pod or its account turns that off, or the path is taken', async t => {
  const { admin } = await openTestServer(t)
  await admin.create(ServiceAccount, { metadata: { name: 'quiet' }, automountServiceAccountToken: false })
  const own = { name: 'own', emptyDir: {} }
  const table: [spec: object, mounts: string[][], volumes: number][] = [
    [{ automountServiceAccountToken: false }, [[]], 0],
    [{ serviceAccountName: 'quiet' }, [[]], 0],
    [{ serviceAccountName: 'quiet', automountServiceAccountToken: true }, [[mountPath]], 1],
    [
      { containers: [{ ...containers[0], volumeMounts: [{ name: 'own', mountPath }] }], volumes: [own] },
      [[mountPath]],
      1,
    ],
    [{ volumes: [{ name: 'kube-api-access-mine', emptyDir: {} }] }, [[mountPath]], 1],
  ]
  for (const [spec, mounts, volumes] of table) {
    const pod = await admin.create(
      Pod,
      { metadata: { name: 'p' }, spec: { containers, ...spec } },
      { options: { dryRun: true } },
    )
    deepStrictEqual([mountsOf(pod), pod.spec.volumes?.length ?? 0], [mounts, volumes], JSON.stringify(spec))
  }
})

test('a pod gets the pull secrets of its account, unless it names its own', async t => {
  const { admin } = await openTestServer(t)
  await admin.create(ServiceAccount, { metadata: { name: 'puller' }, imagePullSecrets: [{ name: 'a' }, { name: 'b' }] })
  const create = (name: string, more: object) =>
    admin.create(Pod, { metadata: { name }, spec: { containers, serviceAccountName: 'puller', ...more } })
  deepStrictEqual((await create('p', {})).spec.imagePullSecrets, [{ name: 'a' }, { name: 'b' }])
  const own = await create('q', { imagePullSecrets: [{ name: 'c' }] })
  deepStrictEqual(own.spec.imagePullSecrets, [{ name: 'c' }])
})

test('a pod whose account does not exist is refused', async t => {
  const { admin } = await openTestServer(t)
  const create = admin.create(Pod, { metadata: { name: 'p' }, spec: { containers, serviceAccountName: 'none' } })
  await rejects(create, {
    reason: 'Forbidden',
    message: 'pods "p" is forbidden: error looking up service account default/none: serviceaccount "none" not found',
  })
})

test('if an account limits its Secrets, its pods may use only those that it lists', async t => {
  const { admin } = await openTestServer(t)
  await admin.create(ServiceAccount, {
    metadata: { name: 'strict', annotations: { 'kubernetes.io/enforce-mountable-secrets': 'true' } },
    secrets: [{ name: 'listed' }],
    imagePullSecrets: [{ name: 'pull' }],
    automountServiceAccountToken: false,
  })
  const create = (more: object, serviceAccountName = 'strict') =>
    admin.create(
      Pod,
      { metadata: { name: 'p' }, spec: { containers, serviceAccountName, ...more } },
      { options: { dryRun: true } },
    )
  const env = (name: string) => [{ name: 'E', valueFrom: { secretKeyRef: { name, key: 'k' } } }]
  const using = (secret: string) => ({
    volumes: [{ name: 'v', secret: { secretName: secret } }],
    containers: [{ ...containers[0], env: env(secret), envFrom: [{ secretRef: { name: secret } }] }],
  })
  await create({ ...using('listed'), imagePullSecrets: [{ name: 'pull' }] })
  await create(using('other'), 'default')
  const because = 'is not allowed because service account strict does not reference that'
  const table: [spec: object, why: string][] = [
    [using('other'), `volume with secret.secretName="other" ${because} secret`],
    [
      { containers: [{ ...containers[0], env: env('other') }] },
      `container c with envVar E referencing secret.secretName="other" ${because} secret`,
    ],
    [
      { containers: [{ ...containers[0], envFrom: [{ secretRef: { name: 'other' } }] }] },
      `container c with envFrom referencing secret.secretName="other" ${because} secret`,
    ],
    [
      { initContainers: [{ name: 'i', image: 'app', env: env('other') }] },
      `init container i with envVar E referencing secret.secretName="other" ${because} secret`,
    ],
    [
      { imagePullSecrets: [{ name: 'pull' }, { name: 'other' }] },
      `imagePullSecrets[1].name="other" ${because} imagePullSecret`,
    ],
  ]
  for (const [spec, why] of table)
    await rejects(create(spec), { reason: 'Forbidden', message: `pods "p" is forbidden: ${why}` })
  // Ephemeral containers are checked as well.
  await admin.create(Pod, { metadata: { name: 'p' }, spec: { containers, serviceAccountName: 'strict' } })
  const debug = (secret: string) =>
    admin.patch(
      Pod,
      'p',
      'strategic',
      { spec: { ephemeralContainers: [{ name: 'd', image: 'app', env: env(secret) }] } },
      { subresource: 'ephemeralcontainers' },
    )
  await rejects(debug('other'), {
    message: `pods "p" is forbidden: ephemeral container d with envVar E referencing secret.secretName="other" ${because} secret`,
  })
  await debug('listed')
})

test('a mirror pod is not changed, and is refused if it refers to an account or a Secret', async t => {
  const { admin } = await openTestServer(t)
  const create = (spec: object) =>
    admin.create(
      Pod,
      {
        metadata: { name: 'p', annotations: { 'kubernetes.io/config.mirror': 'hash' } },
        spec: { containers, nodeName: 'n', ...spec },
      },
      { options: { dryRun: true } },
    )
  const pod = await create({})
  deepStrictEqual([pod.spec.serviceAccountName, pod.spec.volumes], [undefined, undefined])
  const projected = { sources: [{ serviceAccountToken: { path: 'token' } }] }
  const table: [spec: object, why: string][] = [
    [{ serviceAccountName: 'default' }, 'a mirror pod may not reference service accounts'],
    [{ volumes: [{ name: 'v', secret: { secretName: 's' } }] }, 'a mirror pod may not reference secrets'],
    [{ volumes: [{ name: 'v', projected }] }, 'a mirror pod may not use ServiceAccountToken volume projections'],
  ]
  for (const [spec, why] of table)
    await rejects(create(spec), { reason: 'Forbidden', message: `pods "p" is forbidden: ${why}` })
})
