// Arguments that the plugins for resources share: resources with weights, and the points of a curve.
// Source: kube-scheduler config/v1 ResourceSpec, UtilizationShapePoint and their validation.
import type { Fields } from '../../api/config-file.ts'
import { cpu, memory, resourceIndex } from '../resources.ts'

export interface Weighted {
  index: number
  weight: number
}

const maxWeight = 100

/** Resources with their weights. By default CPU and memory with equal weights. */
export function readResources(args: Fields, name: string): Weighted[] {
  const found = args.objects(name).flatMap(item => {
    const resource = item.required('name')
    // As upstream, a weight of 0 stands for the default.
    const weight = item.integer('weight', { min: 0, max: maxWeight }, 1) || 1
    item.end()
    const index = resourceIndex(resource)
    return index === undefined ? [] : [{ index, weight }]
  })
  if (new Set(found.map(({ index }) => index)).size < found.length) args.problem(name, 'names a resource twice')
  const usual = [cpu, memory].map(index => ({ index, weight: 1 }))
  return found.length ? found : usual
}

/** Points of a curve, in rising order. */
export function readShape(args: Fields, name: string, maxScore: number): { utilization: number; score: number }[] {
  const points = args.objects(name).map(item => {
    const point = {
      utilization: item.integer('utilization', { min: 0, max: 100 }, 0),
      score: item.integer('score', { min: 0, max: maxScore }, 0),
    }
    item.end()
    return point
  })
  if (points.some((point, i) => i > 0 && point.utilization <= points[i - 1]!.utilization))
    args.problem(name, 'utilization must rise from point to point')
  return points
}
