// `npm run mutate`: breaks the code in random places, one at a time, and shows whether a test notices.
//
//   npm run mutate -- [--seed N] [--count N] [--room ROOM] [--file PATH]
//
// Each mutation is one token of one line: a comparison, a logical operator, a sign, a boolean, or a call whose result
// nobody reads. It is made in a copy of the working tree, against which the tests run that import the file, those of the
// same room first, until one fails. A mutation that no test notices is printed with its place: it is a test to write, or
// code that does not matter. The same seed and the same sources give the same mutations.
import { type ChildProcess, spawn } from 'node:child_process'
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, normalize } from 'node:path'
import { parseArgs } from 'node:util'
import { type Random, seededRandom } from '../src/base/random.ts'

const root = new URL('..', import.meta.url).pathname
const { values: options } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    count: { type: 'string', default: '30' },
    room: { type: 'string' },
    file: { type: 'string' },
  },
})

interface Mutation {
  file: string
  /** From 1. */
  line: number
  before: string
  after: string
}

/** What a line may become: a pattern, and what replaces its first match. */
const changes: readonly (readonly [RegExp, string])[] = [
  [/ === /, ' !== '],
  [/ !== /, ' === '],
  [/ < (?=[\w(])/, ' <= '],
  [/ <= /, ' < '],
  [/ > (?=[\w(])/, ' >= '],
  [/ >= /, ' > '],
  [/ && /, ' || '],
  [/ \|\| /, ' && '],
  [/ \+ 1\b/, ''],
  [/ - 1\b/, ''],
  [/\breturn true\b/, 'return false'],
  [/\breturn false\b/, 'return true'],
  [/\bif \(!/, 'if ('],
  // A statement that is a call and stands alone on its line.
  [/^ +(?:await )?(?:this\.)?#?\w+(?:\.#?\w+)*\([^{}]*\)$/, ''],
]

/** All mutations of a file. Lines of comments, imports, types and texts alone are left out. */
function* mutationsOf(file: string, text: string): Generator<Mutation> {
  for (const [i, before] of text.split('\n').entries()) {
    if (/^\s*(\/\/|\/?\*|import |export type|type |interface |doc: |['"`])/.test(before)) continue
    for (const [pattern, replacement] of changes) {
      const code = before.replace(/'[^']*'|`[^`]*`|\/\/.*$/g, text => ' '.repeat(text.length))
      const match = pattern.exec(code)
      if (!match) continue
      const after = before.slice(0, match.index) + replacement + before.slice(match.index + match[0].length)
      yield { file, line: i + 1, before, after }
    }
  }
}

/** One mutation of a random file; rooms take turns, so that large ones do not hide small ones. */
function choose(random: Random, files: readonly string[], turn: number): Mutation {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random.float() * list.length)]!
  const rooms = Map.groupBy(files, roomOf)
  const names = [...rooms.keys()].sort()
  for (;;) {
    const file = pick(rooms.get(names[turn % names.length]!)!)
    const all = [...mutationsOf(file, readFileSync(root + file, 'utf8'))]
    if (all.length) return pick(all)
  }
}
const roomOf = (file: string) => file.split('/')[1]!

/** For each file of the sources and tests, the files that it imports. */
function readImports(): Map<string, string[]> {
  const files = globSync('{src,test}/**/*.ts', { cwd: root })
  return new Map(
    files.map(file => {
      const text = readFileSync(root + file, 'utf8')
      const found = [...text.matchAll(/\bfrom '(\.[^']+)'|\bimport\('(\.[^']+)'\)/g)]
      return [file, found.map(match => normalize(join(dirname(file), (match[1] ?? match[2])!)))]
    }),
  )
}

/** The tests that reach a file by imports: the nearest first. End-to-end tests are left out. */
function testsOf(file: string, imports: ReadonlyMap<string, readonly string[]>): string[] {
  const distances = new Map([[file, 0]])
  for (const [at, distance] of distances)
    for (const [importer, imported] of imports)
      if (imported.includes(at) && !distances.has(importer)) distances.set(importer, distance + 1)
  const isTest = (other: string) => other.endsWith('.test.ts') && !other.startsWith('test/e2e/')
  const order = (other: string) =>
    (roomOf(other) === roomOf(file) ? 0 : other.startsWith('src/') ? 100 : 200) + distances.get(other)!
  return [...distances.keys()].filter(isTest).sort((a, b) => order(a) - order(b))
}

/** A test that failed, and the files that were run with it. */
interface Failure {
  name: string
  files: readonly string[]
}

/** The first test that fails, or undefined. A test that runs for longer than three minutes fails. */
async function firstFailure(copy: string, tests: readonly string[]): Promise<Failure | undefined> {
  for (let i = 0; i < tests.length; i += batch) {
    const some = tests.slice(i, i + batch)
    const args = ['--disable-warning=ExperimentalWarning', '--test', '--test-concurrency=2', '--test-timeout=180000']
    const child = spawn(process.execPath, [...args, '--test-reporter=tap', ...some], {
      cwd: copy,
      stdio: ['ignore', 'pipe', 'ignore'],
      // A process group of its own, so that the processes of single files end with it.
      detached: true,
    })
    running = child
    const failed = await new Promise<string | undefined>(resolve => {
      let output = ''
      child.stdout.on('data', (chunk: Buffer) => {
        output = (output + chunk.toString()).slice(-100_000)
        const name = /^not ok \d+ - (.*)$/m.exec(output)?.[1]
        if (name) resolve(name)
      })
      child.on('close', code => resolve(code === 0 ? undefined : 'a test file that ended early'))
    })
    end(child)
    if (failed) return { name: failed, files: some }
  }
  return undefined
}
/** Test files that one run takes: few, since the first failure ends it. */
const batch = 6
let running: ChildProcess | undefined

function end(child: ChildProcess | undefined): void {
  try {
    if (child?.pid) process.kill(-child.pid, 'SIGKILL')
  } catch {
    // The group has ended.
  }
}

const copy = mkdtempSync(join(tmpdir(), 'kutter-mutate-'))
process.on('exit', () => {
  end(running)
  rmSync(copy, { recursive: true, force: true })
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))
for (const name of ['src', 'test', 'tools', 'docs', 'examples', 'bench', 'package.json', 'tsconfig.json', 'kutter'])
  cpSync(root + name, join(copy, name), { recursive: true })
symlinkSync(`${root}node_modules`, join(copy, 'node_modules'))

const random = seededRandom(Number(options.seed))
const imports = readImports()
const files = [...imports.keys()].filter(
  file =>
    file.startsWith('src/') &&
    !file.endsWith('.test.ts') &&
    (!options.room || roomOf(file) === options.room) &&
    (!options.file || file === options.file),
)
if (!files.length) throw new Error('no such file or room')
let unnoticed = 0
/** Tests that failed by a mutation, and pass without one. */
const sound = new Set<string>()
for (let turn = 0; turn < Number(options.count); turn++) {
  const mutation = choose(random, files, turn)
  const path = join(copy, mutation.file)
  const whole = readFileSync(path, 'utf8')
  writeFileSync(
    path,
    whole
      .split('\n')
      .with(mutation.line - 1, mutation.after)
      .join('\n'),
  )
  const by = await firstFailure(copy, testsOf(mutation.file, imports))
  writeFileSync(path, whole)
  if (by && !sound.has(by.name)) {
    const anyway = await firstFailure(copy, by.files)
    if (anyway) throw new Error(`${anyway.name}: fails without any mutation`)
    sound.add(by.name)
  }
  if (!by) unnoticed++
  console.log(`${by ? 'noticed  ' : 'UNNOTICED'} ${mutation.file}:${mutation.line}`)
  console.log(`          - ${mutation.before.trim()}\n          + ${mutation.after.trim()}`)
  if (by) console.log(`          by: ${by.name}`)
}
console.log(`${unnoticed} of ${options.count} unnoticed`)
