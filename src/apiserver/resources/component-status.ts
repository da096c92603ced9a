// ComponentStatus: an old, read-only summary that some tools still read. The components all run in this process, so
// they are healthy whenever this answers.
import { Item } from '../../api/mirror.ts'
import { ComponentStatus } from '../../kinds/core/componentstatus.ts'
import { canonical } from '../body.ts'
import { notFound } from '../errors.ts'
import type { Handler } from '../core.ts'

const components = ['controller-manager', 'etcd-0', 'scheduler']

const statusOf = (name: string) =>
  new Item(
    canonical(ComponentStatus, {
      metadata: { name },
      conditions: [{ type: 'Healthy', status: 'True', message: 'ok' }],
    }),
    0,
  )

export const listComponentStatuses: Handler = async ({ storage }) => {
  return { type: 'list', kind: ComponentStatus, items: components.map(statusOf), revision: storage.revision }
}

export const getComponentStatus: Handler = async (_core, { name }) => {
  if (!components.includes(name)) throw notFound(ComponentStatus, name)
  return { type: 'object', kind: ComponentStatus, item: statusOf(name) }
}
