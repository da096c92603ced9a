// The resizes that pods of a node wait for. They are decided one after the other, the most urgent first, whenever a pod
// asks for one, when a pod has gone or ended, and every three minutes as long as one waits.
// Source: KEP-1287, kubernetes pkg/kubelet/allocation/allocation_manager.go (retryPendingResizes).
import type { Clock } from '../../base/clock.ts'
import type { Node } from '../../kinds/core/node.ts'
import { byUrgency, type Exclusive, type Pending, planExclusive, planResize, type Resize } from './decide.ts'

/** A pod that may ask for other resources than it was granted. */
export interface Resizing extends Resize {
  /** Whether it has ended, and uses nothing. */
  readonly over: boolean
  grant(): void
  refuse(pending: Pending): void
}

interface ResizesOptions {
  pods: () => Iterable<Resizing>
  node: () => Node | undefined
  exclusive: Exclusive
  clock: Clock
  signal: AbortSignal
}

const retryMs = 180_000

/** What always holds: what is granted to all pods fits on the node, as far as it did before. */
export class Resizes {
  readonly #options: ResizesOptions
  #cancel: (() => void) | undefined

  constructor(options: ResizesOptions) {
    this.#options = options
    options.signal.addEventListener('abort', () => this.#cancel?.(), { once: true })
  }

  /** Decides on all resizes that wait. */
  decide(): void {
    const { pods, node, exclusive, clock, signal } = this.#options
    this.#cancel?.()
    this.#cancel = undefined
    if (signal.aborted) return
    const all = [...pods()].filter(pod => !pod.over)
    const waiting = all.filter(isWaiting).sort(byUrgency)
    for (const resize of waiting) {
      const others = all.filter(other => other !== resize).map(other => other.pod)
      const pending = planExclusive(resize, exclusive) ?? planResize(resize.wanted, node(), others)
      if (pending) resize.refuse(pending)
      else resize.grant()
    }
    if (waiting.some(isWaiting)) this.#cancel = clock.after(retryMs, () => this.decide())
  }
}

const isWaiting = ({ wanted, pod }: Resizing) => wanted !== pod
