// When a mount is recursively read-only, and when a container cannot start because of it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { podOf } from '../../kinds/testing.ts'
import { isRecursive } from './recursive.ts'

type Case = [mount: object, runtimeCan: boolean, expected: boolean | RegExp]
const asked = (recursiveReadOnly: string, more: object = {}) => ({ recursiveReadOnly, readOnly: true, ...more })

const cases: Case[] = [
  [{ readOnly: true }, true, false],
  [asked('Disabled'), true, false],
  [asked('IfPossible'), true, true],
  [asked('IfPossible'), false, false],
  [asked('IfPossible', { mountPropagation: 'HostToContainer' }), true, false],
  [asked('Enabled'), true, true],
  [asked('Enabled'), false, /^volume "v" requested recursive read-only mode, but it is not supported by the runtime$/],
  [asked('Enabled', { readOnly: false }), true, /but it is not read-only$/],
  [asked('Enabled', { mountPropagation: 'Bidirectional' }), true, /not compatible with propagation "Bidirectional"$/],
]

for (const [mount, runtimeCan, expected] of cases)
  test(`${JSON.stringify(mount)} with a runtime that ${runtimeCan ? 'can' : 'cannot'}: ${String(expected)}`, () => {
    const { containers } = podOf({
      spec: { containers: [{ name: 'c', image: 'x', volumeMounts: [{ name: 'v', mountPath: '/v', ...mount }] }] },
    }).spec
    const made = containers[0]!.volumeMounts![0]!
    if (expected instanceof RegExp) assert.throws(() => isRecursive(made, runtimeCan), { message: expected })
    else assert.equal(isRecursive(made, runtimeCan), expected)
  })
