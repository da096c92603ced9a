// The rules of the house that a program can check, such as which room may import which, cycles, and the length of
// files.
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { test } from 'node:test'

const root = new URL('..', import.meta.url).pathname

/** What each room may import besides itself. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  base: [],
  wire: ['base'],
  linux: ['base'],
  api: ['wire', 'base'],
  cel: ['api', 'base'],
  store: ['wire', 'base'],
  kinds: ['cel', 'api', 'base'],
  apiserver: ['store', 'kinds', 'cel', 'api', 'wire', 'base'],
  client: ['kinds', 'api', 'wire', 'base'],
  controllers: ['client', 'kinds', 'api', 'wire', 'base'],
  scheduler: ['client', 'kinds', 'cel', 'api', 'wire', 'base'],
  dns: ['client', 'kinds', 'api', 'wire', 'base'],
  metrics: ['client', 'kinds', 'api', 'wire', 'base'],
  kubelet: ['client', 'kinds', 'api', 'wire', 'base', 'linux'],
  proxy: ['client', 'kinds', 'api', 'wire', 'base', 'linux'],
  network: ['client', 'kinds', 'api', 'wire', 'base', 'linux'],
  images: ['client', 'kinds', 'api', 'wire', 'base', 'linux'],
  edge: ['client', 'kinds', 'api', 'wire', 'base', 'linux'],
  cluster: [
    'apiserver',
    'store',
    'client',
    'controllers',
    'scheduler',
    'dns',
    'metrics',
    'kubelet',
    'proxy',
    'network',
    'images',
    'edge',
    'kinds',
    'api',
    'wire',
    'linux',
    'base',
  ],
}
/** Rooms without an index.ts: their files are imported one by one. */
const open = new Set(['base', 'kinds', 'api', 'wire'])
/** Further index.ts files inside a room. */
const faces = new Set(['kubelet/containerd/index.ts', 'kubelet/cri/index.ts', 'apiserver/names.ts'])

/** The tests of the schema engine need kinds, and those of the certificate rules need certificates. */
const allowedInTests: Readonly<Record<string, readonly string[]>> = { api: ['kinds'], kinds: ['wire'] }

/** The helpers of a room for the tests of all rooms. */
const isForTests = (file: string) => file.endsWith('/testing.ts')

const maxLines = 500

interface Import {
  target: string
  typeOnly: boolean
  /** Whether it is loaded only when the program comes to it. */
  later: boolean
}

const files = globSync('src/**/*.ts', { cwd: root }).map(file => file.slice('src/'.length))
const texts = new Map(files.map(file => [file, readFileSync(join(root, 'src', file), 'utf8')]))

function importsOf(file: string): Import[] {
  const pattern = /^\s*(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'(\.[^']+)'/gms
  const text = texts.get(file)!
  const targetOf = (path: string) => normalize(join(dirname(file), path))
  return [
    ...Array.from(text.matchAll(pattern), ([statement, type, path]) => ({
      target: targetOf(path!),
      typeOnly: type !== undefined || onlyTypes(statement),
      later: false,
    })),
    ...Array.from(text.matchAll(/\bimport\('(\.[^']+)'\)/g), ([, path]) => ({
      target: targetOf(path!),
      typeOnly: false,
      later: true,
    })),
  ]
}

/** `import { type A, type B } from …` */
function onlyTypes(statement: string): boolean {
  const names = /\{([^}]*)\}/s.exec(statement)?.[1]
  return (
    names !== undefined &&
    names
      .split(',')
      .map(n => n.trim())
      .filter(Boolean)
      .every(n => n.startsWith('type '))
  )
}

const roomOf = (file: string) => file.slice(0, file.indexOf('/'))

test('every room imports only what it may', () => {
  const breaches: string[] = []
  for (const file of files) {
    const room = roomOf(file)
    assert.ok(room in allowed, `${file} is in no known room`)
    // A test may also import its own room by index.ts.
    for (const { target } of importsOf(file)) {
      const other = roomOf(target)
      if (other === room) continue
      if (file.endsWith('.test.ts') && (allowedInTests[room]?.includes(other) || isForTests(target))) continue
      if (!allowed[room]!.includes(other)) breaches.push(`${file} imports ${target}`)
      else if (!open.has(other) && target !== `${other}/index.ts` && !faces.has(target))
        breaches.push(`${file} imports ${target}, past the face of the room`)
    }
  }
  assert.deepEqual(breaches, [])
})

test('the supervisor, and a command until it is clear what it is, load only what is small', () => {
  const light = ['base', 'linux', 'cluster', 'api']
  for (const start of ['cluster/supervisor-main.ts', 'cluster/main.ts']) {
    const way = new Map([[start, start]])
    for (const [file, path] of way) {
      const packages = texts.get(file)!.match(/^import .*from '(?!node:|\.)[^']+'/gm) ?? []
      assert.deepEqual(packages, [], path)
      assert.ok(light.includes(roomOf(file)) || file.startsWith('apiserver/'), path)
      assert.ok(!file.endsWith('/index.ts') || roomOf(file) === 'linux', path)
      for (const { target, typeOnly, later } of importsOf(file))
        if (!typeOnly && !later && !way.has(target)) way.set(target, `${path} > ${target}`)
    }
    assert.ok(way.size < 80, `${start} loads ${way.size} files`)
  }
})

