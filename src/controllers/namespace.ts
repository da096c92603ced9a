// The namespace controller: deletes all objects in a terminating namespace, pods first, and then removes the finalizer
// `kubernetes` from the namespace. Its conditions name what is still in the way.
//
// Objects of this server are read from mirrors, and a namespace wakes when one is gone. Objects of extension servers are
// listed each time, since these may serve no watch. While such a server is away, the namespace stays, and everything else
// in it is deleted.
//
// Source: pkg/controller/namespace/deletion.
import { isReason, messageOf } from '../base/errors.ts'
import type { AnyKind, Kind, KubeObject } from '../api/kind.ts'
import { fromKinds, type KindSource, resourceOf, storedKinds, unlisted } from '../api/kind-source.ts'
import type { Draft } from '../api/schema/node.ts'
import { timeText } from '../api/time.ts'
import { type NamespaceCondition, Namespace } from '../kinds/core/namespace.ts'
import { Pod } from '../kinds/core/pod.ts'
import type { Context } from './context.ts'
import { type Controller, defineController, type Watch } from './harness.ts'

const parallelDeletes = 32

/** Objects left in a namespace, by `plural.group`. */
interface Remaining {
  counts: ReadonlyMap<string, number>
  finalizers: ReadonlyMap<string, number>
  errors: readonly string[]
  /** Groups and versions whose resources cannot be found out. */
  unanswered: readonly string[]
}

/** Whether objects of a kind are deleted with their namespace. */
const isContent = (kind: AnyKind): boolean => kind.namespaced && kind.verbs.includes('delete')

/** @param kinds the kinds that the cluster serves */
export function namespaceController(kinds: KindSource): Controller {
  const contentKinds = fromKinds(kinds, all => {
    const content = all.filter(isContent)
    return { own: storedKinds(content.filter(kind => !kind.remote)), remote: listedKinds(content) }
  })
  return defineController({
    name: 'namespace-controller',
    reconciles: Namespace,
    workers: 10,
    when: namespace => namespace.metadata.deletionTimestamp !== undefined,
    everyKind: kind => (isContent(kind) && !kind.remote ? departures(kind) : undefined),
    async reconcile(namespace, ctx) {
      if (!namespace.metadata.deletionTimestamp || !namespace.spec.finalizers?.includes('kubernetes')) return
      const name = namespace.metadata.name ?? ''
      const { own, remote } = contentKinds()
      const unanswered = kinds.unanswered ?? []
      // A kind that is not listed yet may have objects in the namespace, so the namespace must stay.
      const notListed = unlisted(own, kind => ctx.cache(kind as Kind<KubeObject>)).map(
        kind => `${kind.plural}.${kind.group}: not listed yet`,
      )
      const answering = remote.filter(({ apiVersion }) => !unanswered.includes(apiVersion))
      const [deleted, elsewhere] = await Promise.all([empty(ctx, name, own), emptyRemote(ctx, name, answering)])
      const errors = [...deleted, ...elsewhere.errors, ...notListed]
      const remaining = count([...contentOf(ctx, name, own), ...elsewhere.left], errors, unanswered)
      if (remaining.counts.size === 0 && errors.length === 0 && unanswered.length === 0) return finalize(namespace, ctx)
      const conditions = planNamespaceConditions(namespace.status.conditions, remaining, ctx.now())
      await ctx.writeStatus(Namespace, namespace, { ...namespace.status, phase: 'Terminating', conditions })
      if (errors.length) throw new Error(errors.join('; '))
      return { again: patienceMs(inNamespace(ctx, Pod, name)) }
    },
  })
}

/** The kinds of extension servers that can be listed, one for each resource. */
const listedKinds = (kinds: readonly AnyKind[]): AnyKind[] => [
  ...new Map(
    kinds.filter(kind => kind.remote && kind.verbs.includes('list')).map(kind => [resourceOf(kind), kind]),
  ).values(),
]

/** The assumed duration when no pod has a grace period. Source: finalizerEstimateSeconds upstream. */
const defaultEstimateSeconds = 15

/**
 * Milliseconds until a namespace with content is requeued although no object has left it. This finds objects that were
 * created just before the namespace was marked, and deletions that a Conflict refused.
 */
function patienceMs(pods: readonly KubeObject[]): number {
  const graces = pods.map(pod => pod.metadata.deletionGracePeriodSeconds ?? 0)
  const estimateSeconds = Math.max(0, ...graces) || defaultEstimateSeconds
  return (Math.floor(estimateSeconds / 2) + 1) * 1000
}

/** Wakes a terminating namespace when an object in it is gone. */
const departures = (kind: AnyKind): Watch => ({
  kind,
  keys({ type, item }, caches) {
    if (type !== 'DELETED') return []
    const name = item.object.metadata.namespace ?? ''
    return caches(Namespace).get(undefined, name)?.metadata.deletionTimestamp ? [name] : []
  },
})

const inNamespace = (ctx: Context, kind: AnyKind, namespace: string) =>
  ctx.cache(kind as Kind<KubeObject>).list(namespace)

type Content = readonly (readonly [AnyKind, KubeObject])[]

const contentOf = (ctx: Context, namespace: string, kinds: readonly AnyKind[]): Content =>
  kinds.flatMap(kind => inNamespace(ctx, kind, namespace).map(object => [kind, object] as const))

/** Deletes all objects, and all but pods only once no pods are left. Returns the errors. */
function empty(ctx: Context, namespace: string, kinds: readonly AnyKind[]): Promise<string[]> {
  const pods = inNamespace(ctx, Pod, namespace)
  return deleteAll(ctx, pods.length ? pods.map(pod => [Pod, pod] as const) : contentOf(ctx, namespace, kinds))
}

