// Which plugins may register.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planRegister } from './register.ts'

const request = { version: 'v1beta1', endpoint: 'x.sock', resourceName: 'example.com/x' }

test('a plugin registers with the name of a socket in the directory', () => {
  assert.deepEqual(planRegister(request, '/d'), { resource: 'example.com/x', socket: '/d/x.sock' })
  const table: [object, RegExp][] = [
    [{ version: 'v1' }, /^requested API version "v1" is not supported by kubelet. Supported version is \["v1beta1"\]$/],
    [{ version: undefined }, /^requested API version ""/],
    ...['', '.', '..', '../x.sock', '/x.sock', 'kubelet.sock', 'a\0b'].map((endpoint): [object, RegExp] => [
      { endpoint },
      /^the endpoint ".*" is not the name of a socket/,
    ]),
  ]
  for (const [change, problem] of table)
    assert.throws(
      () => planRegister({ ...request, ...change }, '/d'),
      (error: Error) => problem.test(error.message),
      JSON.stringify(change),
    )
})
