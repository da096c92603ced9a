// The formats of strings: for each some texts that have it, and some that do not.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isOfFormat } from './formats.ts'

const table: Readonly<Record<string, { has: readonly string[]; hasNot: readonly string[] }>> = {
  bsonobjectid: { has: ['507f1f77bcf86cd799439011'], hasNot: ['507f1f77bcf86cd79943901', 'g07f1f77bcf86cd799439011'] },
  byte: { has: ['', 'aGVsbG8=', 'aGVsbG9v'], hasNot: ['aGVsbG8', 'a-b_'] },
  cidr: { has: ['10.0.0.0/8', 'fd00::/64'], hasNot: ['10.0.0.0', '10.0.0.0/33', 'x/8'] },
  creditcard: { has: ['4111 1111 1111 1111', '5555-5555-5555-4444'], hasNot: ['4111111111111112', '1234'] },
  date: { has: ['2026-02-28', '2024-02-29'], hasNot: ['2026-02-30', '2026-2-3', '2026-02-28T00:00:00Z'] },
  'date-time': {
    has: ['2026-01-02T03:04:05Z', '2026-01-02T03:04:05.678+02:00'],
    hasNot: ['2026-01-02', '2026-13-02T03:04:05Z', 'now'],
  },
  duration: { has: ['1h', '1m30s', '2 days', '1w'], hasNot: ['1', 'soon', 'h'] },
  email: { has: ['a@example.com'], hasNot: ['a', '@example.com', 'a b@example.com'] },
  hexcolor: { has: ['#fff', 'A0B1C2'], hasNot: ['#ffff', 'red'] },
  hostname: { has: ['example.com', 'a', 'a.b-c.d'], hasNot: ['-a.com', 'a..b', 'a_b'] },
  ipv4: { has: ['192.0.2.1'], hasNot: ['192.0.2', '192.0.2.256', 'fd00::1'] },
  ipv6: { has: ['fd00::1', '::'], hasNot: ['192.0.2.1', 'fd00:::1'] },
  isbn: { has: ['0-306-40615-2', '978-0-306-40615-7'], hasNot: ['0-306-40615-3', '978-0-306-40615-8', 'x'] },
  isbn10: { has: ['080442957X'], hasNot: ['0804429570'] },
  isbn13: { has: ['9780306406157'], hasNot: ['9780306406156'] },
  'k8s-long-name': { has: ['a.b-c'], hasNot: ['A.b', '-a', ''] },
  'k8s-short-name': { has: ['a-b'], hasNot: ['a.b', ''] },
  mac: {
    has: ['01:23:45:67:89:ab', '01-23-45-67-89-AB', '0123.4567.89ab'],
    hasNot: ['01:23:45:67:89', '01:23-45:67:89:ab'],
  },
  password: { has: ['', 'anything'], hasNot: [] },
  rgbcolor: { has: ['rgb(0,10,255)', 'rgb( 1 , 2 , 3 )'], hasNot: ['rgb(0,10,256)', 'rgb(0,10)'] },
  ssn: { has: ['123-45-6789', '123456789'], hasNot: ['123-45-678', 'x'] },
  uri: { has: ['https://example.com/a?b=c', '/a', 'mailto:a@b'], hasNot: ['', 'a b', 'example.com', 'http://a/%zz'] },
  uuid: {
    has: ['a987fbc9-4bed-3078-cf07-9141ba07c9f3', 'A987FBC94BED3078CF079141BA07C9F3'],
    hasNot: ['a987fbc9', 'x'],
  },
  uuid3: { has: ['a987fbc9-4bed-3078-cf07-9141ba07c9f3'], hasNot: ['a987fbc9-4bed-4078-8f07-9141ba07c9f3'] },
  uuid4: { has: ['57b73598-8764-4ad0-a76a-679bb6640eb1'], hasNot: ['a987fbc9-4bed-3078-cf07-9141ba07c9f3'] },
  uuid5: { has: ['987fbc97-4bed-5078-af07-9141ba07c9f3'], hasNot: ['57b73598-8764-4ad0-a76a-679bb6640eb1'] },
}

for (const [format, { has, hasNot }] of Object.entries(table))
  test(`a text is of the format ${format}, or is not`, () => {
    assert.deepEqual(
      has.filter(text => !isOfFormat(format, text)),
      [],
    )
    assert.deepEqual(
      hasNot.filter(text => isOfFormat(format, text)),
      [],
    )
  })

test('a format that is not known fits every text, and dashes in its name do not matter', () => {
  assert.ok(isOfFormat('int-or-something', 'x'))
  assert.ok(isOfFormat('constructor', 'x'))
  assert.ok(!isOfFormat('i-p-v-4', 'x'))
})

test('no text takes long, however it is made', () => {
  const texts = [
    'a'.repeat(50_000),
    `${'a-'.repeat(25_000)}!`,
    '1'.repeat(50_000),
    `${'a.'.repeat(25_000)}`,
    `${'1h '.repeat(17_000)}x`,
  ]
  for (const format of Object.keys(table))
    for (const text of texts) assert.equal(typeof isOfFormat(format, text), 'boolean')
})
