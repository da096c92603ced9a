// The rules of the house that a program can check: which room may import which, no circles, no long files.
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
  store: ['wire', 'base'],
  kinds: ['api', 'base'],
  apiserver: ['store', 'kinds', 'api', 'wire', 'base'],
  client: ['kinds', 'api', 'wire', 'base'],
  controllers: ['client', 'kinds', 'api', 'wire', 'base'],
  scheduler: ['client', 'kinds', 'api', 'wire', 'base'],
  dns: ['client', 'kinds', 'api', 'wire', 'base'],
  metrics: ['client', 'kinds', 'api', 'wire', 'base'],
  kubelet: ['client', 'kinds', 'api', 'wire', 'base', 'linux'],
  proxy: ['client', 'kinds', 'api', 'wire', 'base', 'linux'],
  network: ['client', 'kinds', 'api', 'wire', 'base', 'linux'],
  images: ['client', 'kinds', 'api', 'wire', 'base', 'linux'],
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
    'kinds',
    'api',
    'wire',
    'linux',
    'base',
  ],
}
/** Rooms without a face: their files are imported one by one. */
const open = new Set(['base', 'kinds', 'api', 'wire'])
/** Second faces inside a room. */
const faces = new Set(['kubelet/containerd/index.ts', 'kubelet/cri/index.ts'])

/** The engine's own tests need something written in it. */
const allowedInTests: Readonly<Record<string, readonly string[]>> = { api: ['kinds'] }

const maxLines = 500

interface Import {
  target: string
  typeOnly: boolean
}

const files = globSync('src/**/*.ts', { cwd: root }).map(file => file.slice('src/'.length))
const texts = new Map(files.map(file => [file, readFileSync(join(root, 'src', file), 'utf8')]))

function importsOf(file: string): Import[] {
  const pattern = /^\s*(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'(\.[^']+)'/gms
  return [...texts.get(file)!.matchAll(pattern)].map(([statement, type, target]) => ({
    target: normalize(join(dirname(file), target!)),
    typeOnly: type !== undefined || onlyTypes(statement),
  }))
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
    // Tests look at their room from outside as well.
    for (const { target } of importsOf(file)) {
      const other = roomOf(target)
      if (other === room) continue
      if (file.endsWith('.test.ts') && allowedInTests[room]?.includes(other)) continue
      if (!allowed[room]!.includes(other)) breaches.push(`${file} imports ${target}`)
      else if (!open.has(other) && target !== `${other}/index.ts` && !faces.has(target))
        breaches.push(`${file} imports ${target}, past the face of the room`)
    }
  }
  assert.deepEqual(breaches, [])
})

test('no files import each other in a circle', () => {
  const graph = new Map(
    files.map(file => [
      file,
      importsOf(file)
        .filter(i => !i.typeOnly)
        .map(i => i.target),
    ]),
  )
  const done = new Set<string>()
  const circles: string[] = []
  const visit = (file: string, path: readonly string[]) => {
    if (path.includes(file)) return void circles.push([...path.slice(path.indexOf(file)), file].join(' → '))
    if (done.has(file)) return
    for (const next of graph.get(file) ?? []) visit(next, [...path, file])
    done.add(file)
  }
  for (const file of files) visit(file, [])
  assert.deepEqual(circles, [])
})

test(`no file has more than ${maxLines} lines, and every file says what it is`, () => {
  const long = files.filter(file => texts.get(file)!.split('\n').length > maxLines + 1)
  // Two tables of facts are longer than any code should be.
  assert.deepEqual(
    long.filter(file => file !== 'kubelet/cri/definition.ts'),
    [],
  )
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
