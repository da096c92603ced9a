// Plays recorded conversations against the server in this process and prints what differs:
//   tools/node test/parity/run.ts ['validation/pods/*' …] [--quiet] [--max N] [--json FILE] [--causes] [--new]
// --causes counts differences by path and value instead of listing cases; --new leaves out what is explained.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { asJson, type Json } from '../../src/api/schema/node.ts'
import { differences } from './compare.ts'
import { type Case, readCorpus, type RecordedAnswer } from './corpus.ts'
import { explanations } from './known.ts'
import { playAll } from './play.ts'
import { openInProcessServer } from './server.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quiet: { type: 'boolean' },
    causes: { type: 'boolean' },
    max: { type: 'string', default: '6' },
    json: { type: 'string' },
    new: { type: 'boolean' },
  },
})
const corpus = readCorpus(positionals)
const server = await openInProcessServer()
const totals = new Map<string, { cases: number; differ: number }>()
const causes = new Map<string, number>()
const all: Record<string, unknown> = {}
const max = Number(values.max)
const began = performance.now()

const short = (value: Json) => {
  const text = (typeof value === 'string' ? value : JSON.stringify(value)).replaceAll('\n', '\\n')
  return text.length > 300 ? `${text.slice(0, 280)}…(${text.length})` : text
}

await playAll(server, corpus, report)
for (const [group, { cases, differ }] of [...totals].sort()) console.log(`${group}: ${cases} cases, ${differ} differ`)
if (values.causes)
  for (const [cause, count] of [...causes].sort(([, a], [, b]) => b - a).slice(0, 200))
    console.log(`${count}\t${cause}`)
console.log(`${corpus.cases.length} cases in ${((performance.now() - began) / 1000).toFixed(1)} s`)
if (values.json) writeFileSync(values.json, JSON.stringify(all, undefined, 1))
await server.close()
process.exit(0)

function report(one: Case, answers: RecordedAnswer[]): void {
  const total = totals.get(one.group) ?? { cases: 0, differ: 0 }
  totals.set(one.group, total)
  total.cases++
  const expected = corpus.expected.get(one.name) ?? []
  const found = differences(asJson(expected), asJson(answers))
  if (!found.length || (values.new && explanations.some(({ fits }) => fits(one.name)))) return
  total.differ++
  all[one.name] = found
  for (const { path, expected: e, actual } of found) {
    const cause = `${path.replace(/\[\d+\]/g, '[]')}: ${short(e).slice(0, 120)} | ${short(actual).slice(0, 120)}`
    causes.set(cause, (causes.get(cause) ?? 0) + 1)
  }
  if (values.quiet || values.causes) return
  console.log(one.name)
  for (const { path, expected: e, actual } of found.slice(0, max))
    console.log(`    ${path}\n      expected ${short(e)}\n      actual   ${short(actual)}`)
  if (found.length > max) console.log(`    … ${found.length - max} more`)
}
