// Query parameters: which options they set, and which are refused.
import { deepStrictEqual, strictEqual, throws } from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '../../api/schema/node.ts'
import type { OperationOptions, OperationVerb } from '../../api/operation.ts'
import { checkTimeout, deleteBody, parseOptions } from './options.ts'

const parse = (query: string, verb: OperationVerb) => parseOptions(new URLSearchParams(query), verb)

test('query parameters become options', () => {
  const table: [verb: OperationVerb, query: string, options: OperationOptions][] = [
    ['list', '', {}],
    ['list', 'labelSelector=a%3Db&fieldSelector=&limit=5', { labelSelector: 'a=b', limit: 5 }],
    ['list', 'limit=-1&timeoutSeconds=30', { limit: 0, timeoutSeconds: 30 }],
    ['list', 'resourceVersion=', { resourceVersion: '' }],
    [
      'list',
      'resourceVersion=7&resourceVersionMatch=Exact&limit=2',
      { resourceVersion: '7', resourceVersionMatch: 'Exact', limit: 2 },
    ],
    ['list', 'continue=abc', { continue: 'abc' }],
    ['watch', 'allowWatchBookmarks=true&timeoutSeconds=5', { allowWatchBookmarks: true, timeoutSeconds: 5 }],
    ['watch', 'allowWatchBookmarks=0', { allowWatchBookmarks: false }],
    // An empty value is true, as in Go's decoding of booleans.
    ['watch', 'allowWatchBookmarks=', { allowWatchBookmarks: true }],
    [
      'watch',
      'sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=',
      { sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan', resourceVersion: '' },
    ],
    [
      'create',
      'dryRun=All&fieldManager=me&fieldValidation=Strict',
      { dryRun: true, fieldManager: 'me', fieldValidation: 'Strict' },
    ],
    ['patch', 'force=true&fieldManager=me', { force: true, fieldManager: 'me' }],
    ['get', 'resourceVersion=0&unknown=1', { resourceVersion: '0' }],
  ]
  for (const [verb, query, options] of table) deepStrictEqual(parse(query, verb), options, `${verb} ${query}`)
})

test('an invalid parameter is refused by name', () => {
  const table: [verb: OperationVerb, query: string, reason: string, message: RegExp][] = [
    ['list', 'limit=x', 'BadRequest', /^strconv.ParseInt: parsing "x": invalid syntax$/],
    ['list', 'limit=9223372036854775808', 'BadRequest', /value out of range$/],
    ['list', 'limit=1.5', 'BadRequest', /invalid syntax$/],
    [
      'list',
      'resourceVersionMatch=Exact',
      'Invalid',
      /resourceVersionMatch is forbidden unless resourceVersion is provided/,
    ],
    ['list', 'resourceVersionMatch=Exact&resourceVersion=0', 'Invalid', /"exact" is forbidden for resourceVersion "0"/],
    [
      'list',
      'resourceVersionMatch=Most&resourceVersion=1',
      'Invalid',
      /resourceVersionMatch: Unsupported value: "Most"/,
    ],
    [
      'list',
      'resourceVersionMatch=Exact&resourceVersion=1&continue=c',
      'Invalid',
      /forbidden when continue is provided/,
    ],
    ['list', 'sendInitialEvents=true', 'Invalid', /sendInitialEvents is forbidden for list/],
    [
      'watch',
      'sendInitialEvents=true',
      'Invalid',
      /sendInitialEvents requires setting resourceVersionMatch to NotOlderThan/,
    ],
    [
      'watch',
      'resourceVersionMatch=NotOlderThan',
      'Invalid',
      /forbidden for watch unless sendInitialEvents is provided/,
    ],
    ['create', 'dryRun=Some', 'Invalid', /dryRun: Unsupported value: \["Some"\]: supported values: "All"/],
    [
      'create',
      'fieldValidation=Maybe',
      'Invalid',
      /fieldValidation: Unsupported value: "Maybe": supported values: "", "Ignore", "Strict", "Warn"/,
    ],
    ['update', `fieldManager=${'m'.repeat(129)}`, 'Invalid', /fieldManager: Too long: may not be more than 128 bytes/],
    [
      'patch',
      'fieldManager=a%09b',
      'Invalid',
      /fieldManager: Invalid value: "a\\tb": invalid character U\+0009 \(at position 1\)/,
    ],
  ]
  for (const [verb, query, reason, message] of table) throws(() => parse(query, verb), { reason, message }, query)
})

test('the options of a delete are those of its body or of its query', () => {
  const of = (query: string, body?: JsonObject) => deleteBody(new URLSearchParams(query), body)
  const query = 'gracePeriodSeconds=5&propagationPolicy=Orphan&dryRun=All&orphanDependents=false'
  deepStrictEqual(of(query), {
    gracePeriodSeconds: 5,
    propagationPolicy: 'Orphan',
    dryRun: ['All'],
    orphanDependents: false,
  })
  deepStrictEqual(of(query, { gracePeriodSeconds: 7 }), { gracePeriodSeconds: 7 })
  deepStrictEqual(of(''), {})
  throws(() => of('gracePeriodSeconds=soon'), { reason: 'BadRequest' })
})

test('a timeout is a duration in the format of Go', () => {
  const wrong = (timeout: string): string | undefined => {
    try {
      checkTimeout(new URLSearchParams({ timeout }))
      return undefined
    } catch (error) {
      return (error as Error).message.replace('invalid timeout specified in the request URL - time: ', '')
    }
  }
  for (const text of ['', '0', '30s', '1m30s', '1.5h', '.5s', '-1s', '100ms', '1us', '1µs'])
    strictEqual(wrong(text), undefined, text)
  strictEqual(wrong('30'), 'missing unit in duration "30"')
  strictEqual(wrong('soon'), 'invalid duration "soon"')
  strictEqual(wrong('1s2'), 'missing unit in duration "1s2"')
  strictEqual(wrong('1d'), 'unknown unit "d" in duration "1d"')
  strictEqual(wrong('.s'), 'invalid duration ".s"')
})
