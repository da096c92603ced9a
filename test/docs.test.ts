// The documents are correct: links have targets, the paths and names they mention exist, the messages they explain are
// those of the code, words that are ruled out do not occur, and the examples of the walkthroughs compile and pass.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  globSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'

const root = new URL('..', import.meta.url).pathname
const read = (file: string) => readFileSync(join(root, file), 'utf8')

const documents = globSync(['*.md', 'docs/**/*.md'], { cwd: root }).sort()
const texts = new Map(documents.map(file => [file, read(file)]))
/** Each document with its text, and its text without blocks of code. */
const pages = documents.map(file => ({
  file,
  text: texts.get(file)!,
  prose: texts.get(file)!.replace(/^```.*?^```$/gms, ''),
}))

interface Link {
  file: string
  text: string
  /** The path of the linked file from the root; '' for an address outside the repository. */
  target: string
  anchor: string
}

const links: readonly Link[] = pages.flatMap(({ file, prose }) =>
  [...prose.matchAll(/\[([^\]]*)\]\(([^)\s]+)\)/g)].map(([, text = '', to = '']) => {
    const [path = '', anchor = ''] = to.split('#')
    const target = /^https?:/.test(to) ? '' : path ? normalize(join(dirname(file), path)) : file
    return { file, text, target, anchor }
  }),
)

/** The anchors of a page's headings. */
const anchorsOf = (text: string) => new Set([...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchorOf(heading!)))
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')

test('every link leads to a file, and to a heading of it', () => {
  const inside = links.filter(({ target }) => target)
  assert.deepEqual(
    inside.filter(({ target }) => !existsSync(join(root, target))).map(({ file, target }) => `${file}: ${target}`),
    [],
  )
  assert.deepEqual(
    inside
      .filter(({ target, anchor }) => anchor && !anchorsOf(texts.get(target) ?? '').has(anchor))
      .map(({ file, target, anchor }) => `${file}: ${target}#${anchor}`),
    [],
  )
})

test('every document can be reached from the README', () => {
  const seen = new Set<string>()
  const visit = (file: string): void => {
    if (seen.has(file)) return
    seen.add(file)
    for (const link of links) if (link.file === file && texts.has(link.target)) visit(link.target)
  }
  visit('README.md')
  assert.deepEqual(
    documents.filter(file => !seen.has(file)),
    [],
  )
})

test('a name that links to a file is in that file', () => {
  const named = links.flatMap(link => {
    const name = /^`([\w.#-]+)(?:\(.*\))?`$/.exec(link.text)?.[1]
    return name && /\.(ts|json)$/.test(link.target) ? [{ ...link, name }] : []
  })
  assert.ok(named.length > 0)
  assert.deepEqual(
    named
      .filter(({ target, name }) => !read(target).includes(name))
      .map(({ file, target, name }) => `${file}: ${name} in ${target}`),
    [],
  )
})

/** The files that the walkthroughs add: blocks of TypeScript that begin with a comment naming a file. */
const examples = pages.flatMap(({ file, text }) =>
  [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = '']) => ({
    document: file,
    path: /^\/\/ ((?:src|test|examples)\/\S+\.ts)\n/.exec(code)?.[1] ?? '',
    code,
  })),
)

test('every path that is mentioned exists', () => {
  const made = new Set(examples.map(({ path }) => path))
  const missing = pages.flatMap(({ file, prose }) =>
    [...prose.matchAll(/`((?:src|test|tools|bench|docs|examples)\/[\w./*-]*[\w*])\/?`/g)]
      .map(([, path]) => path!)
      .filter(path => !/[A-Z]{4}/.test(path) && !made.has(path) && globSync(path, { cwd: root }).length === 0)
      .map(path => `${file}: ${path}`),
  )
  assert.deepEqual(missing, [])
})

