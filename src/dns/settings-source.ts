// Follows the ConfigMap with the settings of DNS (settings.ts), and takes each change into use. A mistake is reported
// once for each state of the ConfigMap, by an event of it and in the log, and the former settings stay.
import { sameJson } from '../api/equal.ts'
import { messageOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Client, EventRecorder } from '../client/index.ts'
import { ConfigMap } from '../kinds/core/configmap.ts'
import type { DnsMetrics } from './metrics.ts'
import { noSettings, readSettings, type Settings } from './settings.ts'

const place = { namespace: 'kube-system', name: 'kube-dns' }

interface SourceOptions {
  readonly client: Client
  readonly domain: string
  readonly log: Log
  readonly events: EventRecorder
  readonly metrics: Pick<DnsMetrics, 'reloadFailed'>
  use(settings: Settings): void
}

/** Follows the settings until the returned function is called. They are in effect some time after the start. */
export function keepSettings({ client, domain, log, events, metrics, use }: SourceOptions): () => void {
  const mirror = client.mirror(ConfigMap, {
    namespace: place.namespace,
    fieldSelector: `metadata.name=${place.name}`,
  })
  const stop = mirror.follow(({ type, item: { object }, before }) => {
    // In the process of the API server the mirror has all ConfigMaps.
    if (object.metadata.name !== place.name || object.metadata.namespace !== place.namespace) return
    if (type === 'MODIFIED' && sameJson(before?.object.data, object.data)) return
    try {
      use(type === 'DELETED' ? noSettings : readSettings(object.data ?? {}, domain))
      log.info('the settings of DNS have changed', { configMap: `${place.namespace}/${place.name}` })
    } catch (error) {
      const why = messageOf(error)
      metrics.reloadFailed()
      log.warn('the settings of DNS cannot be used, the former ones stay', { why })
      if (type !== 'DELETED') events.event(object, 'Warning', 'InvalidConfiguration', why)
    }
  }, 'dns settings')
  return () => {
    stop()
    client.release(mirror)
  }
}
