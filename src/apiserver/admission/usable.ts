// Stored objects that plugins act by, without those that the API would refuse: an older or faulty writer may have stored
// them, and one of them must not stop the writes of everybody.
import { counter } from '../../base/metrics.ts'
import type { Kind, KubeObject } from '../../api/kind.ts'
import type { Mirror } from '../../api/mirror.ts'
import { ownProblems } from '../../api/validate.ts'

const ignored = counter('kutter_admission_ignored_objects_total', 'Stored configurations that are not valid.')

const known = new WeakMap<object, boolean>()

/** The valid objects of a kind. Each is checked once. */
export const usable = <T extends KubeObject>(kind: Kind<T>, mirror: Mirror<T>): T[] =>
  mirror.list().filter(object => isUsable(kind, object))

function isUsable<T extends KubeObject>(kind: Kind<T>, object: T): boolean {
  let valid = known.get(object)
  if (valid === undefined) {
    valid = isValid(kind, object)
    if (!valid) ignored.add({ kind: kind.kind })
    known.set(object, valid)
  }
  return valid
}

function isValid<T extends KubeObject>(kind: Kind<T>, object: T): boolean {
  try {
    for (const _ of ownProblems(kind, object, undefined)) return false
    return true
  } catch {
    // A rule met a part that is not of its type.
    return false
  }
}
