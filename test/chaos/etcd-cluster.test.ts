// The chaos of cluster.test.ts over a real etcd of three members, which are killed and hang, too. Faults are those of the
// seed; their interleaving with etcd is the machine's.
//
// Rounds and seed: KUTTER_CHAOS_ROUNDS, KUTTER_SEED.
import { test } from 'node:test'
import { VirtualClock } from '../../src/base/clock.ts'
import { noEtcd } from '../../src/store/etcd/testing.ts'
import { checkCluster } from './check-cluster.ts'
import { seed } from './clients.ts'
import { ChaosCluster } from './cluster.ts'
import { EtcdMedium } from './etcd-medium.ts'

const rounds = Number(process.env.KUTTER_CHAOS_ROUNDS ?? 2)
const roundsOfCluster = 10

test('members of etcd fail under a cluster whose parts fail, and nothing is lost, doubled or held by two', {
  skip: noEtcd,
}, async () => {
  for (let done = 0, own = seed; done < rounds; done += roundsOfCluster, own++) {
    const clock = new VirtualClock()
    const cluster = new ChaosCluster(own, clock, await EtcdMedium.start(clock, own))
    await checkCluster(cluster, own, Math.min(roundsOfCluster, rounds - done))
  }
})
