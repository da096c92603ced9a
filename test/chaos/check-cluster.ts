// One run of a cluster under chaos: rounds of faults, the calm after them, and the checks of all that was observed.
import { deepStrictEqual, ok } from 'node:assert/strict'
import type { ChaosCluster } from './cluster.ts'

/** @param own the seed of the cluster, which is named when something is wrong */
export async function checkCluster(cluster: ChaosCluster, own: number, count: number): Promise<void> {
  const began = performance.now()
  try {
    await cluster.open()
    for (let round = 0; round < count; round++) await cluster.round()
    await cluster.calm().catch(async (error: unknown) => {
      const found = [...cluster.lacking, ...(await cluster.violations())].slice(0, 20)
      throw new Error(`with seed ${own}: ${String(error)}: ${found.join('; ')}`, { cause: error })
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
