// Pulling from a registry: Debian's docker-registry on loopback, without and with a password, filled by HTTP requests
// as in the distribution specification.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { buildImage } from '../../src/images/index.ts'
import { clusterForFile, packageCache, root } from './cluster.ts'
import { becomesReady, eventComes, forever, mainOf, makePod, podIs, removePods, sh, waitingFor } from './pods.ts'
import { noRegistry, push, type Registry, startRegistry } from './registries.ts'

const skip = noRegistry
const options = { skip }
const cluster = clusterForFile('registry')
const dir = mkdtempSync(join(tmpdir(), 'kutter-registry-'))
const user = 'puller'
const password = 'let-me-in'
/** The bcrypt hash of the password. */
const passwordLine = 'puller:$2y$05$xm022oU4AllZvHwe9khz7eb4cvIAJ2VvSXZ5SSk1xJEB0d4GBmTJ.'
const running: Registry[] = []
let open = ''
let closed = ''
let digest = ''

const runs = (image: string, more: object = {}) => ({ containers: [sh(forever, { image, ...more })] })
const cannotPull = (name: string) =>
  podIs(cluster, name, 'cannot be pulled', p => /^(ErrImagePull|ImagePullBackOff)$/.test(waitingFor(p) ?? ''))
const pullSecret = (name: string, word: string) =>
  cluster.kubectl(
    `create secret docker-registry ${name} --docker-server=${closed} --docker-username=${user} --docker-password=${word}`,
  )

describe('registries', { concurrency: 3, skip }, () => {
  before(async () => {
    running.push(await startRegistry(dir, 'open'), await startRegistry(dir, 'closed', passwordLine))
    ;[open, closed] = running.map(registry => registry.address) as [string, string]
    const file = join(dir, 'busybox.tar')
    digest = (await buildImage(join(root, 'examples/images/busybox'), file, { cacheDir: packageCache })).digest
    for (const name of ['tool', 'other', 'third']) await push(file, digest, open, `team/${name}`)
    await push(file, digest, closed, 'team/secret', { authorization: `Basic ${btoa(`${user}:${password}`)}` })
  })

  after(async () => {
    for (const registry of running) await registry.close()
    rmSync(dir, { recursive: true, force: true })
  })

  test('an image is pulled by tag and by digest, and not again while it is present', options, async () => {
    await makePod(cluster, 'tag', runs(`${open}/team/tool:1`))
    const pod = await becomesReady(cluster, 'tag')
    assert.equal(mainOf(pod)?.imageID, `${open}/team/tool@${digest}`)
    await eventComes(cluster, 'tag', /^Pulling: Pulling image "127\.0\.0\.1:\d+\/team\/tool:1"$/)
    await eventComes(
      cluster,
      'tag',
      /^Pulled: Successfully pulled image "[^"]+" in [\d.]+m?s \([\d.]+m?s including waiting\)\. Image size: \d+ bytes\.$/,
    )
    await makePod(cluster, 'again', runs(`${open}/team/tool:1`))
    await eventComes(cluster, 'again', /^Pulled: Container image "[^"]+" already present on machine/)
    await makePod(cluster, 'digest', runs(`${open}/team/other@${digest}`))
    await becomesReady(cluster, 'digest')
    await makePod(cluster, 'always', runs(`${open}/team/tool:1`, { imagePullPolicy: 'Always' }))
    await becomesReady(cluster, 'always')
    await eventComes(cluster, 'always', /^Pulled: Successfully pulled image /)
    await removePods(cluster, 'tag', 'again', 'digest', 'always')
  })

  test('a missing tag, a policy that forbids the pull, and an invalid name are reported as such', options, async () => {
    await makePod(cluster, 'no-tag', runs(`${open}/team/tool:nope`))
    await makePod(cluster, 'never-pull', runs(`${open}/team/third:1`, { imagePullPolicy: 'Never' }))
    await makePod(cluster, 'no-name', runs('Not/A/Name::'))
    await cannotPull('no-tag')
    await eventComes(cluster, 'no-tag', /^Failed: Failed to pull image "[^"]+": .*not found/)
    await podIs(cluster, 'never-pull', 'is not pulled', p => waitingFor(p) === 'ErrImageNeverPull')
    await podIs(cluster, 'no-name', 'is refused', p => waitingFor(p) === 'InvalidImageName')
    await removePods(cluster, 'no-tag', 'never-pull', 'no-name')
  })

  test(
    'a private image is pulled only with the right password, from the pod or its service account',
    options,
    async () => {
      const image = `${closed}/team/secret:1`
      await pullSecret('right', password)
      await pullSecret('wrong', 'guessed')
      await makePod(cluster, 'nobody', runs(image))
      await makePod(cluster, 'guesser', { ...runs(image), imagePullSecrets: [{ name: 'wrong' }] })
      await makePod(cluster, 'forgot', { ...runs(image), imagePullSecrets: [{ name: 'absent' }] })
      for (const name of ['nobody', 'guesser', 'forgot']) {
        await cannotPull(name)
        await eventComes(
          cluster,
          name,
          /^Failed: Failed to pull image "[^"]+": .*(authorization failed|401 Unauthorized|no basic auth)/,
        )
      }
      await eventComes(
        cluster,
        'forgot',
        /^FailedToRetrieveImagePullSecret: Unable to retrieve some image pull secrets \(absent\); attempting to pull the image may not succeed\.$/,
      )
      // A waiting pod gets the image when the secret exists. It need not be created again.
      await pullSecret('absent', password)
      await becomesReady(cluster, 'forgot')
      await makePod(cluster, 'holder', {
        ...runs(image, { imagePullPolicy: 'Always' }),
        imagePullSecrets: [{ name: 'wrong' }, { name: 'right' }],
      })
      await cluster.kubectl('create serviceaccount builder')
      await cluster.kubectl(`patch serviceaccount builder -p '{"imagePullSecrets":[{"name":"right"}]}'`)
      await makePod(cluster, 'account', {
        ...runs(image, { imagePullPolicy: 'Always' }),
        serviceAccountName: 'builder',
      })
      await becomesReady(cluster, 'holder')
      await becomesReady(cluster, 'account')
      await removePods(cluster, 'nobody', 'guesser', 'forgot', 'holder', 'account')
    },
  )
})
