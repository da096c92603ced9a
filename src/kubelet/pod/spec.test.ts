// Small questions about a pod's spec, as tables.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Draft } from '../../api/kind.ts'
import type { Container } from '../../kinds/core/container.ts'
import { podOf } from '../../kinds/testing.ts'
import { fieldPathOf, findContainer, graceSecondsOf, podText, restarts } from './spec.ts'

type Rules = NonNullable<Draft<Container>['restartPolicyRules']>

test('a container that ended is restarted by the policy of its pod, its own, and its rules, in this order of weight', () => {
  const rule = (operator: 'In' | 'NotIn', ...values: number[]): Rules => [
    { action: 'Restart', exitCodes: { operator, values } },
  ]
  const policies = ['Always', 'OnFailure', 'Never'] as const
  /** Whether it is restarted with Always, OnFailure and Never of the pod: `+` or `-`. */
  const table: [
    what: string,
    role: 'init' | 'main' | 'ephemeral',
    own: Partial<Draft<Container>>,
    exitCode: number,
    restarted: string,
  ][] = [
    ['a main container that succeeded', 'main', {}, 0, '+--'],
    ['a main container that failed', 'main', {}, 1, '++-'],
    // It has done its work, whatever the policy is.
    ['an init container that succeeded', 'init', {}, 0, '---'],
    ['an init container that failed', 'init', {}, 1, '++-'],
    ['a sidecar that ended with 0', 'init', { restartPolicy: 'Always' }, 0, '+++'],
    ['a sidecar that failed', 'init', { restartPolicy: 'Always' }, 1, '+++'],
    ['an ephemeral container', 'ephemeral', {}, 1, '---'],
    ['a policy of its own, Always', 'main', { restartPolicy: 'Always' }, 0, '+++'],
    ['a policy of its own, OnFailure', 'main', { restartPolicy: 'OnFailure' }, 0, '---'],
    ['a policy of its own, OnFailure, failed', 'main', { restartPolicy: 'OnFailure' }, 1, '+++'],
    ['a policy of its own, Never', 'main', { restartPolicy: 'Never' }, 1, '---'],
    ['a rule that fits', 'main', { restartPolicy: 'Never', restartPolicyRules: rule('In', 3, 42) }, 42, '+++'],
    ['a rule that does not fit', 'main', { restartPolicy: 'Never', restartPolicyRules: rule('In', 3) }, 42, '---'],
    ['a rule for all others', 'main', { restartPolicy: 'Never', restartPolicyRules: rule('NotIn', 0) }, 42, '+++'],
    [
      'the code that such a rule leaves out',
      'main',
      { restartPolicy: 'Never', restartPolicyRules: rule('NotIn', 42) },
      42,
      '---',
    ],
    [
      'the second of two rules',
      'main',
      { restartPolicy: 'Never', restartPolicyRules: [...rule('In', 3), ...rule('In', 42)] },
      42,
      '+++',
    ],
    ['a rule of an init container', 'init', { restartPolicy: 'Never', restartPolicyRules: rule('In', 42) }, 42, '+++'],
  ]
  for (const [what, role, own, exitCode, restarted] of table) {
    const found = policies.map(restartPolicy => {
      const list = [{ name: 'it', image: 'x', ...own }]
      const pod = podOf({
        spec: { restartPolicy, ...(role === 'init' ? { initContainers: list } : { containers: list }) },
      })
      const { container } = findContainer(pod, 'it')!
      return restarts(pod, container, role, exitCode) ? '+' : '-'
    })
    assert.equal(found.join(''), restarted, what)
  }
})

test('a container is found by name in whichever list it is, and events name the list', () => {
  const pod = podOf({
    metadata: { name: 'p', namespace: 'd', uid: 'u' },
    spec: {
      containers: [{ name: 'a', image: 'x' }],
      initContainers: [{ name: 'i', image: 'x' }],
      ephemeralContainers: [{ name: 'e', image: 'x' }],
    },
  })
  const of = (name: string) => [findContainer(pod, name)?.role, fieldPathOf(pod, name)]
  assert.deepEqual(of('a'), ['main', 'spec.containers{a}'])
  assert.deepEqual(of('i'), ['init', 'spec.initContainers{i}'])
  assert.deepEqual(of('e'), ['ephemeral', 'spec.ephemeralContainers{e}'])
  assert.deepEqual(of('none'), [undefined, 'spec.containers{none}'])
  assert.equal(podText(pod), 'p_d(u)')
})

test('the time to end is that of the deletion, else of the spec', () => {
  assert.equal(graceSecondsOf(podOf({ spec: {} })), 30)
  assert.equal(graceSecondsOf(podOf({ spec: { terminationGracePeriodSeconds: 7 } })), 7)
  const deleted = podOf({ metadata: { deletionGracePeriodSeconds: 0 }, spec: { terminationGracePeriodSeconds: 7 } })
  assert.equal(graceSecondsOf(deleted), 0)
})
