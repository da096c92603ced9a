import { deepStrictEqual } from 'node:assert'
import { test } from 'node:test'
import type { AnyKind, KubeObject } from '../../api/kind.ts'
import type { Mutable } from '../../api/schema/node.ts'
import { decode } from '../../api/schema/decode.ts'
import { Ingress } from '../../kinds/networking/ingress.ts'
import { NetworkPolicy } from '../../kinds/networking/networkpolicy.ts'
import type { AdmissionRequest } from './request.ts'
import { unserved } from './unserved.ts'

async function warnings(kind: AnyKind, spec: object, more: { type?: 'UPDATE'; dryRun?: boolean } = {}) {
  const texts: string[] = []
  const request: AdmissionRequest = {
    type: more.type ?? 'CREATE',
    operation: {
      verb: 'create',
      kind,
      subresource: '',
      namespace: 'default',
      name: '',
      user: { name: 'tester', groups: [] },
      options: { ...(more.dryRun && { dryRun: true }) },
      signal: new AbortController().signal,
    },
    object: decode(kind.schema, { metadata: { name: 'a' }, spec }, { defaults: true }) as Mutable<KubeObject>,
    warn: text => texts.push(text),
  }
  await unserved().validate!(request)
  return texts.map(text => text.split(/[ :]/).slice(0, 2).join(' '))
}

test('an object that nothing serves causes a warning when it is created, and only then', async () => {
  deepStrictEqual(await warnings(NetworkPolicy, {}), [])
  deepStrictEqual(await warnings(Ingress, {}), ['no ingress'])
  for (const more of [{ type: 'UPDATE' }, { dryRun: true }] as const)
    deepStrictEqual(await warnings(Ingress, {}, more), [])
})

test('an object that names a class causes no warning', async () => {
  deepStrictEqual(await warnings(Ingress, { ingressClassName: 'nginx' }), [])
})
