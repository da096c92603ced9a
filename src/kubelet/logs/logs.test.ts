// Reading container logs: options, following, rotation.
import assert from 'node:assert/strict'
import { appendFile, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { type LogOptions, parseEntry, readLastLines, readLog } from './read.ts'
import { rotate } from './rotate.ts'

const line = (n: number, text: string, stream = 'stdout', tag = 'F') =>
  `2026-01-01T00:00:0${n}.5Z ${stream} ${tag} ${text}\n`

async function inDir(work: (path: string, dir: string) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'kutter-log-'))
  try {
    await work(join(dir, '0.log'), dir)
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

async function read(path: string, o: LogOptions): Promise<string> {
  let text = ''
  for await (const part of readLog(path, o)) text += part
  return text
}

test('an entry of a log is parsed', () => {
  assert.deepEqual(parseEntry(Buffer.from('T stderr P some text')), {
    time: 'T',
    stream: 'stderr',
    whole: false,
    text: Buffer.from('some text'),
  })
  for (const bad of ['', 'x', 'a b c', 'T other F x']) assert.equal(parseEntry(Buffer.from(bad)), undefined)
})

test('options choose the lines of a log', () =>
  inDir(async path => {
    await writeFile(
      path,
      line(1, 'one') + line(2, 'par', 'stdout', 'P') + line(2, 'tial') + line(3, 'err', 'stderr') + line(4, ''),
    )
    const cases: [LogOptions, string][] = [
      [{}, 'one\npartial\nerr\n\n'],
      [{ tailLines: 2 }, 'err\n\n'],
      [{ tailLines: 0 }, ''],
      [{ tailLines: 99 }, 'one\npartial\nerr\n\n'],
      [{ limitBytes: 5 }, 'one\np'],
      [{ stream: 'stderr' }, 'err\n'],
      [{ sinceMs: Date.UTC(2026, 0, 1, 0, 0, 3) }, 'err\n\n'],
      [{ timestamps: true, tailLines: 2, stream: 'stderr' }, '2026-01-01T00:00:03.5Z err\n'],
    ]
    for (const [o, expected] of cases) assert.equal(await read(path, o), expected, JSON.stringify(o))
    assert.equal(await readLastLines(path, { bytes: 6, lines: 3 }), 'l\nerr\n\n'.slice(-6))
    assert.equal(await readLastLines(`${path}.none`, { bytes: 6, lines: 3 }), '')
  }))

test('a log is followed over its rotation until the writer ends', () =>
  inDir(async (path, dir) => {
    await writeFile(path, line(1, 'one'))
    let running = true
    let tell = () => {}
    const writer = { running: () => running, listen: (changed: () => void) => ((tell = changed), () => {}) }
    const got: string[] = []
    let heard = () => {}
    const until = async (count: number) => {
      while (got.length < count) await new Promise<void>(resolve => (heard = resolve))
    }
    const following = (async () => {
      for await (const part of readLog(path, { follow: true }, writer)) {
        got.push(part.toString())
        heard()
      }
    })()
    await until(1)
    await appendFile(path, line(2, 'two'))
    await until(2)
    await rotate(path, 0, () => writeFile(path, line(3, 'three')))
    await until(3)
    running = false
    tell()
    await following
    assert.deepEqual(got, ['one\n', 'two\n', 'three\n'])
    for (let i = 1; i < 7; i++) await rotate(path, i * 1000, () => writeFile(path, 'x'))
    const names = (await readdir(dir)).sort()
    assert.equal(names.length, 5)
    assert.equal(names.filter(n => n.endsWith('.gz')).length, 3)
  }))
