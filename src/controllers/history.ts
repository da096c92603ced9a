// Revisions of workloads that keep their history as ControllerRevisions: DaemonSet and StatefulSet. A revision is a
// template; going back to an old one gives it a new number instead of a copy.
// Source: pkg/controller/history, pkg/controller/daemon/update.go.
import { isReason } from '../base/errors.ts'
import { int64Of } from '../api/int64.ts'
import { canonicalJson, sameJson } from '../api/equal.ts'
import type { LabelSelector } from '../api/meta.ts'
import type { Kind, KubeObject } from '../api/kind.ts'
import type { PodTemplateSpec } from '../kinds/core/podtemplatespec.ts'
import type { Context } from './context.ts'
import { templateHash } from './hash.ts'
import { claim } from './owners.ts'
import { ControllerRevision } from '../kinds/apps/controllerrevision.ts'

/** On pods: which revision they are of. */
export const revisionLabel = 'controller-revision-hash'
/** On revisions of stateful sets. Those of daemon sets have the label of the pods. */
export const hashLabel = 'controller.kubernetes.io/hash'

export type Workload = KubeObject & {
  spec: { selector?: LabelSelector; template: PodTemplateSpec; revisionHistoryLimit: number }
  status: { collisionCount?: number }
}

/** What a revision keeps: a patch that brings the template back, its keys in order as Go writes maps. */
export const dataOf = ({ spec }: Pick<Workload, 'spec'>): object =>
  JSON.parse(canonicalJson({ spec: { template: { ...spec.template, $patch: 'replace' } } })) as object

/** A revision's number may be beyond what a double holds exactly. */
const numberOf = (revision: ControllerRevision): bigint => BigInt(revision.revision ?? 0)

interface History {
  /** The revision of the current template. */
  current: ControllerRevision
  /** All others, oldest first. */
  old: ControllerRevision[]
  /** How often a name was taken so far. */
  collisionCount: number
}

/** The revision of the current template, made if there is none yet, and all others. */
export async function currentRevision<O extends KubeObject>(
  ctx: Context,
  kind: Kind<O>,
  owner: Workload,
  label: string,
): Promise<History> {
  const all = await claim(ctx, ControllerRevision, kind, owner as unknown as O, owner.spec.selector)
  const sorted = [...all].sort(byNumber)
  const data = dataOf(owner)
  const collisionCount = owner.status.collisionCount ?? 0
  const same = sorted.filter(revision => sameJson(revision.data, data)).at(-1)
  const newest = sorted.at(-1)
  const next = int64Of((newest ? numberOf(newest) : 0n) + 1n)
  if (!same) return { ...(await create(ctx, owner, data, next, label)), old: sorted }
  const old = sorted.filter(revision => revision !== same)
  if (same === newest) return { current: same, old, collisionCount }
  return { current: await ctx.patch(ControllerRevision, same, 'merge', { revision: next }), old, collisionCount }
}

const byNumber = (a: ControllerRevision, b: ControllerRevision) => Number(numberOf(a) - numberOf(b))

async function create(
  ctx: Context,
  owner: Workload,
  data: object,
  revision: number,
  label: string,
): Promise<Omit<History, 'old'>> {
  const { metadata, spec } = owner
  for (let collisionCount = owner.status.collisionCount ?? 0; ; collisionCount++) {
    const hash = templateHash(spec.template, collisionCount)
    const name = revisionName(metadata.name ?? '', hash)
    const labels = { ...spec.template.metadata.labels, [label]: hash }
    const annotations = metadata.annotations && { annotations: metadata.annotations }
    try {
      const draft = { metadata: { name, labels, ...annotations }, data: data, revision }
      return { current: await ctx.create(ControllerRevision, draft, { owner }), collisionCount }
    } catch (error) {
      if (!isReason(error, 'AlreadyExists')) throw error
      const existing = await ctx.client.get(ControllerRevision, { namespace: metadata.namespace ?? '', name })
      if (sameJson(existing.data, data)) return { current: existing, collisionCount }
    }
  }
}

const maxPrefixLength = 223

/** A long name is cut so that the hash stays. */
const revisionName = (owner: string, hash: string): string => `${owner.slice(0, maxPrefixLength)}-${hash}`

/** Old revisions beyond the limit that are not in use. */
export function expiredRevisions(
  old: readonly ControllerRevision[],
  limit: number,
  isInUse: (revision: ControllerRevision) => boolean,
): ControllerRevision[] {
  const idle = old.filter(revision => !isInUse(revision))
  return idle.slice(0, Math.max(0, idle.length - limit))
}
