// The small things that everything is built on: clocks, errors, logs, metrics, chance, files.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { realClock, settle, VirtualClock } from './clock.ts'
import { assert as invariant, isDefect, isReason, messageOf, type Reason, StatusError, unreachable } from './errors.ts'
import { namesIn, replaceFile, textOf, withFileLocked } from './files.ts'
import { makeLog } from './log.ts'
import { counter, exponentialBuckets, gauge, histogram, metricsText } from './metrics.ts'
import { nameSuffix, realRandom, safeEncode, secretBytes, seededRandom } from './random.ts'
import { readYamlFile } from './yaml-file.ts'

test('a virtual clock fires timers by their time, those of one time by their turn, and those they make too', async () => {
  const clock = new VirtualClock(1000)
  const fired: string[] = []
  const note = (name: string) => () => void fired.push(`${name} ${clock.now()}`)
  clock.after(20, note('late'))
  clock.after(10, note('first'))
  clock.after(10, () => {
    note('second')()
    clock.after(0, note('at once'))
    clock.after(5, note('nested'))
  })
  const cancel = clock.after(12, note('cancelled'))
  cancel()
  cancel()
  clock.after(-5, note('past'))
  clock.after(0.2, note('rounded up'))
  await clock.forward(20)
  assert.deepEqual(fired, [
    'past 1000',
    'rounded up 1001',
    'first 1010',
    'second 1010',
    'at once 1010',
    'nested 1015',
    'late 1020',
  ])
  assert.equal(clock.now(), 1020)
  await clock.forward(0)
  assert.equal(fired.length, 7)
})

test('a sleep on a virtual clock ends at its time, or rejects with the reason of its signal', async () => {
  const clock = new VirtualClock()
  const ends: string[] = []
  const abort = new AbortController()
  const sleeps = [
    clock.sleep(50).then(() => ends.push('slept')),
    clock.sleep(100, abort.signal).catch((error: Error) => ends.push(error.message)),
    clock.sleep(100, AbortSignal.abort(new Error('before'))).catch((error: Error) => ends.push(error.message)),
  ]
  await settle()
  assert.deepEqual(ends, ['before'])
  await clock.forward(60)
  abort.abort(new Error('enough'))
  await Promise.all(sleeps)
  assert.deepEqual(ends, ['before', 'slept', 'enough'])
  // Nothing is left that could fire.
  await clock.forward(1000)
  assert.equal(ends.length, 3)
})

test('the clock of the machine waits longer than one of its timers can, and cancels such a wait', async t => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] })
  const fired: string[] = []
  const month = 30 * 24 * 3_600_000
  realClock.after(month, () => fired.push('month'))
  const cancel = realClock.after(2 * month, () => fired.push('two'))
  // The longest wait of one timer, after which the rest of the month begins.
  const longest = 2 ** 31 - 1
  t.mock.timers.tick(longest)
  assert.deepEqual(fired, [])
  t.mock.timers.tick(month - longest - 1)
  assert.deepEqual(fired, [])
  t.mock.timers.tick(1)
  assert.deepEqual(fired, ['month'])
  cancel()
  t.mock.timers.tick(longest)
  t.mock.timers.tick(longest)
  t.mock.timers.tick(longest)
  assert.deepEqual(fired, ['month'])
})

test('an error carries its reason, the code of the reason, details and cause', () => {
  const cause = new Error('below')
  const error = new StatusError('NotFound', 'no such pod', { cause, details: { name: 'p' } })
  assert.deepEqual(
    [error.name, error.message, error.reason, error.code, error.details, error.cause],
    ['StatusError', 'no such pod', 'NotFound', 404, { name: 'p' }, cause],
  )
  assert.equal('cause' in new StatusError('NotFound', 'x'), false)
  const codes: [reason: Reason | '', code: number][] = [
    ['BadRequest', 400],
    ['Unauthorized', 401],
    ['Forbidden', 403],
    ['MethodNotAllowed', 405],
    ['NotAcceptable', 406],
    ['AlreadyExists', 409],
    ['Conflict', 409],
    ['Expired', 410],
    ['Gone', 410],
    ['RequestEntityTooLarge', 413],
    ['UnsupportedMediaType', 415],
    ['Invalid', 422],
    ['TooManyRequests', 429],
    ['InternalError', 500],
    ['ServerTimeout', 500],
    ['ServiceUnavailable', 503],
    ['Timeout', 504],
    ['', 500],
  ]
  for (const [reason, code] of codes) assert.equal(new StatusError(reason, '').code, code, reason)
  assert.equal(new StatusError('Conflict', '', { code: 418 }).code, 418)
})

