// Service account tokens in pods, on a virtual clock: a token is used for four fifths of its lifetime, and then the
// file gets a new one, before the old one expires.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Pod } from '../../src/kinds/core/pod.ts'
import { ServiceAccount } from '../../src/kinds/core/serviceaccount.ts'
import { pluginFor } from '../../src/kubelet/volumes/index.ts'
import { PodTokens } from '../../src/kubelet/volumes/tokens.ts'
import type { VolumeRequest } from '../../src/kubelet/volumes/volume.ts'
import { simulate } from './cluster.ts'

const claimsOf = (token: string) =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as {
    aud: string[]
    exp: number
    iat: number
    'kubernetes.io': { pod: { uid: string } }
  }

for (const [seconds, renewed] of [
  [3600, 2880],
  [600, 480],
  // A token is used for one day at most, however long its lifetime is.
  [30 * 86_400, 86_400],
] as const)
  test(`a token for ${seconds} s is renewed after ${renewed} s`, () =>
    simulate({ scheduler: false, controllers: false }, async ({ clock, client }) => {
      const dir = await mkdtemp(join(tmpdir(), 'kutter-tokens-'))
      try {
        await client.create(ServiceAccount, { metadata: { name: 'default', namespace: 'default' } })
        const volume = {
          name: 'v',
          projected: {
            defaultMode: 0o644,
            sources: [{ serviceAccountToken: { path: 'token', audience: 'vault', expirationSeconds: seconds } }],
          },
        }
        const pod = await client.create(Pod, {
          metadata: { name: 'p', namespace: 'default' },
          spec: {
            automountServiceAccountToken: false,
            nodeName: 'n',
            containers: [{ name: 'c', image: 'i' }],
            volumes: [volume],
          },
        })
        const context = { tokens: new PodTokens(client), client, clock } as unknown as VolumeRequest['context']
        const plugin = pluginFor(volume)!
        const { signal } = new AbortController()
        const request: VolumeRequest = { pod, volume, dir, context, signal }
        const read = async () => claimsOf(await readFile(join(dir, 'token'), 'utf8'))
        const began = clock.now()
        await plugin.setUp(request)
        const first = await read()
        assert.deepEqual([first.aud, first.exp - first.iat], [['vault'], seconds])
        assert.equal(first['kubernetes.io'].pod.uid, pod.metadata.uid)
        assert.equal(await plugin.refresh!(request), began + renewed * 1000)
        await clock.forward(renewed * 1000 - 1)
        await plugin.refresh!(request)
        assert.deepEqual(await read(), first)
        await clock.forward(1)
        assert.equal(await plugin.refresh!(request), began + 2 * renewed * 1000)
        const second = await read()
        assert.ok(second.exp - first.exp >= renewed && clock.now() / 1000 < first.exp)
      } finally {
        await rm(dir, { recursive: true, force: true })
      }
    }))
