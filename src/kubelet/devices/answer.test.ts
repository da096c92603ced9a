// What plugins answer, read and merged.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mergeAnswers, readAnswer } from './answer.ts'

const empty = { envs: {}, mounts: [], devices: [], annotations: {}, cdiDevices: [] }

test('an answer is read as far as it makes sense', () => {
  assert.deepEqual(readAnswer({}), empty)
  const mount = { containerPath: '/c', hostPath: '/h', readOnly: true }
  const device = { containerPath: '/dev/c', hostPath: '/dev/h', permissions: 'rw' }
  const whole = {
    envs: { A: 'a' },
    mounts: [mount],
    devices: [device],
    annotations: { b: 'c' },
    cdiDevices: [{ name: 'd' }],
  }
  assert.deepEqual(readAnswer(whole), whole)
  assert.deepEqual(readAnswer({ envs: { A: 1, B: 'b' }, mounts: 'none', devices: [null, 7], annotations: null }), {
    ...empty,
    envs: { B: 'b' },
  })
  assert.throws(() => readAnswer(null), /the answer is empty/)
  assert.throws(
    () => readAnswer({ envs: { A: 'x'.repeat(300_000) } }),
    /the answer has \d+ characters, and may have 262144/,
  )
})

test('of two answers for one container, the first counts where they say the same thing', () => {
  const at = (hostPath: string) => ({ containerPath: '/c', hostPath, readOnly: false })
  const device = (containerPath: string) => ({ containerPath, hostPath: '/dev/zero', permissions: 'r' })
  const one = { ...empty, envs: { A: '1' }, mounts: [at('/one')], devices: [device('/dev/a')], annotations: { x: '1' } }
  const two = {
    ...empty,
    envs: { A: '2', B: '2' },
    mounts: [at('/two')],
    devices: [device('/dev/a'), device('/dev/b')],
    cdiDevices: [{ name: 'd' }, { name: 'd' }],
  }
  assert.deepEqual(mergeAnswers([one, two]), {
    envs: { A: '1', B: '2' },
    mounts: [at('/one')],
    devices: [device('/dev/a'), device('/dev/b')],
    annotations: { x: '1' },
    cdiDevices: [{ name: 'd' }],
  })
  assert.deepEqual(mergeAnswers([]), empty)
})
