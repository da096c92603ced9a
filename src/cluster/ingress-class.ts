// The class of Ingresses that every cluster has, which its nodes serve. `--disable ingress` leaves it out.
import { isReason } from '../base/errors.ts'
import type { Client } from '../client/index.ts'
import { defaultIngressClass, isDefaultIngressClass } from '../kinds/default-class.ts'
import { ingressController, ownIngressClass } from '../kinds/networking/ingress-serving.ts'
import { IngressClass } from '../kinds/networking/ingressclass.ts'

/** Creates the class if it is missing. It is the default one unless the cluster has another. */
export async function keepIngressClass(admin: Client): Promise<void> {
  const { items } = await admin.list(IngressClass)
  if (items.some(({ metadata }) => metadata.name === ownIngressClass)) return
  const annotations = { [isDefaultIngressClass]: 'true' }
  try {
    await admin.create(IngressClass, {
      metadata: { name: ownIngressClass, ...(!defaultIngressClass(items) && { annotations }) },
      spec: { controller: ingressController },
    })
  } catch (error) {
    if (!isReason(error, 'AlreadyExists')) throw error
  }
}
