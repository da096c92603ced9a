// The history of DaemonSets and StatefulSets: one ControllerRevision for each template they have had. A return to an
// old template gives its revision the highest number instead of creating another one.
// Source: pkg/controller/history, pkg/controller/daemon/update.go.
import { isReason } from '../base/errors.ts'
import { int64Of } from '../api/int64.ts'
import { canonicalJson, sameJson } from '../api/equal.ts'
import type { LabelSelector } from '../api/meta.ts'
import type { AnyKind, KubeObject } from '../api/kind.ts'
import type { PodTemplateSpec } from '../kinds/core/podtemplatespec.ts'
import type { Context } from './context.ts'
import { templateHash } from './hash.ts'
import { claim } from './owners.ts'
import { ControllerRevision } from '../kinds/apps/controllerrevision.ts'

/** The label of a pod with the hash of its revision. */
export const revisionLabel = 'controller-revision-hash'
/** The label of a stateful set's revision. A daemon set's revision has the label of the pods. */
export const hashLabel = 'controller.kubernetes.io/hash'

export type Workload = KubeObject & {
  spec: { selector?: LabelSelector; template: PodTemplateSpec; revisionHistoryLimit: number }
  status: { collisionCount?: number }
}

/** The data of a revision: a patch that restores the template. Keys are in order, as Go writes maps. */
export const dataOf = ({ spec }: Pick<Workload, 'spec'>): object =>
  JSON.parse(canonicalJson({ spec: { template: { ...spec.template, $patch: 'replace' } } })) as object

/** The number of a revision, as a bigint since it may exceed what a double holds exactly. */
const numberOf = (revision: ControllerRevision): bigint => BigInt(revision.revision ?? 0)

interface History {
  /** The revision of the current template. */
  current: ControllerRevision
  /** All others, oldest first. */
  old: ControllerRevision[]
  /** How many names were already in use by revisions with other data. */
  collisionCount: number
}

/** The revision of the current template, which is created if there is none, and all others. */
export async function currentRevision(ctx: Context, kind: AnyKind, owner: Workload, label: string): Promise<History> {
  const all = await claim(ctx, ControllerRevision, kind, owner, owner.spec.selector)
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

/** Cuts a long owner name, never the hash. */
const revisionName = (owner: string, hash: string): string => `${owner.slice(0, maxPrefixLength)}-${hash}`

/** The oldest unused revisions beyond the limit. */
export function expiredRevisions(
  old: readonly ControllerRevision[],
  limit: number,
  isInUse: (revision: ControllerRevision) => boolean,
): ControllerRevision[] {
  const idle = old.filter(revision => !isInUse(revision))
  return idle.slice(0, Math.max(0, idle.length - limit))
}
