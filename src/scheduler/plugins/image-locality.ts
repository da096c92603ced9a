// ImageLocality: prefers nodes that have the pod's large images already, since they start it sooner.
// Source: plugins/imagelocality.
import { definePlugin, maxScore, plain, skip } from '../framework.ts'
import type { PodInfo } from '../info.ts'
import type { Snapshot } from '../snapshot.ts'

const mb = 1024 * 1024
const smallBytes = 23 * mb
const largeBytesPerImage = 1000 * mb

interface State {
  /** Each image with the share of nodes that have it. The share is a factor, so that one node does not get all pods. */
  images: readonly { name: string; spread: number }[]
  largest: number
}

function imagesOf({ pod }: PodInfo): string[] {
  const { initContainers = [], containers, volumes = [] } = pod.spec
  return [
    ...[...initContainers, ...containers].map(({ image = '' }) => image),
    ...volumes.flatMap(({ image }) => (image ? [image.reference ?? ''] : [])),
  ].map(name => (name.lastIndexOf(':') <= name.lastIndexOf('/') ? `${name}:latest` : name))
}

const spreadOf = (name: string, snapshot: Snapshot) => snapshot.nodesWith(name) / snapshot.nodes.length

export const imageLocality = plain(
  definePlugin<undefined, State>({
    name: 'ImageLocality',
    prepareScore(pod, _nodes, snapshot) {
      const names = imagesOf(pod)
      const images = names.map(name => ({ name, spread: spreadOf(name, snapshot) })).filter(({ spread }) => spread > 0)
      return images.length ? { images, largest: largeBytesPerImage * names.length } : skip
    },
    score({ images, largest }, node) {
      let sum = 0
      for (const { name, spread } of images) sum += Math.floor((node.images.get(name) ?? 0) * spread)
      const bytes = Math.min(Math.max(sum, smallBytes), largest)
      return Math.floor((maxScore * (bytes - smallBytes)) / (largest - smallBytes))
    },
  }),
)