async function deleteAll(ctx: Context, content: Content): Promise<string[]> {
  const errors: string[] = []
  const left = content.filter(([, object]) => !object.metadata.deletionTimestamp)
  const worker = async () => {
    for (let next = left.pop(); next; next = left.pop()) {
      const [kind, object] = next
      try {
        await ctx.delete(kind, object, { propagationPolicy: 'Background' })
      } catch (error) {
        if (isReason(error, 'Conflict')) continue
        errors.push(`${kind.plural} ${object.metadata.name}: ${messageOf(error)}`)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(parallelDeletes, left.length) }, worker))
  return errors
}

/** Deletes the objects of extension servers, once no pods are left. Returns the errors, and what is still there. */
async function emptyRemote(
  ctx: Context,
  namespace: string,
  kinds: readonly AnyKind[],
): Promise<{ errors: string[]; left: Content }> {
  if (inNamespace(ctx, Pod, namespace).length) return { errors: [], left: [] }
  const errors: string[] = []
  const list = async (kind: AnyKind): Promise<Content> => {
    const { items } = await ctx.client.list(kind as Kind<KubeObject>, { namespace, signal: ctx.signal })
    return items.map(object => [kind, object] as const)
  }
  const left = await Promise.all(
    kinds.map(async kind => {
      try {
        const content = await list(kind)
        errors.push(...(await deleteAll(ctx, content)))
        return content.length ? await list(kind) : content
      } catch (error) {
        errors.push(`${kind.plural}.${kind.group}: ${messageOf(error)}`)
        return []
      }
    }),
  )
  return { errors, left: left.flat() }
}

function count(content: Content, errors: readonly string[], unanswered: readonly string[]): Remaining {
  const counts = new Map<string, number>()
  const finalizers = new Map<string, number>()
  const add = (to: Map<string, number>, key: string) => to.set(key, (to.get(key) ?? 0) + 1)
  for (const [kind, { metadata }] of content) {
    add(counts, `${kind.plural}.${kind.group}`)
    for (const finalizer of metadata.finalizers ?? []) add(finalizers, finalizer)
  }
  return { counts, finalizers, errors, unanswered }
}

async function finalize(namespace: Namespace, ctx: Context): Promise<void> {
  const finalizers = namespace.spec.finalizers!.filter(f => f !== 'kubernetes')
  try {
    await ctx.client.update(
      Namespace,
      { ...namespace, spec: { ...namespace.spec, finalizers } },
      {
        subresource: 'finalize',
      },
    )
  } catch (error) {
    if (!isReason(error, 'NotFound')) throw error
  }
}

/** Source: client-go discovery (ErrGroupDiscoveryFailed, StaleGroupVersionError). */
function discoveryFailure(unanswered: readonly string[]): string {
  const each = unanswered.map(version => `${version}: stale GroupVersion discovery: ${version}`)
  return `Discovery failed for some groups, ${each.length} failing: unable to retrieve the complete list of server APIs: ${each.join(', ')}`
}

/** The five conditions of a terminating namespace, behind those that others have set. */
export function planNamespaceConditions(
  old: readonly NamespaceCondition[] | undefined,
  { counts, finalizers, errors, unanswered }: Remaining,
  now: number,
): Draft<NamespaceCondition>[] {
  const list = (entries: ReadonlyMap<string, number>, text: (name: string, n: number) => string) =>
    [...entries]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, n]) => text(name, n))
      .join(', ')
  const wanted: [string, string | undefined, string, string, string][] = [
    [
      'NamespaceDeletionDiscoveryFailure',
      unanswered.length ? discoveryFailure(unanswered) : undefined,
      'DiscoveryFailed',
      'ResourcesDiscovered',
      'All resources successfully discovered',
    ],
    [
      'NamespaceDeletionGroupVersionParsingFailure',
      undefined,
      '',
      'ParsedGroupVersions',
      'All legacy kube types successfully parsed',
    ],
    [
      'NamespaceDeletionContentFailure',
      errors.length
        ? `Failed to delete all resource types, ${errors.length} remaining: ${errors.join(', ')}`
        : undefined,
      'ContentDeletionFailed',
      'ContentDeleted',
      'All content successfully deleted, may be waiting on finalization',
    ],
    [
      'NamespaceContentRemaining',
      counts.size
        ? `Some resources are remaining: ${list(counts, (name, n) => `${name} has ${n} resource instances`)}`
        : undefined,
      'SomeResourcesRemain',
      'ContentRemoved',
      'All content successfully removed',
    ],
    [
      'NamespaceFinalizersRemaining',
      finalizers.size
        ? `Some content in the namespace has finalizers remaining: ${list(finalizers, (name, n) => `${name} in ${n} resource instances`)}`
        : undefined,
      'SomeFinalizersRemain',
      'ContentHasNoFinalizers',
      'All content-preserving finalizers finished',
    ],
  ]
  const own = wanted.map(([type, problem, badReason, goodReason, good]) => {
    const status = problem ? 'True' : 'False'
    const before = old?.find(c => c.type === type)
    const lastTransitionTime = before?.status === status ? before.lastTransitionTime : timeText(now)
    return { type, status, lastTransitionTime, reason: problem ? badReason : goodReason, message: problem ?? good }
  })
  return [...(old ?? []).filter(condition => !wanted.some(([type]) => type === condition.type)), ...own]
}
