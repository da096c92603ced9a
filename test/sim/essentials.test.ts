// The objects that every cluster needs are created again when they are deleted, and are not changed otherwise.
import { deepStrictEqual, strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import { makeFrontProxy } from '../../src/apiserver/aggregation/testing.ts'
import { ConfigMap } from '../../src/kinds/core/configmap.ts'
import { Endpoints } from '../../src/kinds/core/endpoints.ts'
import { Namespace } from '../../src/kinds/core/namespace.ts'
import { Service } from '../../src/kinds/core/service.ts'
import { EndpointSlice } from '../../src/kinds/discovery/endpointslice.ts'
import { simulate } from './cluster.ts'

const frontProxy = await makeFrontProxy()
const ref = { namespace: 'default', name: 'kubernetes' }

for (const kind of [Service, Endpoints, EndpointSlice])
  test(`the ${kind.kind} kubernetes comes back within ten seconds`, () =>
    simulate({ scheduler: false }, async ({ client, clock }) => {
      const before = await client.get(kind as typeof Service, ref)
      await client.delete(kind, ref)
      await clock.forward(10_000)
      const after = await client.get(kind as typeof Service, ref)
      deepStrictEqual(after.spec, before.spec)
    }))

test('a deleted system namespace is created again', () =>
  simulate({ scheduler: false }, async ({ client, until }) => {
    const { uid } = (await client.get(Namespace, { name: 'kube-node-lease' })).metadata
    await client.delete(Namespace, { name: 'kube-node-lease' })
    await until('it is another', async () => {
      const now = await client.find(Namespace, { name: 'kube-node-lease' })
      return now !== undefined && now.metadata.uid !== uid
    })
  }))

test('extension servers find how to recognize their callers, again after a change', () =>
  simulate({ scheduler: false, frontProxy }, async ({ client, clock }) => {
    const map = { namespace: 'kube-system', name: 'extension-apiserver-authentication' }
    const { data } = await client.get(ConfigMap, map)
    deepStrictEqual(data, {
      'client-ca-file': 'the authority of users',
      'requestheader-allowed-names': '["front-proxy-client"]',
      'requestheader-client-ca-file': frontProxy.ca,
      'requestheader-extra-headers-prefix': '["X-Remote-Extra-"]',
      'requestheader-group-headers': '["X-Remote-Group"]',
      'requestheader-uid-headers': '["X-Remote-Uid"]',
      'requestheader-username-headers': '["X-Remote-User"]',
    })
    await client.patch(ConfigMap, map, 'merge', { data: { 'client-ca-file': 'another', more: 'x' } })
    await clock.forward(10_000)
    deepStrictEqual((await client.get(ConfigMap, map)).data, { ...data, more: 'x' })
  }))

test('nothing is written while all essential objects exist', () =>
  simulate({ controllers: false, scheduler: false, frontProxy }, async ({ plane, clock }) => {
    const { revision } = plane.core.storage
    await clock.forward(60_000)
    strictEqual(plane.core.storage.revision, revision)
  }))
