// A webhook that allows everything, in a process of its own, for extension.ts. It gets its certificate as a message and
// answers with its port.
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { KeyPair } from '../src/wire/x509.ts'

process.once('message', (pair: KeyPair) => {
  const server = createServer({ cert: pair.certPem, key: pair.keyPem }, (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const {
        apiVersion,
        kind,
        request: asked,
      } = JSON.parse(Buffer.concat(chunks).toString()) as {
        apiVersion: string
        kind: string
        request: { uid: string }
      }
      response.end(JSON.stringify({ apiVersion, kind, response: { uid: asked.uid, allowed: true } }))
    })
  })
  server.listen(0, '127.0.0.1', () => process.send!((server.address() as AddressInfo).port))
})