test('no files import each other in a circle, not even through types', () => {
  const graph = new Map(files.map(file => [file, importsOf(file).map(i => i.target)]))
  const circles = [...circlesOf(graph)].map(circle => circle.sort().join(' '))
  assert.deepEqual(circles, [])
})

/** Groups of files that import each other in a cycle. Source: Tarjan, strongly connected components. */
function* circlesOf(graph: ReadonlyMap<string, readonly string[]>): Iterable<string[]> {
  const place = new Map<string, number>()
  const lowest = new Map<string, number>()
  const stack: string[] = []
  const found: string[][] = []
  const visit = (file: string): void => {
    place.set(file, place.size)
    lowest.set(file, place.get(file)!)
    stack.push(file)
    for (const next of graph.get(file) ?? []) {
      if (!graph.has(next)) continue
      if (!place.has(next)) visit(next)
      if (stack.includes(next)) lowest.set(file, Math.min(lowest.get(file)!, lowest.get(next)!))
    }
    if (lowest.get(file) !== place.get(file)) return
    const circle = stack.splice(stack.indexOf(file))
    if (circle.length > 1) found.push(circle)
  }
  for (const file of graph.keys()) if (!place.has(file)) visit(file)
  yield* found
}

/** Files outside of src, which import from it too. */
const outside = globSync('{test,bench,tools}/**/*.ts', { cwd: root })

