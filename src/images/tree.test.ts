// What of a package gets into an image.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { type Header, pack } from 'tar-stream'
import { Tree } from './tree.ts'

async function treeOf(
  t: TestContext,
  entries: readonly (Partial<Header> & { name: string; text?: string })[],
): Promise<Tree> {
  const dir = mkdtempSync(join(tmpdir(), 'kutter-tree-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const packer = pack()
  for (const { text, ...header } of entries) packer.entry(header, text ?? '')
  packer.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of packer) chunks.push(chunk as Buffer)
  const path = join(dir, 'a.tar')
  writeFileSync(path, Buffer.concat(chunks))
  const tree = new Tree()
  await tree.addTar(path)
  return tree
}

const shown = (tree: Tree, path: string) => {
  const entry = tree.get(path)
  if (!entry) return undefined
  const what = entry.kind === 'file' ? entry.content.toString() : entry.kind === 'symlink' ? `-> ${entry.target}` : '/'
  return `${what} ${entry.mode.toString(8)}`
}

test('files, directories and links of a package keep their modes, and a hard link is its file', async t => {
  const tree = await treeOf(t, [
    { name: './usr/bin/', type: 'directory', mode: 0o755 },
    { name: './usr/bin/tool', mode: 0o755, text: 'tool' },
    { name: './usr/bin/alias', type: 'link', linkname: './usr/bin/tool' },
    { name: './usr/bin/other', type: 'symlink', linkname: 'tool', mode: 0o777 },
    { name: './usr/bin/lonely', type: 'link', linkname: './usr/bin/nothing' },
  ])
  assert.equal(shown(tree, 'usr/bin'), '/ 755')
  assert.equal(shown(tree, 'usr/bin/tool'), 'tool 755')
  assert.equal(shown(tree, 'usr/bin/alias'), 'tool 755')
  assert.equal(shown(tree, 'usr/bin/other'), '-> tool 777')
  assert.equal(shown(tree, 'usr/bin/lonely'), undefined)
})

test('what is in /bin and /lib is in /usr, and documentation is left out', async t => {
  const tree = await treeOf(t, [
    { name: './bin/', type: 'directory' },
    { name: './bin/sh', mode: 0o755, text: 'sh' },
    { name: './usr/share/man/man1/sh.1', text: 'manual' },
    { name: './usr/share/doc/sh/README', text: 'read me' },
    { name: './usr/share/doc/sh/copyright', text: 'licence' },
  ])
  assert.equal(shown(tree, 'usr/bin/sh'), 'sh 755')
  assert.equal(tree.has('usr/share/man/man1/sh.1'), false)
  assert.equal(tree.has('usr/share/doc/sh/README'), false)
  assert.equal(shown(tree, 'usr/share/doc/sh/copyright'), 'licence 644')
})

test('a device and a path that leaves the image are refused', async t => {
  await assert.rejects(
    treeOf(t, [{ name: './dev/null', type: 'character-device' }]),
    /\.\/dev\/null: a package with a character-device cannot be part of an image/,
  )
  await assert.rejects(treeOf(t, [{ name: './../etc/passwd', text: 'x' }]), /must not contain \.\./)
})
