// Plugins for pods that are off unless somebody enables them: AlwaysPullImages, ExtendedResourceToleration and
// PodNodeSelector.
// Source: plugin/pkg/admission (alwayspullimages, extendedresourcetoleration, podnodeselector).
import { own } from '../../base/own.ts'
import { invalidError, root } from '../../api/path.ts'
import type { Mutable } from '../../api/schema/node.ts'
import type { Container } from '../../kinds/core/container.ts'
import { Namespace } from '../../kinds/core/namespace.ts'
import { Pod } from '../../kinds/core/pod.ts'
import { containersAt } from '../../kinds/core/pod-os-rules.ts'
import { forbidden } from '../errors.ts'
import type { Storage } from '../storage.ts'
import { type AdmissionPlugin, isFor } from './chain.ts'
import type { NodeSelectors } from './configuration.ts'
import type { AdmissionRequest } from './request.ts'

const isWrite = ({ type }: AdmissionRequest) => type === 'CREATE' || type === 'UPDATE'

/** Makes every container pull its image, so that nobody runs an image of others from the disk without credentials. */
export function alwaysPullImages(): AdmissionPlugin {
  const concerns = (request: AdmissionRequest) => {
    const { kind, subresource } = request.operation
    return isWrite(request) && kind === Pod && (subresource === '' || subresource === 'ephemeralcontainers')
  }
  const hasNewImage = ({ object, old }: AdmissionRequest) => {
    if (!old) return true
    const before = new Set([...containersAt((old as Pod).spec, root)].map(([{ image }]) => image))
    return [...containersAt((object as Pod).spec, root)].some(([{ image }]) => !before.has(image))
  }
  return {
    name: 'AlwaysPullImages',
    mutate(request) {
      if (!concerns(request) || !hasNewImage(request)) return
      const { spec } = request.object as Mutable<Pod>
      for (const [container] of containersAt(spec, root)) (container as Mutable<Container>).imagePullPolicy = 'Always'
      for (const { image } of spec.volumes ?? []) if (image) (image as Mutable<typeof image>).pullPolicy = 'Always'
    },
    validate(request) {
      if (!concerns(request) || !hasNewImage(request)) return
      const { metadata, spec } = request.object as Pod
      const problems = [...containersAt(spec, root.field('spec'))]
        .filter(([{ imagePullPolicy }]) => imagePullPolicy !== 'Always')
        .map(([{ imagePullPolicy }, at]) => at.field('imagePullPolicy').notSupported(imagePullPolicy, ['Always']))
      if (problems.length) throw invalidError(Pod, metadata.name ?? '', problems)
    },
  }
}

/** Whether a resource is one that devices of nodes provide. Source: pkg/apis/core/v1/helper (IsExtendedResourceName). */
const isExtended = (name: string) =>
  name.includes('/') && !name.split('/')[0]!.endsWith('kubernetes.io') && !name.startsWith('requests.')

/** Lets pods that ask for devices onto the nodes that have them, which are tainted with the name of the resource. */
export function extendedResourceToleration(): AdmissionPlugin {
  return {
    name: 'ExtendedResourceToleration',
    mutate(request) {
      if (!isWrite(request) || !isFor(request, '', 'pods')) return
      const { spec } = request.object as Mutable<Pod>
      const names = [...containersAt(spec, root)].flatMap(([{ resources }]) => Object.keys(resources.requests ?? {}))
      for (const key of [...new Set(names.filter(isExtended))].sort()) {
        const tolerated = spec.tolerations?.some(t => t.key === key && t.operator === 'Exists' && !t.effect)
        if (!tolerated) spec.tolerations = [...(spec.tolerations ?? []), { key, operator: 'Exists' }]
      }
    },
  }
}

const selectorAnnotation = 'scheduler.alpha.kubernetes.io/node-selector'

const noSelectors: NodeSelectors = { default: '', allowed: new Map() }

/** Adds the node selector of a namespace to its pods. */
export function podNodeSelector(storage: Storage, selectors = noSelectors): AdmissionPlugin {
  const demandedIn = (namespace: string) => {
    const { annotations } = storage.mirror(Namespace).get(undefined, namespace)?.metadata ?? {}
    return labelsOf(annotations?.[selectorAnnotation] ?? selectors.default)
  }
  const refuse = ({ operation: { kind, name } }: AdmissionRequest, why: string) => forbidden(kind, name, why)
  const concerns = (request: AdmissionRequest) => request.type === 'CREATE' && isFor(request, '', 'pods')
  return {
    name: 'PodNodeSelector',
    mutate(request) {
      if (!concerns(request)) return
      const { spec } = request.object as Mutable<Pod>
      const demanded = demandedIn(request.operation.namespace)
      for (const [key, value] of Object.entries(demanded))
        if (![undefined, value].includes(spec.nodeSelector?.[key]))
          throw refuse(request, 'pod node label selector conflicts with its namespace node label selector')
      if (Object.keys(demanded).length) spec.nodeSelector = { ...spec.nodeSelector, ...demanded }
    },
    validate(request) {
      if (!concerns(request)) return
      const allowed = labelsOf(selectors.allowed.get(request.operation.namespace) ?? '')
      const given = Object.entries((request.object as Pod).spec.nodeSelector ?? {})
      if (Object.keys(allowed).length && given.some(([key, value]) => own(allowed, key) !== value))
        throw refuse(request, 'pod node label selector labels conflict with its namespace whitelist')
    },
  }
}

/** The labels of a selector such as `disk=fast,zone=a`. */
function labelsOf(selector: string): Record<string, string> {
  const pairs = selector.split(',').filter(part => part.trim())
  return Object.fromEntries(pairs.map(pair => pair.split('=').map(part => part.trim()) as [string, string]))
}
