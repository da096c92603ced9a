// What the kernel's table of sockets says about a port.
import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { test } from 'node:test'
import { listenersOn, parseListeners, portFree, portShared } from './port.ts'

test('the table of the kernel is read, each word backwards', () => {
  const four = `  sl  local_address rem_address   st
   0: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1
   1: 0A0200C0:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2
   2: 0100007F:0051 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 3
   3: 0100007F:0050 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 4
`
  assert.deepEqual(parseListeners(four, 80), [
    { family: 4, value: 0x7f000001n },
    { family: 4, value: 0xc000020an },
  ])
  const six = `  sl  local_address remote_address st
   0: B80D0120000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 1
`
  assert.deepEqual(parseListeners(six, 80), [{ family: 6, value: 0x20010db8_00000000_00000000_00000001n }])
})

test('a port is shared only by those that agree to it', async () => {
  const listen = (reusePort: boolean) =>
    new Promise<{ port: number; close(): Promise<void> }>(resolve => {
      const server = createServer()
      server.listen({ port: 0, host: '0.0.0.0', reusePort }, () => {
        const address = server.address()
        const close = () => new Promise<void>(done => void server.close(() => done()))
        resolve({ port: typeof address === 'object' && address ? address.port : 0, close })
      })
    })
  for (const reusePort of [false, true]) {
    const { port, close } = await listen(reusePort)
    assert.equal(await portFree(port), false)
    assert.equal(await portShared(port, 4), reusePort)
    assert.deepEqual(await listenersOn(port), [{ family: 4, value: 0n }])
    await close()
    assert.equal(await portFree(port), true)
    assert.deepEqual(await listenersOn(port), [])
  }
})
