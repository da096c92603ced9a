// Serves metrics.k8s.io: the usage that the metrics room gathers, as objects of the API. Only get and list exist.
import { StatusError } from '../base/errors.ts'
import type { AnyKind } from '../api/kind.ts'
import { Item } from '../api/mirror.ts'
import { canonical, filterOf, type Handler, passes } from '../apiserver/index.ts'
import { NodeMetrics, PodMetrics } from '../kinds/metrics/resource-metrics.ts'
import type { ResourceMetrics } from '../metrics/index.ts'

export const metricsKinds: readonly AnyKind[] = [NodeMetrics, PodMetrics]
export const metricsGroup = 'metrics.k8s.io'

/** @param metrics returns undefined until metrics are gathered, which begins after the server is open */
export const metricsHandler =
  (metrics: () => ResourceMetrics | undefined): Handler =>
  async ({ storage }, operation) => {
    const { kind, verb, name, namespace } = operation
    const source = metrics()
    if (!source) throw new StatusError('ServiceUnavailable', 'metrics are not gathered yet')
    if (verb !== 'get' && verb !== 'list')
      throw new StatusError('MethodNotAllowed', `${verb} is not supported on resources of kind "${kind.plural}"`)
    const found = kind.plural === 'nodes' ? await source.nodes() : await source.pods(namespace || undefined)
    const items = found.map(object => new Item(canonical(kind, object), 0))
    if (verb === 'list') {
      const filter = filterOf(operation)
      return { type: 'list', kind, items: items.filter(item => passes(kind, filter, item)), revision: storage.revision }
    }
    const item = items.find(i => i.object.metadata.name === name)
    if (!item) {
      const what = kind.plural === 'nodes' ? 'nodemetrics' : 'podmetrics'
      throw new StatusError(
        'NotFound',
        `${what}.${metricsGroup} ${JSON.stringify(namespace ? `${namespace}/${name}` : name)} not found`,
        { details: { name: namespace ? `${namespace}/${name}` : name, group: metricsGroup, kind: what } },
      )
    }
    return { type: 'object', kind, item }
  }
