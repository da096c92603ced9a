// The thread in which a cluster under chaos runs. The test runner follows every promise of its own thread, and there are
// so many that it would take half of the time.
import { deepStrictEqual, ok } from 'node:assert/strict'
import { workerData } from 'node:worker_threads'
import { VirtualClock } from '../../src/base/clock.ts'
import { ChaosCluster } from './cluster.ts'
import { EtcdMedium } from './etcd-medium.ts'
import type { ClusterRun } from './run-cluster.ts'

const { store, seed, rounds } = workerData as ClusterRun
const clock = new VirtualClock()
const medium = store === 'etcd' ? await EtcdMedium.start(clock, seed) : undefined
const cluster = new ChaosCluster(seed, clock, medium)
const began = performance.now()
try {
  await cluster.open()
  for (let round = 0; round < rounds; round++) await cluster.round()
  await cluster.calm().catch(async (error: unknown) => {
    const found = [...cluster.lacking, ...(await cluster.violations())].slice(0, 20)
    throw new Error(`with seed ${seed}: ${String(error)}: ${found.join('; ')}`, { cause: error })
  })
  deepStrictEqual((await cluster.violations()).slice(0, 10), [], `with seed ${seed}`)
  ok(cluster.figures.writes > 0, 'nothing was written')
} finally {
  await cluster.close()
}
if (process.env.KUTTER_CHAOS_ROUNDS) {
  const ms = Math.round(performance.now() - began)
  console.log(JSON.stringify({ seed, ms, ...cluster.figures, ...cluster.faults }))
}
