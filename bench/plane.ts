// The control plane that benchmarks measure: an API server in this process, over a store in memory unless told otherwise.
import { realClock } from '../src/base/clock.ts'
import { type Log, silentLog } from '../src/base/log.ts'
import { type Random, realRandom } from '../src/base/random.ts'
import { type ControlPlane, openControlPlane } from '../src/cluster/control-plane.ts'
import { openMemoryStore, type Store } from '../src/store/index.ts'
import { makeSigningKey } from '../src/wire/jwt.ts'

interface PlaneOptions {
  store?: Store
  log?: Log
  random?: Random
  /** PEM of the key that signs tokens; a new one without it. */
  signingKey?: string
}

export const openPlane = ({
  store = openMemoryStore(),
  log = silentLog,
  random = realRandom,
  signingKey = makeSigningKey(),
}: PlaneOptions = {}): Promise<ControlPlane> =>
  openControlPlane({
    store,
    clock: realClock,
    random,
    log,
    tokenKeys: { key: signingKey },
    serviceCidrs: ['10.96.0.0/12'],
    nodePorts: [30000, 32767],
    advertise: { address: '192.0.2.1', port: 6443 },
  })
