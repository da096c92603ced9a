// A whole cluster from a seed, whose servers, nodes, connections and clocks fail one after the other and together: what
// observed.ts and history.ts say must hold at every moment, and when nothing fails any more the cluster becomes what it
// should be.
//
// Rounds and seed: KUTTER_CHAOS_ROUNDS, KUTTER_SEED. All of it runs on a virtual clock, so that a seed is one run.
import { test } from 'node:test'
import { rounds, seed } from './clients.ts'
import { runCluster } from './run-cluster.ts'

/** After so many rounds another cluster begins, with the next seed. */
const roundsOfCluster = 20

test('servers, nodes, connections and clocks of a cluster fail, and nothing is lost, doubled or held by two', async () => {
  for (let done = 0, own = seed; done < rounds; done += roundsOfCluster, own++)
    await runCluster({ store: 'memory', seed: own, rounds: Math.min(roundsOfCluster, rounds - done) })
})
