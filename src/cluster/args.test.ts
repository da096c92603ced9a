// The command line, as tables: what was typed → words, options and switches, or the sentence that says what is wrong.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { durationOption, integerOption, parseArgs, portRangeOption, rangesOption, UsageError } from './args.ts'
import { commands, helpText, options } from './command-line.ts'

const specs = { name: { value: true, help: '' }, n: { value: true, help: '' }, purge: { help: '' } }

test('options, switches and words come in any order, and the last value of an option counts', () => {
  const table: [typed: string[], words: string[], values: Record<string, string>, flags: string[]][] = [
    [[], [], {}, []],
    [['up'], ['up'], {}, []],
    [['up', '--name', 'x'], ['up'], { name: 'x' }, []],
    [['--name=x', 'up'], ['up'], { name: 'x' }, []],
    [['--purge', 'down', '--name', 'x'], ['down'], { name: 'x' }, ['purge']],
    [['why', 'pod/a', '-n', 'shop'], ['why', 'pod/a'], { n: 'shop' }, []],
    [['why', '-n=shop', 'pod/a'], ['why', 'pod/a'], { n: 'shop' }, []],
    [['--name', 'x', '--name=y'], [], { name: 'y' }, []],
    [['--name='], [], { name: '' }, []],
    [['--name=a=b'], [], { name: 'a=b' }, []],
    [['--name', '--purge'], [], { name: '--purge' }, []],
    [['--purge', '--purge'], [], {}, ['purge']],
    // What does not look like an option is a word.
    [['-', '--', '-5', 'a=b', '--Name'], ['-', '--', '-5', 'a=b', '--Name'], {}, []],
  ]
  for (const [typed, words, values, flags] of table) {
    const parsed = parseArgs(typed, specs)
    assert.deepEqual([parsed.words, parsed.options, [...parsed.flags]], [words, values, flags], typed.join(' '))
  }
})

test('an option that does not exist, lacks its value, or has one that it does not take is a mistake', () => {
  const table: [typed: string[], message: string][] = [
    [['--nmae', 'x'], 'unknown option --nmae; the options are --name, --n, --purge'],
    [['up', '-x'], 'unknown option --x; the options are --name, --n, --purge'],
    [['up', '--name'], 'option --name requires a value'],
    [['down', '--purge=false'], 'option --purge takes no value'],
    [['down', '--purge='], 'option --purge takes no value'],
    // What every object has is no option.
    [['--constructor'], 'unknown option --constructor; the options are --name, --n, --purge'],
  ]
  for (const [typed, message] of table)
    assert.throws(
      () => parseArgs(typed, specs),
      (error: unknown) => error instanceof UsageError && error.message === message,
      typed.join(' '),
    )
})

const parsedWith = (name: string, text: string | undefined) => ({
  words: [],
  flags: new Set<string>(),
  options: text === undefined ? {} : { [name]: text },
})

test('a number is whole, in decimal digits and within its bounds', () => {
  const table: [text: string | undefined, value: number | undefined | 'mistake'][] = [
    [undefined, undefined],
    ['1', 1],
    ['65535', 65535],
    ['08', 8],
    ['0', 'mistake'],
    ['65536', 'mistake'],
    ['-1', 'mistake'],
    ['1.5', 'mistake'],
    ['1e3', 'mistake'],
    ['0x10', 'mistake'],
    ['', 'mistake'],
    [' 5', 'mistake'],
    ['many', 'mistake'],
  ]
  for (const [text, value] of table) {
    const read = () => integerOption(parsedWith('port', text), 'port', 1, 65535)
    if (value === 'mistake')
      assert.throws(read, { message: `option --port must be a whole number from 1 to 65535, not ${text}` })
    else assert.equal(read(), value, text)
  }
})

test('a range of ports goes upwards within the ports that there are', () => {
  const table: [text: string | undefined, range: [number, number] | undefined | 'mistake'][] = [
    [undefined, undefined],
    ['30000-32767', [30000, 32767]],
    ['1-65535', [1, 65535]],
    ['80-80', [80, 80]],
    ['81-80', 'mistake'],
    ['0-80', 'mistake'],
    ['80-65536', 'mistake'],
    ['80', 'mistake'],
    ['80-', 'mistake'],
    ['80-90-100', 'mistake'],
    ['a-b', 'mistake'],
    ['', 'mistake'],
  ]
  for (const [text, range] of table) {
    const read = () => portRangeOption(parsedWith('r', text), 'r')
    if (range === 'mistake')
      assert.throws(read, { message: `option --r must be a range of ports such as 30000-32767, not ${text}` })
    else assert.deepEqual(read(), range, text)
  }
})

test('a duration has a unit and is longer than nothing', () => {
  const table: [text: string | undefined, ms: number | undefined | 'mistake'][] = [
    [undefined, undefined],
    ['40s', 40_000],
    ['1m30s', 90_000],
    ['1.5h', 5_400_000],
    ['300ms', 300],
    ['0', 'mistake'],
    ['0s', 'mistake'],
    ['-5s', 'mistake'],
    ['40', 'mistake'],
    ['soon', 'mistake'],
    ['', 'mistake'],
  ]
  for (const [text, ms] of table) {
    const read = () => durationOption(parsedWith('d', text), 'd')
    if (ms === 'mistake')
      assert.throws(read, { message: `option --d must be a duration such as 40s or 1m30s, not ${text}` })
    else assert.deepEqual(read(), ms === undefined ? undefined : { text, ms }, text)
  }
})

test('ranges are written in one way, without those that are within others, and anything else is a mistake', () => {
  const table: [string | undefined, string[] | undefined][] = [
    [undefined, undefined],
    ['', []],
    ['192.0.2.9/24', ['192.0.2.0/24']],
    ['192.0.2.9/32, 192.0.2.0/24,2001:DB8::1/64', ['192.0.2.0/24', '2001:db8::/64']],
    ['192.0.2.0/24,192.0.2.0/24', ['192.0.2.0/24']],
  ]
  for (const [text, ranges] of table) assert.deepEqual(rangesOption(parsedWith('r', text), 'r'), ranges, text)
  for (const wrong of ['192.0.2.1', '192.0.2.0/33', 'primary', '192.0.2.0/24;::/0'])
    assert.throws(() => rangesOption(parsedWith('r', `::/64,${wrong}`), 'r'), {
      message: `option --r must have ranges of addresses such as 192.0.2.0/24,2001:db8::/64, and ${JSON.stringify(wrong)} is none`,
    })
  const many = Array.from({ length: 101 }, (_, i) => `192.0.2.${i}/32`).join()
  assert.throws(() => rangesOption(parsedWith('r', many), 'r'), { message: /at most 100 ranges/ })
})

test('the help of a command lists its options, and that of no command lists the commands', () => {
  const list = helpText(undefined)
  for (const name of Object.keys(commands)) {
    assert.ok(list.includes(`  kutter ${commands[name]!.usage}`), name)
    const help = helpText(name)
    assert.ok(help.startsWith(`kutter ${commands[name]!.usage}: ${commands[name]!.summary}\n`), name)
    assert.ok(help.includes('--help'), name)
    // No line is wider than a terminal is wide, as far as the texts allow.
    for (const line of help.split('\n')) assert.ok(line.length <= 140, line)
  }
  for (const unknown of ['nothing', 'constructor', 'toString']) assert.equal(helpText(unknown), list)
})

test('a value is asked for by the same options everywhere', () => {
  for (const [name, { value }] of Object.entries(options))
    assert.equal(parseArgs([`--${name}`, 'x'], options).words.length, value ? 0 : 1, name)
})
