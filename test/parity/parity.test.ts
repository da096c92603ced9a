// Every recorded conversation with a real API server, played against this one: the answers are the same, word for
// word, but for those that differences.json explains.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asJson, type Json } from '../../src/api/schema/node.ts'
import { differences } from './compare.ts'
import { readCorpus } from './corpus.ts'
import { explanations } from './known.ts'
import { playAll } from './play.ts'
import { openInProcessServer } from './server.ts'

const maxShown = 20

test('the API server answers as Kubernetes does', { timeout: 600_000 }, async t => {
  const corpus = readCorpus()
  const server = await openInProcessServer()
  const totals = new Map<string, { cases: number; same: number; explained: number }>()
  const failed: string[] = []
  const idle = new Set(explanations.map(({ glob }) => glob))
  try {
    await playAll(server, corpus, ({ name, group }, answers) => {
      const total = totals.get(group) ?? { cases: 0, same: 0, explained: 0 }
      totals.set(group, total)
      total.cases++
      const found = differences(corpus.expected.get(name) as unknown as Json, asJson(answers))
      const explained = explanations.filter(({ fits }) => fits(name))
      for (const { glob } of found.length ? explained : []) idle.delete(glob)
      if (!found.length) total.same++
      else if (explained.length) total.explained++
      else failed.push(`${name}: ${JSON.stringify(found[0])}`)
    })
  } finally {
    await server.close()
  }
  for (const [group, { cases, same, explained }] of [...totals].sort())
    t.diagnostic(`${group}: ${cases} cases, ${same} the same, ${explained} explained`)
  // Some answers depend on the moment, so that what differed nowhere this time is worth a look, and no failure.
  if (idle.size) t.diagnostic(`explained, and the same: ${[...idle].join(', ')}`)
  assert.equal(failed.length, 0, `${failed.length} answers differ:\n${failed.slice(0, maxShown).join('\n')}`)
})
