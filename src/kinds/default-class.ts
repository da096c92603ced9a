// Classes that are marked as the default one. The newest counts where several are, and of those of one moment the first
// by name. Source: pkg/volume/util/storageclass.go, plugin/pkg/admission/network/defaultingressclass.
import type { KubeObject } from '../api/kind.ts'
import type { IngressClass } from './networking/ingressclass.ts'
import type { StorageClass } from './storage/storageclass.ts'

/** The default class, which one of the annotations marks. */
function defaultOf<T extends KubeObject>(classes: readonly T[], annotations: readonly string[]): T | undefined {
  const marked = classes.filter(({ metadata }) => annotations.some(key => metadata.annotations?.[key] === 'true'))
  const created = ({ metadata }: T) => metadata.creationTimestamp ?? ''
  const name = ({ metadata }: T) => metadata.name ?? ''
  return marked.sort((a, b) =>
    created(a) === created(b) ? (name(a) < name(b) ? -1 : 1) : created(a) < created(b) ? 1 : -1,
  )[0]
}

/** The class of claims that name none. */
export const defaultStorageClass = (classes: readonly StorageClass[]): StorageClass | undefined =>
  defaultOf(classes, [
    'storageclass.kubernetes.io/is-default-class',
    'storageclass.beta.kubernetes.io/is-default-class',
  ])

export const isDefaultIngressClass = 'ingressclass.kubernetes.io/is-default-class'

/** The class of new Ingresses that name none. */
export const defaultIngressClass = (classes: readonly IngressClass[]): IngressClass | undefined =>
  defaultOf(classes, [isDefaultIngressClass])
