// Arguments that plugins for resources share: resources with weights, and curves.
// Source: kube-scheduler config/v1 ResourceSpec, UtilizationShapePoint and their validation.
import type { Fields } from '../fields.ts'
import { cpu, memory, placeOf } from '../resources.ts'

export interface Weighted {
  place: number
  weight: number
}

const maxWeight = 100

/** Resources with their weights; CPU and memory alike where none are named. */
export function readResources(args: Fields, name: string): Weighted[] {
  const found = args.objects(name).flatMap(item => {
    const resource = item.required('name')
    // A weight of 0 is the same as none.
    const weight = item.integer('weight', { min: 0, max: maxWeight }, 1) || 1
    item.end()
    const place = placeOf(resource)
    return place === undefined ? [] : [{ place, weight }]
  })
  if (new Set(found.map(({ place }) => place)).size < found.length) args.problem(name, 'names a resource twice')
  const usual = [cpu, memory].map(place => ({ place, weight: 1 }))
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
