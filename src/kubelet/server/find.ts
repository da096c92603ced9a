// Finds the pod and the container of a path `…/NAMESPACE/POD[/UID]/CONTAINER`.
import { StatusError } from '../../base/errors.ts'
import { findContainer, nameOf, namespaceOf, newest, uidOf } from '../pod/spec.ts'
import type { PodWorker } from '../pod/worker.ts'
import type { ContainerSeen } from '../runtime/runtime.ts'

type Workers = ReadonlyMap<string, PodWorker>

/** Throws NotFound. */
export function findPod(workers: Workers, namespace: string, name: string, uid?: string): PodWorker {
  for (const worker of workers.values()) {
    if (namespaceOf(worker.pod) === namespace && nameOf(worker.pod) === name && (!uid || uidOf(worker.pod) === uid))
      return worker
  }
  throw new StatusError('NotFound', `pod does not exist: ${name}_${namespace}`)
}

/** The running container of this name. Throws NotFound. */
export function findRunning(worker: PodWorker, name: string): ContainerSeen {
  if (!findContainer(worker.pod, name))
    throw new StatusError(
      'NotFound',
      `container ${name} not found in pod ${nameOf(worker.pod)}_${namespaceOf(worker.pod)}`,
    )
  const found = newest(worker.seen, name)
  if (found?.state !== 'running') throw new StatusError('NotFound', `container not found (${JSON.stringify(name)})`)
  return found
}
