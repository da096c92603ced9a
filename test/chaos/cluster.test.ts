// A whole cluster from a seed, whose servers, nodes, connections and clocks fail one after the other and together: what
// observed.ts and history.ts say must hold at every moment, and when nothing fails any more the cluster becomes what it
// should be.
//
// Rounds and seed: KUTTER_CHAOS_ROUNDS, KUTTER_SEED. All of it runs on a virtual clock, so that a seed is one run.
import { deepStrictEqual, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { rounds, seed } from './clients.ts'
import { ChaosCluster } from './cluster.ts'

/** After so many rounds another cluster begins, with the next seed. */
const roundsOfCluster = 20

test('servers, nodes, connections and clocks of a cluster fail, and nothing is lost, doubled or held by two', async () => {
  for (let done = 0, own = seed; done < rounds; done += roundsOfCluster, own++) {
    const cluster = new ChaosCluster(own)
    const began = performance.now()
    try {
      await cluster.open()
      for (let round = 0; round < Math.min(roundsOfCluster, rounds - done); round++) await cluster.round()
      await cluster.calm().catch(async (error: unknown) => {
        throw new Error(`with seed ${own}: ${String(error)}: ${(await cluster.violations()).join('; ')}`, {
          cause: error,
        })
      })
      deepStrictEqual((await cluster.violations()).slice(0, 10), [], `with seed ${own}`)
      ok(cluster.figures.writes > 0, 'nothing was written')
    } finally {
      await cluster.close()
    }
    if (process.env.KUTTER_CHAOS_ROUNDS)
      console.log(
        JSON.stringify({ seed: own, ms: Math.round(performance.now() - began), ...cluster.figures, ...cluster.faults }),
      )
  }
})
