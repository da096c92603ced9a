// Reading a kubeconfig for controllers and scheduler as processes of their own: where the credentials come from, and
// the sentence for what is missing.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { stringify } from 'yaml'
import { UsageError } from './args.ts'
import { readKubeconfig } from './read-kubeconfig.ts'

const scratch = mkdtempSync(join(tmpdir(), 'kutter-read-'))
after(() => rmSync(scratch, { recursive: true }))
const base64 = (text: string) => Buffer.from(text).toString('base64')

let made = 0
function fileOf(text: string): string {
  const file = join(scratch, `config-${made++}`)
  writeFileSync(file, text)
  return file
}

const usual = { server: 'https://s:6443', 'certificate-authority-data': base64('CA') }
const certificate = { 'client-certificate-data': base64('CERT'), 'client-key-data': base64('KEY') }
const configOf = (cluster: object = usual, user: object = certificate) =>
  fileOf(
    stringify({
      'current-context': 'b',
      contexts: [
        { name: 'a', context: { cluster: 'other', user: 'other' } },
        { name: 'b', context: { cluster: 'c', user: 'u' } },
      ],
      clusters: [
        { name: 'other', cluster: { server: 'https://other' } },
        { name: 'c', cluster },
      ],
      users: [
        { name: 'other', user: {} },
        { name: 'u', user },
      ],
    }),
  )

test('the current context names the server and the user', () => {
  const { token, ...rest } = readKubeconfig(configOf())
  assert.deepEqual(rest, { server: 'https://s:6443', ca: 'CA', cert: 'CERT', key: 'KEY' })
  assert.equal(token!(), undefined)
  assert.equal(readKubeconfig(configOf(usual, { token: 't' })).token!(), 't')
})

test('files are found beside the kubeconfig, and data in it counts more', () => {
  for (const name of ['ca.crt', 'me.crt', 'me.key']) writeFileSync(join(scratch, name), `file ${name}`)
  const named = { 'client-certificate': 'me.crt', 'client-key': join(scratch, 'me.key') }
  const { ca, cert, key } = readKubeconfig(configOf({ server: 'https://s', 'certificate-authority': 'ca.crt' }, named))
  assert.deepEqual([ca, cert, key], ['file ca.crt', 'file me.crt', 'file me.key'])
  const both = readKubeconfig(configOf({ ...usual, 'certificate-authority': 'ca.crt' }, { ...named, ...certificate }))
  assert.deepEqual([both.ca, both.cert, both.key], ['CA', 'CERT', 'KEY'])
})

test('a token in a file is read each time, since others replace it, and counts more than one in the kubeconfig', () => {
  writeFileSync(join(scratch, 'token'), 'first\n')
  const { token } = readKubeconfig(configOf(usual, { tokenFile: 'token', token: 'fixed' }))
  assert.equal(token!(), 'first')
  writeFileSync(join(scratch, 'token'), 'second\n')
  assert.equal(token!(), 'second')
})

test('what is missing is named with its file', () => {
  const table: [what: string, file: string, message: RegExp][] = [
    ['no file', join(scratch, 'none'), /^cannot read kubeconfig .*none: ENOENT/],
    ['no YAML', fileOf('a: ['), /^cannot read kubeconfig /],
    ['nothing', fileOf(''), /: contexts has no entry named ""$/],
    ['a text', fileOf('hello'), /: contexts has no entry named ""$/],
    ['no list', fileOf('contexts: {}\ncurrent-context: x'), /: contexts has no entry named "x"$/],
    ['an empty entry', fileOf('contexts: [null]\ncurrent-context: x'), /: contexts has no entry named "x"$/],
    [
      'no cluster',
      fileOf('contexts: [{name: x, context: {cluster: y}}]\ncurrent-context: x'),
      /: clusters has no entry named "y"$/,
    ],
    ['no server', configOf({ ...usual, server: undefined }), /: the cluster has no server$/],
    ['no authority', configOf({ server: 'https://s' }), /: the cluster has no certificate-authority$/],
    ['no credentials', configOf(usual, {}), /: the user has neither a client-certificate nor a token$/],
    [
      'no key',
      configOf(usual, { 'client-certificate-data': base64('x') }),
      /: the user has a client-certificate without a client-key$/,
    ],
    [
      'no certificate',
      configOf(usual, { token: 't', 'client-key-data': base64('x') }),
      /: the user has a client-key without a client-certificate$/,
    ],
  ]
  for (const [what, file, message] of table)
    assert.throws(
      () => readKubeconfig(file),
      (error: unknown) => error instanceof UsageError && error.message.includes(file) && message.test(error.message),
      what,
    )
})
