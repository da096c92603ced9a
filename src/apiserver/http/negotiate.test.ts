// Which encoding and form an answer has, by the header `accept`.
import { deepStrictEqual, strictEqual, throws } from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../../base/testing.ts'
import { isReason } from '../../base/errors.ts'
import { choose, negotiate, negotiateError } from './negotiate.ts'

const protobuf = 'application/vnd.kubernetes.protobuf'
const table = (version = 'v1') => `application/json;as=Table;v=${version};g=meta.k8s.io`
const metadata = (type: string) => `${type};as=PartialObjectMetadata;v=v1;g=meta.k8s.io`

test('the best type in the header is chosen, by quality and then by order', () => {
  const chosen = (header: string | undefined, views = true) => {
    try {
      const { encoding, view, viewVersion } = choose(header, views)
      return [encoding, view, viewVersion].filter(Boolean).join(' ')
    } catch (error) {
      if (isReason(error, 'NotAcceptable')) return 'none'
      throw error
    }
  }
  const cases: [header: string | undefined, chosen: string, views?: boolean][] = [
    [undefined, 'json object'],
    ['', 'json object'],
    ['*/*', 'json object'],
    ['application/json', 'json object'],
    ['APPLICATION/JSON', 'json object'],
    ['application/yaml', 'yaml object'],
    [protobuf, 'protobuf object'],
    [`${protobuf},application/json`, 'protobuf object'],
    [`${protobuf};q=0.1,application/json`, 'json object'],
    ['application/yaml;q=0.5, application/json;q=0.9', 'json object'],
    ['application/json;charset=utf-8', 'json object'],
    [table(), 'json table v1'],
    [table('v1beta1'), 'json table v1beta1'],
    // What kubectl sends.
    [`${table()},${table('v1beta1')},application/json`, 'json table v1'],
    [`${table('v2')},application/json`, 'json object'],
    [table('v2'), 'none'],
    [table(), 'none', false],
    [`${table()},application/json`, 'json object', false],
    [table().replace('json', 'yaml'), 'yaml table v1'],
    // Tables have no protobuf form.
    [`${table().replace('application/json', protobuf)},application/json`, 'json object'],
    [metadata('application/json'), 'json metadata v1'],
    [metadata(protobuf), 'protobuf metadata v1'],
    ['application/json;as=Pod;v=v1;g=meta.k8s.io', 'none'],
    ['application/json;as=Table;v=v1;g=other', 'none'],
    ['application/json;as=constructor;v=v1;g=meta.k8s.io', 'none'],
    ['text/html', 'none'],
    ['text/html,*/*;q=0.8', 'json object'],
  ]
  for (const [header, expected, views] of cases) strictEqual(chosen(header, views), expected, header)
})

test('a type that the route does not produce is refused with a list of those it does', () => {
  const list = `application/json, application/yaml, ${protobuf}`
  throws(() => negotiate('text/html'), {
    reason: 'NotAcceptable',
    message: `406: Not Acceptable\n\nAvailable representations: ${list}`,
  })
  throws(() => negotiate('text/html', true, true), {
    message: `406: Not Acceptable\n\nAvailable representations: ${list}, application/json;stream=watch, ${protobuf};stream=watch`,
  })
  throws(() => negotiate('application/json;as=Nothing'), {
    message: `only the following media types are accepted: ${list}`,
  })
  deepStrictEqual(negotiate('application/json').encoding, 'json')
})

test('any header can be negotiated, and an error can always be written', () => {
  const word = fc.constantFrom('application/json', protobuf, '*/*', ';', ',', '=', 'q', 'as', 'Table', '0.5', ' ', '')
  fc.assert(
    fc.property(
      fc.array(word).map(words => words.join('')),
      header => {
        strictEqual(['json', 'yaml', 'protobuf'].includes(negotiateError(header)), true)
        try {
          negotiate(header, true, true)
        } catch (error) {
          if (!isReason(error, 'NotAcceptable')) throw error
        }
      },
    ),
    { numRuns: 1000 },
  )
  strictEqual(negotiateError(`${table()},application/yaml`), 'yaml')
  strictEqual(negotiateError('text/html'), 'json')
})
