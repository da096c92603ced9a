// Revisions of workloads that keep their history as ControllerRevisions: DaemonSet and StatefulSet. A revision is a
// template; going back to an old one gives it a new number instead of a copy.
// Source: pkg/controller/history.
import { isReason } from '../base/errors.ts'
import type { LabelSelector } from '../api/meta.ts'
import type { Kind, KubeObject } from '../api/kind.ts'
import type { DeepReadonly } from '../api/schema/node.ts'
import { ControllerRevision as RevisionKind } from '../kinds/apps/controllerrevision.ts'
import type { PodTemplateSpec } from '../kinds/core/podtemplatespec.ts'
import type { Context } from './context.ts'
import { templateHash } from './hash.ts'
import { claim } from './owners.ts'
import { sameValue } from './same.ts'

export type Revision = DeepReadonly<RevisionKind>
export const revisionLabel = 'controller-revision-hash'

export type Workload = DeepReadonly<
  KubeObject & {
    spec: { selector?: LabelSelector; template: PodTemplateSpec; revisionHistoryLimit: number }
    status: { collisionCount?: number }
  }
>

const dataOf = ({ spec }: Workload) => ({ spec: { template: { ...spec.template, $patch: 'replace' } } })

export const hashOf = (revision: Revision): string => revision.metadata.labels?.[revisionLabel] ?? ''

/** The revision of the current template, made if there is none yet, and all others, oldest first. */
export async function currentRevision<O extends KubeObject>(
  ctx: Context,
  kind: Kind<O>,
  owner: Workload,
): Promise<{ current: Revision; old: Revision[] }> {
  const all = await claim(ctx, RevisionKind, kind, owner as unknown as DeepReadonly<O>, owner.spec.selector)
  const sorted = [...all].sort((a, b) => a.revision - b.revision)
  const data = dataOf(owner)
  const same = sorted.filter(revision => sameValue(revision.data, data)).at(-1)
  const next = (sorted.at(-1)?.revision ?? 0) + 1
  if (!same) return { current: await create(ctx, owner, data, next), old: sorted }
  const old = sorted.filter(revision => revision !== same)
  if (same === sorted.at(-1)) return { current: same, old }
  return { current: await ctx.patch(RevisionKind, same, 'merge', { revision: next }), old }
}

async function create(ctx: Context, owner: Workload, data: object, revision: number): Promise<Revision> {
  for (let collisions = owner.status.collisionCount ?? 0; ; collisions++) {
    const hash = templateHash(owner.spec.template, collisions)
    const name = `${owner.metadata.name}-${hash}`
    const labels = { ...owner.spec.template.metadata.labels, [revisionLabel]: hash }
    try {
      return await ctx.create(RevisionKind, { metadata: { name, labels }, data: data as never, revision }, { owner })
    } catch (error) {
      if (!isReason(error, 'AlreadyExists')) throw error
      const existing = await ctx.client.get(RevisionKind, { namespace: owner.metadata.namespace ?? '', name })
      if (sameValue(existing.data, data)) return existing
    }
  }
}

/** Old revisions beyond the limit that no pod is of. */
export function expiredRevisions(old: readonly Revision[], limit: number, inUse: ReadonlySet<string>): Revision[] {
  const idle = old.filter(revision => !inUse.has(hashOf(revision)))
  return idle.slice(0, Math.max(0, idle.length - limit))
}
