import assert from 'node:assert/strict'
import { test } from 'node:test'
import { htmlRewriter, rewriteHtml, rewriteUrl } from './rewrite.ts'

const location = { prefix: '/api/v1/namespaces/a/pods/b/proxy', hosts: ['127.0.0.1:6443', '10.1.1.1:80'] }

test('absolute paths get the prefix, and URLs of other hosts stay', () => {
  const table: [string, string][] = [
    ['/x', `${location.prefix}/x`],
    ['/', `${location.prefix}/`],
    ['x/y', 'x/y'],
    ['?q=1', '?q=1'],
    ['http://10.1.1.1:80/x?y', `${location.prefix}/x?y`],
    ['http://elsewhere/x', 'http://elsewhere/x'],
    ['//elsewhere/x', '//elsewhere/x'],
    [`${location.prefix}/x`, `${location.prefix}/x`],
    ['mailto:a@b', 'mailto:a@b'],
  ]
  for (const [url, expected] of table) assert.equal(rewriteUrl(url, location), expected, url)
})

test('only links of HTML are rewritten', () => {
  const html = `<html><a id="/x" href="/x">/x</a><img src='/y'><p title="/z"><form action="/f" method=post></html>`
  assert.equal(
    rewriteHtml(html, location),
    `<html><a id="/x" href="${location.prefix}/x">/x</a><img src='${location.prefix}/y'><p title="/z"><form action="${location.prefix}/f" method=post></html>`,
  )
})

test('a page that arrives in pieces is rewritten like a whole one', async () => {
  const html = '<p>é<a href="/x">y</a><a href="/é">< 3 <'
  const rewriter = htmlRewriter(location)
  const bytes = Buffer.from(html)
  for (const byte of bytes) rewriter.write(Buffer.of(byte))
  rewriter.end()
  const parts: Buffer[] = []
  for await (const part of rewriter as AsyncIterable<Buffer>) parts.push(part)
  assert.equal(Buffer.concat(parts).toString(), rewriteHtml(html, location))
})
