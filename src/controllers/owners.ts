// Adoption and release. An object has at most one controller, which an owner reference names. An owner adopts orphans
// that match its selector, and releases objects that no longer do. Source: pkg/controller/controller_ref_manager.go.
import { isReason } from '../base/errors.ts'
import type { AnyKind, Kind, KubeObject } from '../api/kind.ts'
import { matches } from '../api/labels.ts'
import type { Context } from './context.ts'
import { type Watch, keyOf, watch } from './harness.ts'
import { controllerOf, isControlledBy, ownerReference } from './owner-reference.ts'
import { allEntries, selectedBy, selecting, type Selector } from './selection.ts'

/** Index of orphans by their labels. */
const orphans = {
  name: 'orphans',
  entries: (object: KubeObject): readonly string[] => (controllerOf(object) ? [] : allEntries(object)),
}

/** All objects of `kind` that `owner` controls or may adopt. */
function candidates<T extends KubeObject>(
  ctx: Context,
  kind: Kind<T>,
  owner: KubeObject,
  selector: Selector | undefined,
): T[] {
  const mirror = ctx.cache(kind)
  return [
    ...mirror.ownedBy(owner).filter(object => isControlledBy(object, owner)),
    ...selectedBy(mirror, owner.metadata.namespace ?? '', selector, orphans),
  ]
}

export type Claim = 'keep' | 'release' | 'adopt' | 'ignore'

/** What happens to an object that an owner controls or could control. `matches` is the answer of the selector. */
export function planClaim(object: KubeObject, owner: KubeObject, matches: boolean): Claim {
  const controller = controllerOf(object)
  if (controller) {
    if (controller.uid !== owner.metadata.uid) return 'ignore'
    if (matches) return 'keep'
    return owner.metadata.deletionTimestamp ? 'ignore' : 'release'
  }
  if (!matches || owner.metadata.deletionTimestamp || object.metadata.deletionTimestamp) return 'ignore'
  return 'adopt'
}

/**
 * Adopts orphans that match the selector, releases objects that no longer do, and returns the objects that `owner`
 * controls then. An owner in deletion does neither.
 * @param also a further condition that objects must meet
 * @param finalizers those that adopted objects get and released ones lose
 */
export async function claim<T extends KubeObject>(
  ctx: Context,
  kind: Kind<T>,
  ownerKind: AnyKind,
  owner: KubeObject,
  selector: Selector | undefined,
  also: (object: T) => boolean = () => true,
  finalizers: readonly string[] = [],
): Promise<T[]> {
  const claimed: T[] = []
  let mayAdopt: boolean | undefined
  for (const object of candidates(ctx, kind, owner, selector)) {
    const plan = planClaim(object, owner, matches(selector, object.metadata.labels) && also(object))
    if (plan === 'keep') claimed.push(object)
    if (plan === 'release') await release(ctx, kind, object, owner, finalizers)
    if (plan === 'adopt') {
      // An owner in deletion must not adopt, and the mirror may lack the deletion, so the API server is asked.
      mayAdopt ??= await isAlive(ctx, ownerKind, owner)
      const adopted = mayAdopt && (await adopt(ctx, kind, object, owner, finalizers))
      if (adopted) claimed.push(adopted)
    }
  }
  return claimed
}

async function isAlive(ctx: Context, kind: AnyKind, owner: KubeObject): Promise<boolean> {
  const { namespace = '', name = '', uid } = owner.metadata
  const live = (await ctx.client.find(kind, { namespace, name })) as KubeObject | undefined
  return live?.metadata.uid === uid && !live?.metadata.deletionTimestamp
}

async function adopt<T extends KubeObject>(
  ctx: Context,
  kind: Kind<T>,
  object: T,
  owner: KubeObject,
  finalizers: readonly string[],
): Promise<T | undefined> {
  const { metadata } = object
  const held = finalizers.length && { finalizers }
  const body = { metadata: { uid: metadata.uid, ownerReferences: [ownerReference(owner)], ...held } }
  try {
    return await ctx.patch(kind, object, 'strategic', body)
  } catch (error) {
    if (isReason(error, 'NotFound')) return undefined
    throw error
  }
}

async function release<T extends KubeObject>(
  ctx: Context,
  kind: Kind<T>,
  object: T,
  owner: KubeObject,
  finalizers: readonly string[],
): Promise<void> {
  const { metadata } = object
  const body = {
    metadata: {
      uid: metadata.uid,
      ownerReferences: [{ $patch: 'delete', uid: owner.metadata.uid }],
      ...(finalizers.length && { '$deleteFromPrimitiveList/finalizers': finalizers }),
    },
  }
  try {
    await ctx.patch(kind, object, 'strategic', body)
  } catch (error) {
    // The object does not exist any more, or another one has its name.
    if (!isReason(error, 'NotFound', 'Invalid', 'Conflict')) throw error
  }
}

/**
 * Wakes the owners of a kind whose selector matches an orphan.
 * @param selectorOf always the same function for a kind of owner, since an index is made with it
 */
export function orphansOf<T extends KubeObject, O extends KubeObject>(
  kind: Kind<T>,
  owner: Kind<O>,
  selectorOf: (owner: O) => Selector | undefined,
): Watch {
  return watch(kind, (object, caches) => {
    const { metadata } = object
    if (controllerOf(object)) return []
    return selecting(caches(owner), selectorOf, metadata).map(candidate =>
      keyOf(metadata.namespace ?? '', (candidate as KubeObject).metadata.name ?? ''),
    )
  })
}