/** Every imported name, as `file#name`, or `file#*` if all names are imported. */
function importedNames(): Set<string> {
  const used = new Set<string>()
  const everywhere = [
    ...[...texts].map(([file, text]) => ({ file: join('src', file), text })),
    ...outside.map(file => ({ file, text: readFileSync(join(root, file), 'utf8') })),
  ]
  for (const { file, text } of everywhere) {
    const target = (path: string) => normalize(join(dirname(file), path))
    for (const [, clause, path] of text.matchAll(/^\s*(?:import|export)\s+([^'";]*?)\sfrom\s+'(\.[^']+)'/gms)) {
      const names = /\{([^}]*)\}/s.exec(clause!)?.[1]
      if (names === undefined) used.add(`${target(path!)}#*`)
      for (const name of names?.split(',') ?? []) used.add(`${target(path!)}#${ownName(name)}`)
    }
    for (const [, path] of text.matchAll(/import\('(\.[^']+)'\)/g)) used.add(`${target(path!)}#*`)
  }
  return used
}

/** `a` of `type a as b`. */
const ownName = (clause: string) =>
  clause
    .trim()
    .replace(/^type\s+/, '')
    .split(' as ')[0]!

/** The definitions of kinds may be exported even if no file imports them yet. */
const offers = /^kinds\/[a-z]+\/[a-z0-9-]+(?<!-rules|-columns|-defaults|-warnings)\.ts$/

test('what is exported is imported somewhere', () => {
  const used = importedNames()
  const idle = files.filter(
    file =>
      !file.endsWith('.test.ts') &&
      !offers.test(file) &&
      !used.has(`src/${file}#*`) &&
      exportsOf(texts.get(file)!).some(name => !used.has(`src/${file}#${name}`)),
  )
  assert.deepEqual(idle, [])
})

function exportsOf(text: string): string[] {
  const declared = [...text.matchAll(/^export (?:async )?(?:const|function\*?|class|interface|type) (\w+)/gm)]
  const listed = [...text.matchAll(/^export (?:type )?\{([^}]*)\}/gms)].flatMap(([, names]) => names!.split(','))
  return [...declared.map(([, name]) => name!), ...listed.filter(name => name.trim()).map(newName)]
}

/** `b` of `type a as b`. */
const newName = (clause: string) =>
  clause
    .trim()
    .replace(/^type\s+/, '')
    .split(' as ')
    .at(-1)!

test(`no file has more than ${maxLines} lines, and every file says what it is`, () => {
  const long = files.filter(file => texts.get(file)!.split('\n').length > maxLines + 1)
  assert.deepEqual(long, [])
  assert.deepEqual(
    files.filter(file => !file.endsWith('.test.ts') && !texts.get(file)!.startsWith('//')),
    [],
  )
  assert.deepEqual(
    files.filter(file => texts.get(file)!.startsWith('// DESCRIBE')),
    [],
  )
})

test('time and chance come from base/', () => {
  const forbidden = /\b(Date\.now|Math\.random|setTimeout|setInterval)\s*\(/
  const breaches = files.filter(
    file =>
      roomOf(file) !== 'base' &&
      !file.endsWith('.test.ts') &&
      texts
        .get(file)!
        .split('\n')
        .some(
          line =>
            !line.trim().startsWith('//') &&
            !line.trim().startsWith('*') &&
            forbidden.test(line) &&
            !/\.setTimeout\(/.test(line),
        ),
  )
  assert.deepEqual(breaches, [])
})

/** Where moments of the time of day are compared that come from elsewhere, or go there, or a timer is set at once. */
const byTimeOfDay = new Set(
  [
    'apiserver/audit/log-file',
    'apiserver/authn/jwt-authenticator',
    'apiserver/flow/control',
    'apiserver/http/authenticate',
    'apiserver/issuer',
    'apiserver/resources/allocation-claims',
    'base/clock',
    'base/debug-pages',
    'client/accounts',
    'cluster/kept-certificates',
    'cluster/node-certificates',
    'cluster/snapshots',
    'cluster/token-command',
    'dns/programming',
    'kubelet/metrics',
    'kubelet/pod/rounds',
    'kubelet/pod/volumes',
    'kubelet/probes/probes',
    'kubelet/volumes/tokens',
    'wire/grpc',
  ].map(name => `${name}.ts`),
)

test('how long something takes is measured by the steady clock, which nobody sets', () => {
  const difference = /[cC]lock\.now\(\)\)?\s*[-<>]|(?<!=)[-<>]=?\s[\w.#!]*[cC]lock\.now\(\)/
  const found = files.filter(file => !/\.test\.ts$|testing\.ts$/.test(file) && difference.test(texts.get(file)!))
  const name = (file: string) =>
    file
      .split('/src/')
      .at(-1)!
      .replace(/^src\//, '')
  assert.deepEqual(found.map(name).sort(), [...byTimeOfDay].sort())
})

test('values are compared by the two equalities of api/equal.ts', () => {
  const others = /\bisDeepStrictEqual\b|JSON\.stringify\([^;]{1,150}\)\s*[!=]==\s*JSON\.stringify/
  const withoutApi = new Set(['base', 'wire', 'linux', 'store'])
  const breaches = files.filter(
    file => !file.endsWith('.test.ts') && !withoutApi.has(roomOf(file)) && others.test(texts.get(file)!),
  )
  assert.deepEqual(breaches, [])
})

/** The most casts past the type checker, in code and in tests. The numbers may only shrink. */
const maxCasts = { code: 2, tests: 28 }

test('types are cast past the checker in few places', () => {
  const casts = (text: string) => text.match(/\bas unknown as\b|\bas never\b/g)?.length ?? 0
  const count = { code: 0, tests: 0 }
  for (const [file, text] of texts) count[file.endsWith('.test.ts') ? 'tests' : 'code'] += casts(text)
  for (const where of ['code', 'tests'] as const)
    assert.ok(count[where] <= maxCasts[where], `${count[where]} in ${where}, of which ${maxCasts[where]} may be`)
})

/** The comments of a text, without quoted code. */
function* commentsOf(text: string): Iterable<string> {
  for (const line of text.split('\n')) {
    const comment = /^\s*(?:\/\/|\/?\*)(.*)/.exec(line) ?? /\s\/\/\s(.*)/.exec(line)
    if (comment) yield comment[1]!.replace(/`[^`]*`/g, '')
  }
}

/** The least share of comments in a room, in percent of its lines that are not blank. */
const leastComments = 10
/** Kinds are tables of fields, each of which has a description of its own. */
const withoutShare = new Set(['kinds'])

test(`at least ${leastComments} of 100 lines of a room are comments`, () => {
  const rooms = new Map<string, { all: number; comments: number }>()
  for (const [file, text] of texts) {
    if (file.endsWith('.test.ts') || withoutShare.has(roomOf(file))) continue
    const count = rooms.get(roomOf(file)) ?? { all: 0, comments: 0 }
    rooms.set(roomOf(file), count)
    const lines = text.split('\n').filter(line => line.trim())
    count.all += lines.length
    count.comments += lines.filter(line => /^\s*(?:\/\/|\/?\*)/.test(line)).length
  }
  for (const [room, { all, comments }] of rooms) {
    const share = (100 * comments) / all
    const enough = share >= leastComments
    assert.ok(enough, `${share.toFixed(1)} % of the lines of ${room} are comments; at least ${leastComments} % must be`)
  }
})

/** Words in code type in the last column of docs/words.md. */
const ruledOut = [...readFileSync(join(root, 'docs/words.md'), 'utf8').matchAll(/^\|.*\|(.*)\|$/gm)].flatMap(
  ([, last]) => [...last!.matchAll(/`([^`]+)`/g)].map(([, word]) => word!),
)

test('no comment uses a word that docs/words.md rules out', () => {
  assert.ok(ruledOut.length > 5)
  const pattern = new RegExp(`\\b(${ruledOut.join('|')})\\b`, 'i')
  const breaches = [...texts].flatMap(([file, text]) =>
    [...commentsOf(text)].flatMap(comment => {
      const word = pattern.exec(comment)?.[0]
      return word === undefined ? [] : [`${file}: ${word}`]
    }),
  )
  assert.deepEqual(breaches, [])
})

test('signals are joined by base/waiters.ts, since Node.js forgets the sources of AbortSignal.any', () => {
  const users = files.filter(file => /AbortSignal\.any\(/.test(texts.get(file)!))
  assert.deepEqual(users, [])
})
