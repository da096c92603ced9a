// A store as the first release wrote it, carried through to today: every object in it is served, and can be written
// again. The file is a whole cluster's, with a few objects of a user, all named `kept`.
import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { realClock } from '../../src/base/clock.ts'
import { makeLog } from '../../src/base/log.ts'
import { realRandom } from '../../src/base/random.ts'
import { openControlPlane } from '../../src/cluster/control-plane.ts'
import { Deployment } from '../../src/kinds/apps/deployment.ts'
import { ConfigMap } from '../../src/kinds/core/configmap.ts'
import { Namespace } from '../../src/kinds/core/namespace.ts'
import { Secret } from '../../src/kinds/core/secret.ts'
import { Service } from '../../src/kinds/core/service.ts'
import { openEmbeddedStore } from '../../src/store/index.ts'
import { makeSigningKey } from '../../src/wire/jwt.ts'

const fixture = new URL('../fixtures/store/first.db.gz', import.meta.url)

test('a store of the first release opens with all its objects, which can be written', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'kutter-old-'))
  const problems: string[] = []
  const log = makeLog(line => problems.push(line), 'error')
  try {
    mkdirSync(join(directory, 'store'))
    writeFileSync(join(directory, 'store', 'log.db'), gunzipSync(readFileSync(fixture)))
    const store = await openEmbeddedStore(join(directory, 'store'))
    const before = await store.list('')
    ok(before.entries.length > 150, `${before.entries.length} keys`)
    const plane = await openControlPlane({
      store,
      clock: realClock,
      random: realRandom,
      log,
      tokenKeys: { key: makeSigningKey() },
      serviceCidrs: ['10.96.0.0/16'],
      nodePorts: [30000, 32767],
      advertise: { address: '192.0.2.1', port: 6443 },
    })
    const client = plane.client('tester', ['system:masters'])
    const stored = plane.core.catalog.all.filter(kind => plane.core.storage.has(kind))
    const served = new Set<string>()
    for (const kind of stored)
      for (const { object } of plane.core.storage.of(kind).mirror.items()) {
        const { namespace, name } = object.metadata
        served.add(`/registry/${kind.group || 'core'}/${kind.plural}/${namespace ? `${namespace}/` : ''}${name}`)
      }
    deepStrictEqual(
      before.entries.map(({ key }) => key).filter(key => !served.has(key)),
      [],
    )
    const ref = { namespace: 'default', name: 'kept' }
    deepStrictEqual((await client.get(ConfigMap, ref)).data, { from: 'first' })
    deepStrictEqual((await client.get(ConfigMap, ref)).metadata.labels, { a: 'b' })
    strictEqual((await client.get(Secret, ref)).data?.from, Buffer.from('first').toString('base64'))
    strictEqual((await client.get(Namespace, { name: 'kept' })).status.phase, 'Active')
    strictEqual(await client.find(ConfigMap, { namespace: 'default', name: 'gone' }), undefined)
    for (const kind of [ConfigMap, Secret, Deployment, Service]) {
      const { resourceVersion } = (await client.get(kind as typeof ConfigMap, ref)).metadata
      const now = await client.patch(kind as typeof ConfigMap, ref, 'merge', { metadata: { labels: { now: 'here' } } })
      strictEqual(now.metadata.labels?.now, 'here')
      ok(Number(now.metadata.resourceVersion) > Number(resourceVersion))
    }
    await plane.close()
    deepStrictEqual(problems, [])
  } finally {
    rmSync(directory, { recursive: true })
  }
})