test('errors are distinguished by their reason, and faults of the program from those of its input', () => {
  const error = new StatusError('Conflict', 'x')
  assert.equal(isReason(error, 'NotFound', 'Conflict'), true)
  assert.equal(isReason(error, 'NotFound'), false)
  assert.equal(isReason(new Error('Conflict'), 'Conflict'), false)
  assert.equal(isReason(undefined, 'Conflict'), false)
  assert.equal(isDefect(new TypeError()), true)
  assert.equal(isDefect(error), false)
  assert.deepEqual([messageOf(new Error('x')), messageOf('text'), messageOf(undefined)], ['x', 'text', 'undefined'])
  invariant(true, 'fine')
  assert.throws(() => invariant(0, 'never zero'), { message: 'invariant broken: never zero' })
  assert.throws(() => invariant('', () => 'said late'), { message: 'invariant broken: said late' })
  const impossible = (): never => unreachable(JSON.parse('{"a":1}') as ReturnType<typeof impossible>)
  assert.throws(impossible, { message: 'invariant broken: unexpected {"a":1}' })
})

test('a log writes one line of JSON for each message of its level and above, with its fields', () => {
  const lines: Record<string, unknown>[] = []
  const log = makeLog(line => lines.push(JSON.parse(line)), 'warn', { part: 'x' })
  log.debug('no')
  log.info('no')
  log.warn('careful', { n: 1 })
  log.with({ pod: 'p', part: 'y' }).error('failed', { error: new Error('why') })
  assert.equal(lines.length, 2)
  const { time, ...first } = lines[0]!
  assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  assert.deepEqual(first, { level: 'warn', message: 'careful', part: 'x', n: 1 })
  assert.deepEqual([lines[1]!.level, lines[1]!.part, lines[1]!.pod], ['error', 'y', 'p'])
  // With the stack, which says where it comes from.
  assert.match(String(lines[1]!.error), /^Error: why\n +at /)
})

/** The lines of a family in the text. */
const linesOf = (name: string) =>
  metricsText()
    .split('\n')
    .filter(line => line.includes(name))

test('counters and gauges have one line for each set of labels', () => {
  const hits = counter('test_hits_total', 'Hits.')
  hits.add()
  hits.add({}, 2)
  hits.add({ path: 'a"b\\c\nd' })
  assert.deepEqual(linesOf('test_hits_total'), [
    '# HELP test_hits_total Hits.',
    '# TYPE test_hits_total counter',
    'test_hits_total 3',
    'test_hits_total{path="a\\"b\\\\c\\nd"} 1',
  ])
  // Another module that counts the same thing adds to it.
  counter('test_hits_total', 'Hits.').add()
  assert.ok(linesOf('test_hits_total').includes('test_hits_total 4'))
  const level = gauge('test_level', 'Level.')
  level.set(5)
  level.set(3)
  assert.deepEqual(linesOf('test_level').at(-1), 'test_level 3')
})

test('a histogram counts each value in its bucket and in all larger ones', () => {
  const sizes = histogram('test_sizes', 'Sizes.', exponentialBuckets(1, 10, 3))
  for (const value of [0.5, 1, 5, 100, 1000]) sizes.observe(value)
  assert.deepEqual(linesOf('test_sizes').slice(2), [
    'test_sizes_bucket{le="1"} 2',
    'test_sizes_bucket{le="10"} 3',
    'test_sizes_bucket{le="100"} 4',
    'test_sizes_bucket{le="+Inf"} 5',
    'test_sizes_sum 1106.5',
    'test_sizes_count 5',
  ])
  sizes.observe(2, { kind: 'x' })
  assert.ok(linesOf('test_sizes').includes('test_sizes_bucket{kind="x",le="10"} 1'))
})

test('a family that gets ever new labels by mistake stays bounded', () => {
  const wild = counter('test_wild_total', 'Wild.')
  for (let i = 0; i < 6000; i++) wild.add({ id: String(i) })
  assert.equal(linesOf('test_wild_total{').length, 5000)
  // Those that are there go on counting.
  wild.add({ id: '0' })
  assert.ok(linesOf('test_wild_total{').includes('test_wild_total{id="0"} 2'))
})

