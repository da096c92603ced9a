// The chaos of cluster.test.ts over a real etcd of three members, which are killed and hang, too. Faults are those of the
// seed; their interleaving with etcd is the machine's.
//
// Rounds and seed: KUTTER_CHAOS_ROUNDS, KUTTER_SEED.
import { test } from 'node:test'
import { noEtcd } from '../../src/store/etcd/testing.ts'
import { seed } from './clients.ts'
import { runCluster } from './run-cluster.ts'

const rounds = Number(process.env.KUTTER_CHAOS_ROUNDS ?? 1)
const roundsOfCluster = 10

test('members of etcd fail under a cluster whose parts fail, and nothing is lost, doubled or held by two', {
  skip: noEtcd,
}, async () => {
  for (let done = 0, own = seed; done < rounds; done += roundsOfCluster, own++)
    await runCluster({ store: 'etcd', seed: own, rounds: Math.min(roundsOfCluster, rounds - done) })
})
