// Views of images: read-only snapshots of containerd that are mounted as image volumes. CRI mounts images only from
// containerd 2.1 on, so the kubelet calls containerd's snapshotter over the same socket. A view has a label with its
// pod, by which it is found later. It is a root of containerd's garbage collection, so that the layers stay as long as
// the view, even if the image is removed.
// Sources: containerd api/services/snapshots/v1, docs/garbage-collection.md.
import { isReason } from '../../base/errors.ts'
import { timeText } from '../../api/time.ts'
import { callStream, callUnary, type Received, socketClient, type ServiceClient } from '../../wire/grpc.ts'
import { criNamespace } from '../cri-namespace.ts'
import type { FileSystem, ImageView } from './runtime.ts'

const definition = {
  package: 'containerd.services.snapshots.v1',
  enums: {},
  messages: {
    Empty: {},
    Mount: { type: 'string = 1', source: 'string = 2', target: 'string = 3', options: 'string[] = 4' },
    ViewSnapshotRequest: { snapshotter: 'string = 1', key: 'string = 2', parent: 'string = 3', labels: 'map = 4' },
    ViewSnapshotResponse: { mounts: 'Mount[] = 1' },
    RemoveSnapshotRequest: { snapshotter: 'string = 1', key: 'string = 2' },
    ListSnapshotsRequest: { snapshotter: 'string = 1', filters: 'string[] = 2' },
    Info: { name: 'string = 1', labels: 'map = 6' },
    ListSnapshotsResponse: { info: 'Info[] = 1' },
  },
  services: {
    Snapshots: {
      view: 'ViewSnapshotRequest ViewSnapshotResponse',
      remove: 'RemoveSnapshotRequest Empty',
      list: 'ListSnapshotsRequest stream ListSnapshotsResponse',
    },
  },
} as const

type Message<N extends keyof typeof definition.messages> = Received<
  typeof definition.messages,
  typeof definition.enums,
  N
>

const podLabel = 'kutter.local/image-volume-of'
const rootLabel = 'containerd.io/gc.root'
const calls = { metadata: { 'containerd-namespace': criNamespace }, timeoutMs: 60_000 }

export class ContainerdViews {
  readonly #client: ServiceClient
  readonly #snapshotterOf: () => Promise<string>
  #snapshotter: string | undefined

  /** @param snapshotterOf returns the name of the snapshotter that has the images */
  constructor(socket: string, snapshotterOf: () => Promise<string>) {
    this.#client = socketClient(definition, 'Snapshots', socket)
    this.#snapshotterOf = snapshotterOf
  }

  close(): void {
    this.#client.close()
  }

  /** @param chainId the name of the image's layers in the snapshotter */
  async make(chainId: string, { podUid, volume }: ImageView, now: number): Promise<readonly FileSystem[]> {
    const snapshotter = await this.#name()
    const key = `image-volume/${podUid}/${volume}`
    // A view that was made and never mounted may be of an older image.
    await this.#remove(key)
    const request = {
      snapshotter,
      key,
      parent: chainId,
      labels: { [podLabel]: podUid, [rootLabel]: timeText(now) },
    }
    const { mounts } = (await callUnary(this.#client, 'view', request, calls)) as Message<'ViewSnapshotResponse'>
    return mounts
  }

  async release(podUid: string): Promise<void> {
    for (const { name } of await this.#list(`labels."${podLabel}"=="${podUid}"`)) await this.#remove(name)
  }

  async all(): Promise<readonly ImageView[]> {
    const views = await this.#list(`labels."${podLabel}"`)
    return views.map(({ name, labels }) => ({ podUid: labels[podLabel]!, volume: name.split('/').at(-1)! }))
  }

  async #name(): Promise<string> {
    return (this.#snapshotter ??= await this.#snapshotterOf())
  }

  async #list(filter: string): Promise<Message<'Info'>[]> {
    const request = { snapshotter: await this.#name(), filters: [filter] }
    const pages = (await callStream(this.#client, 'list', request, calls)) as Message<'ListSnapshotsResponse'>[]
    return pages.flatMap(page => page.info)
  }

  async #remove(key: string): Promise<void> {
    try {
      await callUnary(this.#client, 'remove', { snapshotter: await this.#name(), key }, calls)
    } catch (error) {
      if (!isReason(error, 'NotFound')) throw error
    }
  }
}
