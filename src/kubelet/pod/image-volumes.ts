// Image volumes: each image is pulled and mounted before the first container that mounts it starts.
// Source: kubernetes pkg/kubelet/kuberuntime/kuberuntime_manager.go (getImageVolumes).
import type { ImageRequest } from '../images.ts'
import { type NodeContext, podEvent } from './context.ts'
import type { ReadContainer } from './spec.ts'

/** Throws StartFailure when an image cannot be pulled, ImageMountFailure when it cannot be mounted. */
export async function mountImages(
  context: NodeContext,
  container: ReadContainer,
  request: Omit<ImageRequest, 'image' | 'pullPolicy' | 'event'>,
): Promise<void> {
  const { pod } = request
  const mounted = new Set((container.volumeMounts ?? []).map(mount => mount.name))
  let failure: unknown
  for (const { name, image } of pod.spec.volumes ?? []) {
    if (!image || !mounted.has(name) || (await context.host.hasImage(pod, name))) continue
    try {
      const { ref } = await context.images.ensure({
        ...request,
        image: image.reference ?? '',
        pullPolicy: image.pullPolicy,
        event: (type, reason, message) => podEvent(context, pod, type, reason, message),
      })
      await context.host.mountImage(pod, name, ref)
    } catch (error) {
      request.signal.throwIfAborted()
      // The other images are pulled before the failure is thrown.
      failure = error
    }
  }
  if (failure !== undefined) throw failure
}
