// Runs a cluster under chaos in a thread of its own: rounds of faults, the calm after them, and the checks of all that was
// observed.
import { Worker } from 'node:worker_threads'

/** What cluster-worker.ts receives. */
export interface ClusterRun {
  store: 'memory' | 'etcd'
  seed: number
  rounds: number
}

/** Rejects with what is wrong, which names the seed. */
export const runCluster = (run: ClusterRun): Promise<void> =>
  new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./cluster-worker.ts', import.meta.url), { workerData: run })
    worker.on('error', reject)
    worker.on('exit', code => (code === 0 ? resolve() : reject(new Error(`the thread ended with ${code}`))))
  })
