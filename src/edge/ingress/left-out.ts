// The Ingresses and certificates that HAProxy does not take, although everything in them was checked. Each is left out by
// itself until it changes, or its time has come.
import { objectKey } from '../../api/mirror.ts'
import { StatusError } from '../../base/errors.ts'
import type { Ingress } from '../../kinds/networking/ingress.ts'
import { secretsOfIngress } from '../../kinds/networking/ingress-serving.ts'
import { findBroken } from './halves.ts'
import { fileOf, type IngressPlan } from './plan.ts'
import type { Problem } from './settings.ts'

/** What HAProxy says of a plan. */
type Accepts = (plan: IngressPlan) => Promise<boolean>

export class LeftOut {
  /** Revisions of Ingresses by key, and certificates by file. */
  readonly #ingresses = new Map<string, { revision: string; why: string }>()
  readonly #certificates = new Map<string, string>()

  get size(): number {
    return this.#ingresses.size + this.#certificates.size
  }

  clear(): void {
    this.#ingresses.clear()
    this.#certificates.clear()
  }

  /** The Ingresses without those that are left out. One that has changed since then is tried again. */
  rest(ingresses: readonly Ingress[]): Ingress[] {
    return ingresses.filter(ingress => this.#ingresses.get(objectKey(ingress))?.revision !== generationOf(ingress))
  }

  /** A plan without the certificates that are left out. */
  without(plan: IngressPlan): IngressPlan {
    const isFine = ([file, { pem }]: [string, { pem: string }]) => this.#certificates.get(file) !== pem
    return { ...plan, certificates: new Map([...plan.certificates].filter(isFine)) }
  }

  /** What to report, by the key of the Ingress. */
  problems(ingresses: readonly Ingress[]): Map<string, Problem[]> {
    const found = new Map<string, Problem[]>()
    for (const ingress of ingresses) {
      const key = objectKey(ingress)
      const why = this.#ingresses.get(key)?.why
      const secrets = secretsOfIngress(ingress).filter(name =>
        this.#certificates.has(fileOf(`${ingress.metadata.namespace}/${name}`)),
      )
      const problems = [
        ...(why === undefined
          ? []
          : [{ reason: 'Rejected', message: `left out, since HAProxy does not take it: ${why}` }]),
        ...secrets.map(name => ({
          reason: 'InvalidCertificate',
          message: `HAProxy does not take the certificate of the Secret ${name}`,
        })),
      ]
      if (problems.length) found.set(key, problems)
    }
    return found
  }

  /**
   * Finds what of a plan that HAProxy does not take is at fault, and leaves it out. Throws when nothing is: then it is not
   * an Ingress.
   * @param planOf the plan for some of the Ingresses
   * @param why in HAProxy's words
   */
  async find(
    ingresses: readonly Ingress[],
    planOf: (some: readonly Ingress[]) => IngressPlan,
    accepts: Accepts,
    why: string,
  ): Promise<void> {
    const whole = planOf(ingresses)
    const only = (plan: IngressPlan, files: readonly string[]) =>
      accepts({ ...plan, certificates: new Map([...plan.certificates].filter(([file]) => files.includes(file))) })
    // Without any certificate: is it one of them?
    if (await only(whole, [])) {
      const broken = await findBroken([...whole.certificates.keys()], files => only(whole, files))
      for (const file of broken) this.#certificates.set(file, whole.certificates.get(file)!.pem)
      return
    }
    if (!(await only(planOf([]), []))) throw new StatusError('InternalError', why)
    const broken = await findBroken(ingresses, some => only(planOf(some), []))
    for (const ingress of broken) this.#ingresses.set(objectKey(ingress), { revision: generationOf(ingress), why })
  }
}

/** What changes when the spec or the annotations of an Ingress do, and not when its status does. */
const generationOf = ({ metadata, spec }: Ingress): string => JSON.stringify([metadata.uid, spec, metadata.annotations])