/** Words in code type in the last column of docs/words.md. */
const banned = [...read('docs/words.md').matchAll(/^\|.*\|(.*)\|$/gm)].flatMap(([, last]) =>
  [...last!.matchAll(/`([^`]+)`/g)].map(([, word]) => word!),
)

test('no document uses a word that docs/words.md rules out', () => {
  assert.ok(banned.length > 5)
  const pattern = new RegExp(`\\b(${banned.join('|')})\\b`, 'gi')
  const used = pages
    .filter(({ file }) => file !== 'docs/words.md')
    .flatMap(({ file, prose }) =>
      [...prose.replace(/`[^`]*`/g, '').matchAll(pattern)].map(match => `${file}: ${match[0]}`),
    )
  assert.deepEqual(used, [])
})

test('documents name no place outside of the repository', () => {
  assert.deepEqual(
    pages.filter(({ text }) => /(^|[\s`(])(\/work\b|\.\.\/shared\b)/m.test(text)).map(({ file }) => file),
    [],
  )
})

/** The text of the whole program. Strings that the formatter has split are joined. */
const program = globSync(['src/**/*.ts', 'tools/*', 'kutter'], { cwd: root })
  .filter(file => !file.endsWith('.test.ts') && statSync(join(root, file)).isFile())
  .map(read)
  .join('\n')

test('messages that troubleshooting explains are those of the code', () => {
  // The messages are in the first column of its tables, with an ellipsis for what varies.
  const messages = [...read('docs/troubleshooting.md').matchAll(/^\| `([^`]+)`/gm)].map(([, message]) => message!)
  assert.ok(messages.length > 20)
  const unknown = messages.filter(message => !message.split('…').every(part => program.includes(part.trim())))
  assert.deepEqual(unknown, [])
})

// --- the examples -----------------------------------------------------------------------------------------------

mkdirSync(join(root, '.cache'), { recursive: true })
const place = mkdtempSync(join(root, '.cache', 'docs-'))
// Not in a hook of the test runner: that would run when the tests registered so far are done.
process.once('exit', () => rmSync(place, { recursive: true, force: true }))

/**
 * Creates a directory below `place` with links to everything that the repository has there, so that the relative
 * imports of an example work as at its real path.
 */
function overlay(directory: string): void {
  if (directory === '.') return
  overlay(dirname(directory))
  const own = join(place, directory)
  const there = lstatSync(own, { throwIfNoEntry: false })
  if (there?.isDirectory()) return
  if (there) rmSync(own)
  mkdirSync(own)
  const real = join(root, directory)
  if (existsSync(real)) for (const name of readdirSync(real)) symlinkSync(join(real, name), join(own, name))
}

for (const { path, code } of examples.filter(({ path }) => path)) {
  assert.ok(!existsSync(join(root, path)), `${path} is there already: an example may only add files`)
  overlay(dirname(path))
  writeFileSync(join(place, path), code)
}

test('every block of a walkthrough names its file, and is formatted', () => {
  const walkthroughs = examples.filter(({ document }) => document.startsWith('docs/add-'))
  assert.ok(new Set(walkthroughs.map(({ document }) => document)).size >= 4)
  assert.deepEqual(
    walkthroughs.filter(({ path }) => !path).map(({ document, code }) => `${document}: ${code.slice(0, 80)}`),
    [],
  )
  writeFileSync(join(place, 'biome.json'), JSON.stringify({ ...JSON.parse(read('biome.json')), root: true }))
  const biome = join(root, 'node_modules/.bin/biome')
  const args = ['format', ...examples.flatMap(({ path }) => path || [])]
  const { status, stderr } = spawnSync(biome, args, { encoding: 'utf8', cwd: place })
  assert.equal(status, 0, stderr)
})

test('the examples compile', { timeout: 120_000 }, () => {
  const include = examples.flatMap(({ path }) => (path ? [path] : []))
  writeFileSync(join(place, 'tsconfig.json'), JSON.stringify({ extends: '../../tsconfig.json', include }))
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  const { stdout, status } = spawnSync(process.execPath, [compiler, '-p', place], { encoding: 'utf8', cwd: root })
  assert.equal(status, 0, stdout)
})

// The tests of the examples are registered beside those above.
for (const { path } of examples) if (path.endsWith('.test.ts')) await import(pathToFileURL(join(place, path)).href)
