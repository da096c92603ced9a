import { strictEqual } from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeObject } from './kind.ts'
import { Item } from './mirror.ts'

test('stored bytes get the revision where the object has it, and nothing else', () => {
  const at = (resourceVersion: string) =>
    ({
      kind: 'ConfigMap',
      apiVersion: 'v1',
      metadata: { name: 'ä', resourceVersion, annotations: { last: '{"resourceVersion":"0"}' } },
      data: { other: '"resourceVersion":"0"' },
    }) as unknown as KubeObject
  const stored = Buffer.from(JSON.stringify(at('0')))
  const item = new Item(at('1234'), 1234, stored)
  strictEqual(item.bytes.toString(), JSON.stringify(at('1234')))
  strictEqual(new Item(at('7'), 7, Buffer.from('{}')).bytes.toString(), JSON.stringify(at('7')))
})
