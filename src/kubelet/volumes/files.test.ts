// Volumes of files whose pod ends while their objects are being read.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { settle, VirtualClock } from '../../base/clock.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { Secret } from '../../kinds/core/secret.ts'
import { objectOf } from '../../kinds/testing.ts'
import { pluginFor } from './index.ts'
import type { VolumeContext } from './volume.ts'

test('after an abort, files are not written even if their objects arrive', async t => {
  const root = await mkdtemp(join(tmpdir(), 'kutter-files-'))
  t.after(() => rm(root, { recursive: true, force: true }))
  const pod = objectOf(Pod, {
    metadata: { name: 'p', namespace: 'd', uid: 'u' },
    spec: { containers: [{ name: 'a', image: 'i' }], volumes: [{ name: 'v', secret: { secretName: 's' } }] },
  })
  const [volume] = pod.spec.volumes!
  let arrive = (_secret: Secret) => {}
  const objects: Partial<VolumeContext['objects']> = {
    secret: () => new Promise(resolve => (arrive = resolve)),
  }
  const context: Partial<VolumeContext> = { clock: new VirtualClock(), objects: objects as VolumeContext['objects'] }
  const secret = objectOf(Secret, { metadata: { name: 's' }, data: { key: 'dmFsdWU=' } })
  const setUp = (dir: string, signal: AbortSignal) =>
    pluginFor(volume!)!.setUp({ pod, volume: volume!, dir, context: context as VolumeContext, signal })

  const abort = new AbortController()
  const [late, inTime] = [join(root, 'late'), join(root, 'in-time')]
  const aborted = setUp(late, abort.signal)
  abort.abort(new Error('the pod ends'))
  await assert.rejects(aborted, /the pod ends/)
  arrive(secret)
  const written = setUp(inTime, new AbortController().signal)
  arrive(secret)
  await written
  await settle()
  assert.equal(await readFile(join(inTime, 'key'), 'utf8'), 'value')
  assert.equal(existsSync(late), false)
})
