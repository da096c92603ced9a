// Every recorded conversation with a real API server, played against this one: the answers are the same, word for
// word, but for those that known.ts knows.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Json } from '../../src/api/schema/node.ts'
import { differences } from './compare.ts'
import { readCorpus } from './corpus.ts'
import { reasonFor } from './known.ts'
import { playAll } from './play.ts'
import { openInProcessServer } from './server.ts'

const maxShown = 20

test('the API server answers as Kubernetes does', { timeout: 600_000 }, async t => {
  const corpus = readCorpus()
  const server = await openInProcessServer()
  const totals = new Map<string, { cases: number; same: number; explained: number; unexplained: number }>()
  const failed: string[] = []
  try {
    await playAll(server, corpus, ({ name, group }, answers) => {
      const total = totals.get(group) ?? { cases: 0, same: 0, explained: 0, unexplained: 0 }
      totals.set(group, total)
      total.cases++
      const found = differences(corpus.expected.get(name) as unknown as Json, answers as unknown as Json)
      const reason = reasonFor(name)
      if (!found.length) total.same++
      else if (reason === 'unexplained') total.unexplained++
      else if (reason) total.explained++
      else failed.push(`${name}: ${JSON.stringify(found[0])}`)
    })
  } finally {
    await server.close()
  }
  for (const [group, { cases, same, explained, unexplained }] of [...totals].sort())
    t.diagnostic(`${group}: ${cases} cases, ${same} the same, ${explained} explained, ${unexplained} unexplained`)
  assert.equal(failed.length, 0, `${failed.length} answers differ:\n${failed.slice(0, maxShown).join('\n')}`)
})
