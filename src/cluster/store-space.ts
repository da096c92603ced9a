// Reports that the store has little space, or none: as an event about the node of the server, as a problem in `kutter
// status`, and in the log. While it is full, only deletions go through.
import type { Log } from '../base/log.ts'
import { EventRecorder } from '../client/index.ts'
import type { Store } from '../store/index.ts'
import type { ClusterConfig } from './config.ts'
import type { ControlPlane } from './control-plane.ts'
import { quotaBytes } from './store-location.ts'

const lookEveryMs = 5_000
/** The share of the quota from which an administrator should do something. */
const muchShare = 0.9

interface SpaceProblem {
  reason: 'StoreFull' | 'StoreNearlyFull'
  message: string
}

/** What is wrong with the space of a store; undefined while nothing is. Without a quota, etcd looks after its own. */
export function planSpaceProblem(
  { full, sizeBytes }: ReturnType<Store['stats']>,
  quota: number | undefined,
): SpaceProblem | undefined {
  if (full !== undefined) return { reason: 'StoreFull', message: `only deletions go through: ${full}` }
  if (quota === undefined || sizeBytes < quota * muchShare) return undefined
  const percent = Math.floor((sizeBytes / quota) * 100)
  return { reason: 'StoreNearlyFull', message: `the store has ${percent} % of the size that --store-quota allows` }
}

interface SpaceOptions {
  config: Pick<ClusterConfig, 'storeQuota'>
  nodeName: string
  log: Log
  /** Called with what is wrong whenever that has changed. */
  report(state: { problem: string | undefined }): void
  signal: AbortSignal
}

/** Looks at the store until the signal aborts. */
export async function watchSpace(
  { core, client }: Pick<ControlPlane, 'core' | 'client'>,
  { config, nodeName, log, report, signal }: SpaceOptions,
): Promise<void> {
  const { store } = core.storage
  // Quotas of etcd are its own.
  const quota = store.isShared ? undefined : quotaBytes(config)
  const by = client('kutter', ['system:masters'])
  const events = new EventRecorder(by, { component: 'kutter-server', host: nodeName })
  const node = { kind: 'Node', apiVersion: 'v1', name: nodeName, uid: nodeName }
  let before: SpaceProblem['reason'] | undefined
  while (!signal.aborted) {
    const problem = planSpaceProblem(store.stats(), quota)
    if (problem?.reason !== before) {
      before = problem?.reason
      report({ problem: problem?.reason === 'StoreFull' ? problem.message : undefined })
      if (problem) {
        log.warn('the store lacks space', { reason: problem.reason, why: problem.message })
        // A store that is full takes no event either. The one about a store that is nearly full is there by then.
        events.event(node, 'Warning', problem.reason, problem.message)
      } else log.info('the store has space again')
    }
    await core.clock.sleep(lookEveryMs, signal).catch(() => {})
  }
}
