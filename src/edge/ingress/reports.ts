// Events about Ingresses. What is wrong with an Ingress is wrong on every node, so one node reports it: the one that is
// first in the status of the Ingress. What is wrong with a node, that node reports.
import { objectKey } from '../../api/mirror.ts'
import type { EventRecorder } from '../../client/index.ts'
import type { Ingress } from '../../kinds/networking/ingress.ts'
import type { Problem } from './settings.ts'

/** On how many Ingresses a node reports its own problem. */
const maxAboutNode = 20

export class Reports {
  readonly #recorder: EventRecorder
  readonly #nodeIP: string
  /** What was said about each Ingress, by uid. What is still so is not said again. */
  readonly #said = new Map<string, ReadonlySet<string>>()

  constructor(recorder: EventRecorder, nodeIP: string) {
    this.#recorder = recorder
    this.#nodeIP = nodeIP
  }

  /**
   * Reports what is new.
   * @param problems by the key of the Ingress
   * @param ofNode what this node cannot do for any of them
   */
  say(
    ingresses: readonly Ingress[],
    problems: ReadonlyMap<string, readonly Problem[]>,
    ofNode: string | undefined,
  ): void {
    const present = new Set(ingresses.map(({ metadata }) => metadata.uid ?? ''))
    for (const uid of this.#said.keys()) if (!present.has(uid)) this.#said.delete(uid)
    for (const [i, ingress] of ingresses.entries()) {
      const own = this.#isOurs(ingress) ? (problems.get(objectKey(ingress)) ?? []) : []
      const node = ofNode && i < maxAboutNode ? [{ reason: 'PortTaken', message: ofNode }] : []
      this.#one(ingress, [...own, ...node])
    }
  }

  #one(ingress: Ingress, problems: readonly Problem[]): void {
    const uid = ingress.metadata.uid ?? ''
    const before = this.#said.get(uid)
    for (const { reason, message } of problems)
      if (!before?.has(message)) this.#recorder.event(ingress, 'Warning', reason, message)
    if (problems.length) this.#said.set(uid, new Set(problems.map(({ message }) => message)))
    else this.#said.delete(uid)
  }

  /** As long as there is no status, nobody is first, and the report comes with it. */
  #isOurs({ status }: Ingress): boolean {
    return status.loadBalancer.ingress?.[0]?.ip === this.#nodeIP
  }
}