test('a seed gives the same numbers each time, and another seed others', () => {
  const numbers = (seed: number) => {
    const random = seededRandom(seed)
    return [...Array.from({ length: 5 }, () => random.float()), random.uuid()]
  }
  assert.deepEqual(numbers(7), numbers(7))
  assert.notDeepEqual(numbers(7), numbers(8))
  for (const random of [seededRandom(1), realRandom]) {
    let sum = 0
    for (let i = 0; i < 10_000; i++) {
      const value = random.float()
      assert.ok(value >= 0 && value < 1)
      sum += value
    }
    // The mean of so many has a deviation of 0.003.
    assert.ok(Math.abs(sum / 10_000 - 0.5) < 0.03, `${sum / 10_000}`)
    assert.match(random.uuid(), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  }
})

test('generated names have letters and digits that form no words', () => {
  const random = seededRandom(3)
  for (let i = 0; i < 100; i++) assert.match(nameSuffix(random), /^[bcdfghjklmnpqrstvwxz2456789]{5}$/)
  assert.equal(nameSuffix(random, 10).length, 10)
  assert.equal(safeEncode('0123456789'), safeEncode('0123456789'))
  assert.match(safeEncode('4294967295'), /^[bcdfghjklmnpqrstvwxz2456789]{10}$/)
  assert.equal(secretBytes(16).length, 16)
  assert.notDeepEqual(secretBytes(16), secretBytes(16))
})

test('a configuration file is YAML or JSON, and its error names it and the line', async t => {
  const dir = mkdtempSync(join(tmpdir(), 'kutter-yaml-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const fileOf = (text: string) => {
    writeFileSync(join(dir, 'file'), text)
    return join(dir, 'file')
  }
  assert.deepEqual(await readYamlFile(fileOf('a: [1, x]\nb: {c: null}\n')), { a: [1, 'x'], b: { c: null } })
  assert.deepEqual(await readYamlFile(fileOf('{"a": 1}')), { a: 1 })
  assert.equal(await readYamlFile(fileOf('')), null)
  await assert.rejects(readYamlFile(fileOf('a: 1\nb: [')), /file is not YAML: .* at line 2/)
  await assert.rejects(
    readYamlFile(join(dir, 'none')),
    (error: unknown) => isReason(error, 'BadRequest') && /none cannot be read: ENOENT/.test(error.message),
  )
})

test('a file is replaced as a whole, and one that is missing is empty', async t => {
  const dir = mkdtempSync(join(tmpdir(), 'kutter-files-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const file = join(dir, 'file')
  assert.equal(await textOf(file), '')
  for (const text of ['first', 'second']) {
    await replaceFile(file, text, { mode: 0o600, flush: true })
    assert.equal(await textOf(file), text)
    assert.deepEqual(await namesIn(dir), ['file'])
  }
  assert.deepEqual(await namesIn(file), [])
  const texts = Array.from({ length: 20 }, (_, i) => `text ${i}`)
  await Promise.all(texts.map(text => replaceFile(file, text)))
  assert.ok(texts.includes(await textOf(file)))
  await assert.rejects(replaceFile(join(dir, 'none', 'file'), 'text'), { code: 'ENOENT' })
  mkdirSync(join(dir, 'directory'))
  await assert.rejects(replaceFile(join(dir, 'directory'), 'text'), { code: 'EISDIR' })
  assert.deepEqual(await namesIn(dir), ['directory', 'file'])
})

test('a file that several change at once has the changes of all, and a lock that is left over is waited for in vain', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'kutter-base-')), 'file')
  const add = (text: string) =>
    withFileLocked(file, realClock, async () => replaceFile(file, (await textOf(file)) + text))
  await Promise.all(['a', 'b', 'c', 'd'].map(add))
  assert.deepEqual([...(await textOf(file))].sort(), ['a', 'b', 'c', 'd'])
  await assert.rejects(
    withFileLocked(file, realClock, () => Promise.reject(new Error('no'))),
    { message: 'no' },
  )
  assert.deepEqual(await namesIn(dirname(file)), ['file'])
  writeFileSync(`${file}.lock`, '')
  const clock = new VirtualClock()
  let isDone = false
  const late = withFileLocked(file, clock, async () => void (isDone = true))
  while (!isDone) {
    await realClock.sleep(1)
    await clock.forward(500)
  }
  await late
  assert.deepEqual(await namesIn(dirname(file)), ['file', 'file.lock'])
  rmSync(dirname(file), { recursive: true })
})
