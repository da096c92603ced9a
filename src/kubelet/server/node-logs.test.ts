// The log files of a node, and what a query for them may ask for.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { StatusError } from '../../base/errors.ts'
import { run } from '../../linux/index.ts'
import { queryOf, serveNodeLogs } from './node-logs.ts'

test('a query names services, and may ask for a pattern and a number of lines', () => {
  const query = queryOf(new URLSearchParams('query=kubelet&query=foo.service&pattern=a%2Bb&tailLines=5'))
  assert.deepEqual([query.services, query.tailLines, query.pattern?.pattern()], [['kubelet', 'foo.service'], 5, 'a+b'])
  assert.deepEqual(queryOf(new URLSearchParams('query=kubelet')), {
    services: ['kubelet'],
    tailLines: undefined,
    pattern: undefined,
  })
})

const wrong: [query: string, message: string][] = [
  ['query=', 'query: Required value: query cannot be empty'],
  ['query=../shadow', 'query: Invalid value: "../shadow": not the name of a service'],
  ['query=a/b', 'query: Invalid value: "a/b": not the name of a service'],
  ['query=a&query=b&query=c&query=d&query=e', 'query: Too many: 5: must have at most 4 items'],
  ['query=a&tailLines=-1', 'tailLines: Invalid value: "-1": must be between 0 and 100000, inclusive'],
  ['query=a&tailLines=100001', 'tailLines: Invalid value: "100001": must be between 0 and 100000, inclusive'],
  ['query=a&boot=0', 'boot: Forbidden: only the journal of systemd has it, and logs here are files'],
  [`query=a&pattern=${'x'.repeat(1001)}`, 'pattern: Too long: may not be more than 1000 characters'],
]

for (const [query, message] of wrong)
  test(`a query that is wrong is refused: ${query.slice(0, 30)}`, () => {
    assert.throws(() => queryOf(new URLSearchParams(query)), { reason: 'BadRequest', message })
  })

test('a pattern with what takes more than linear time is refused', () => {
  assert.throws(() => queryOf(new URLSearchParams('query=a&pattern=(?=b)')), /pattern: Invalid value: "\(\?=b\)": /)
})

test('files are served as text and directories as lists, and nothing outside of them', async t => {
  const root = await mkdtemp(join(tmpdir(), 'node-logs-'))
  t.after(() => rm(root, { recursive: true }))
  await mkdir(join(root, 'log/app'), { recursive: true })
  await writeFile(join(root, 'secret'), 'hidden')
  await writeFile(join(root, 'log/app/app.log'), 'one\ntwo\nthree\n')
  await writeFile(join(root, 'log/a<b>.log'), 'x')
  await symlink('../secret', join(root, 'log/out'))
  await run('mkfifo', [join(root, 'log/pipe')])
  const server = createServer((request, response) => {
    const url = new URL(request.url!, 'http://node')
    const path = decodeURIComponent(url.pathname.slice(1))
    serveNodeLogs(join(root, 'log'), path, url.searchParams, response).catch((error: unknown) => {
      response.writeHead(error instanceof StatusError ? error.code : 500)
      response.end()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const ask = async (path: string) => {
    const answer = await fetch(`http://127.0.0.1:${port}/${path}`)
    return answer.ok ? answer.text() : answer.status
  }
  const list =
    '<pre>\n<a href="a%3Cb%3E.log">a&lt;b&gt;.log</a>\n<a href="app/">app/</a>\n<a href="out">out</a>\n<a href="pipe">pipe</a>\n</pre>\n'
  const table: [path: string, expected: string | number][] = [
    ['', list],
    ['app/app.log', 'one\ntwo\nthree\n'],
    ['out', 403],
    ['..%2Fsecret', 403],
    ['none', 404],
    ['pipe', 400],
    ['?query=app&tailLines=2', 'two\nthree\n'],
    ['?query=app&pattern=t%5Bwh%5D', 'two\nthree\n'],
    ['?query=app&pattern=o&tailLines=1', 'two\n'],
    ['?query=app&tailLines=0', ''],
    ['?query=none', 404],
    ['?query=', 400],
  ]
  for (const [path, expected] of table) assert.equal(await ask(path), expected, path)
})
