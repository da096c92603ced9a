// ImageLocality: nodes that already have the pod's large images start it sooner. Source: plugins/imagelocality.
import { definePlugin, maxScore, skip } from '../framework.ts'
import type { PodInfo } from '../info.ts'

const mb = 1024 * 1024
const smallBytes = 23 * mb
const largeBytesPerContainer = 1000 * mb

interface State {
  /** By image: its size times the share of nodes that have it, so that one node does not attract everything. */
  worth: Map<string, number>
  largest: number
}

function imagesOf({ pod }: PodInfo): string[] {
  return [...(pod.spec.initContainers ?? []), ...pod.spec.containers].map(({ image = '' }) =>
    image.includes('@') || /:[^/]+$/.test(image) ? image : `${image}:latest`,
  )
}

export const imageLocality = definePlugin<undefined, State>({
  name: 'ImageLocality',
  prepareScore(pod, nodes) {
    const images = imagesOf(pod)
    const worth = new Map<string, number>()
    for (const image of images) {
      let [having, size] = [0, 0]
      for (const node of nodes) {
        const found = node.images.get(image)
        if (found === undefined) continue
        having++
        size = found
      }
      if (having) worth.set(image, (size * having) / nodes.length)
    }
    return worth.size ? { worth, largest: largeBytesPerContainer * images.length } : skip
  },
  score({ worth, largest }, node) {
    let sum = 0
    for (const [image, value] of worth) if (node.images.has(image)) sum += value
    const bytes = Math.min(Math.max(sum, smallBytes), largest)
    return Math.floor((maxScore * (bytes - smallBytes)) / (largest - smallBytes))
  },
  wakeOn: [],
})
