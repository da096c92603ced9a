// The points of a pod's way to its node, by their names in configurations, with the plugin methods of each.
import type { Plugin } from './framework.ts'

export const methodsOf = {
  preEnqueue: ['preEnqueue'],
  queueSort: ['before'],
  preFilter: ['prepare'],
  filter: ['filter'],
  postFilter: ['postFilter'],
  preScore: ['prepareScore'],
  score: ['score'],
  reserve: ['reserve', 'unreserve'],
  permit: ['permit'],
  preBind: ['preBind'],
  bind: ['bind'],
  postBind: ['postBind'],
} as const satisfies Record<string, readonly (keyof Plugin)[]>

export type Point = keyof typeof methodsOf
export const points = Object.keys(methodsOf) as Point[]
