// A conversion webhook, as people write them: gadgets of v1 have `size` and `colour`, those of v2 `length` and `color`.
// Under paths other than / it misbehaves in the way that the path names. It runs in a pod, so it has only Node.js.
import { readFileSync } from 'node:fs'
import { createServer, type ServerOptions } from 'node:https'
import type { ServerResponse } from 'node:http'

interface Gadget {
  apiVersion: string
  metadata: { name: string; labels?: Record<string, string> }
  spec: Record<string, unknown>
}
interface Review {
  apiVersion: string
  kind: string
  request: { uid: string; desiredAPIVersion: string; objects: Gadget[] }
}

const names: readonly (readonly [v1: string, v2: string])[] = [
  ['size', 'length'],
  ['colour', 'color'],
]

function convert(gadget: Gadget, apiVersion: string): Gadget {
  const [from, to] = apiVersion.endsWith('/v2') ? [0, 1] : [1, 0]
  const spec = { ...gadget.spec }
  for (const pair of names) {
    if (pair[from]! in spec) spec[pair[to]!] = spec[pair[from]!]
    delete spec[pair[from]!]
  }
  return { ...gadget, apiVersion, spec }
}

type Answer = (review: Review, response: ServerResponse) => void

/** Answers with converted objects that are then changed. */
const converting =
  (change: (objects: Gadget[]) => Gadget[]): Answer =>
  ({ apiVersion, kind, request: { uid, desiredAPIVersion, objects } }, response) => {
    const convertedObjects = change(objects.map(object => convert(object, desiredAPIVersion)))
    const result = { status: 'Success' }
    response.end(JSON.stringify({ apiVersion, kind, response: { uid, convertedObjects, result } }))
  }

const answers: Readonly<Record<string, Answer>> = {
  '/': converting(objects => objects),
  '/fails': ({ apiVersion, kind, request: { uid } }, response) => {
    const result = { status: 'Failure', message: 'gadgets are out of fashion' }
    response.end(JSON.stringify({ apiVersion, kind, response: { uid, result } }))
  },
  '/renames': converting(objects =>
    objects.map(object => ({ ...object, metadata: { ...object.metadata, name: 'other' } })),
  ),
  '/drops': converting(objects => objects.slice(1)),
  '/wrong-version': converting(objects => objects.map(object => ({ ...object, apiVersion: 'shapes.example.com/v3' }))),
  '/nonsense': (_review, response) => void response.end('nonsense'),
  '/large': (_review, response) => void response.end('x'.repeat(10 << 20)),
  '/closes': (_review, response) => void response.socket?.destroy(),
  '/hangs': () => {},
}

function serve(port: number, options: ServerOptions): void {
  const server = createServer(options, (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const answer = answers[request.url!.split('?')[0]!]!
      answer(JSON.parse(Buffer.concat(chunks).toString()) as Review, response)
    })
  })
  server.listen(port)
}

const file = (name: string) => readFileSync(`/tls/${name}`, 'utf8')
serve(8443, { cert: file('tls.crt'), key: file('tls.key') })
serve(8444, { cert: file('other.crt'), key: file('other.key') })
