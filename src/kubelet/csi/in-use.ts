// Reports in the status of the node which attachable volumes are in use. Only this writes the field: a report of the whole
// status may be older than the last volume.
// Source: pkg/kubelet/nodestatus/setters.go (VolumesInUse), pkg/kubelet/volumemanager (MarkVolumesAsReportedInUse).
import { messageOf } from '../../base/errors.ts'
import type { Log } from '../../base/log.ts'
import { sameJson } from '../../api/equal.ts'
import type { Client } from '../../client/index.ts'
import { Node } from '../../kinds/core/node.ts'

interface InUseOptions {
  client: Client
  nodeName: string
  log: Log
}

export class InUseReport {
  readonly #options: InUseOptions
  readonly #inUse: () => Promise<string[]>
  /** The last write, which may be under way. */
  #last: Promise<void> = Promise.resolve()
  /** A write that waits for its turn, and will report whatever is in use then. */
  #next: Promise<void> | undefined

  constructor(options: InUseOptions, inUse: () => Promise<string[]>) {
    this.#options = options
    this.#inUse = inUse
  }

  /** Resolves when everything that is in use now is reported. */
  write(): Promise<void> {
    this.#next ??= this.#last
      .catch(() => {})
      .then(() => {
        this.#next = undefined
        this.#last = this.#writeOnce()
        return this.#last
      })
    return this.#next
  }

  /** Reports soon. What fails is logged, and comes with the next report. */
  later(): void {
    const { log } = this.#options
    this.write().catch((error: unknown) => log.warn('volumes in use are not reported', { why: messageOf(error) }))
  }

  async #writeOnce(): Promise<void> {
    const { client, nodeName: name } = this.#options
    const volumesInUse = await this.#inUse()
    const { status } = await client.get(Node, { name })
    if (sameJson([...(status.volumesInUse ?? [])].sort(), volumesInUse)) return
    await client.patch(Node, { name }, 'merge', { status: { volumesInUse } }, { subresource: 'status' })
  }
}
