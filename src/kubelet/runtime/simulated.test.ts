// The simulated runtime fulfils the contract of runtimes.
import { realClock } from '../../base/clock.ts'
import { runtimeContract } from './contract.ts'
import { labelNames } from './runtime.ts'
import { SimulatedRuntime } from './simulated.ts'

const runtime = new SimulatedRuntime({
  clock: realClock,
  behave: ({ image }) => (image === 'ends' ? { exitAfterMs: 1, exitCode: 3 } : { stopMs: Number.POSITIVE_INFINITY }),
})

runtimeContract('simulated', {
  skip: false,
  runtime: () => runtime,
  sandbox: async uid => ({
    metadata: { name: uid, uid, namespace: 'default', attempt: 0 },
    labels: { [labelNames.podUid]: uid },
    linux: { securityContext: { namespaceOptions: { network: 'NODE' } } },
  }),
  container: process => ({ image: { image: process } }),
})
