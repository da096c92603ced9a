// Whether a node says that it is well, as schedulers, controllers and clients ask it.
import type { Node } from './node.ts'

export const isNodeReady = ({ status }: Pick<Node, 'status'>): boolean =>
  status.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false
