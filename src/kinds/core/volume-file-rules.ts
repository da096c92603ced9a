// Files that volumes make of keys and of values of the pod.
// Source: pkg/apis/core/validation (validateKeyToPath, validateDownwardAPIVolumeFile).
import { type Problems, present } from '../../api/checks.ts'
import type { Path } from '../../api/path.ts'
import { fieldsOfFiles, validateFieldRef, validateResourceRef } from './env-rules.ts'
import { fileMode, localPath } from './path-rules.ts'
import type { DownwardAPIVolumeFile, KeyToPath } from './volume.ts'

/** Keys that become files. */
export function* validateKeys(items: readonly KeyToPath[] | undefined, at: Path): Problems {
  for (const [i, { key, path, mode }] of (items ?? []).entries()) {
    yield* present(key, at.index(i).field('key'))
    yield* present(path, at.index(i).field('path'))
    yield* localPath(path, at.index(i).field('path'))
    yield* fileMode(mode, at.index(i).field('mode'))
  }
}

/** A file with a value of the pod. */
export function* validateDownwardFile(file: DownwardAPIVolumeFile, at: Path): Problems {
  const { path, fieldRef, resourceFieldRef, mode } = file
  yield* present(path, at.field('path'))
  yield* localPath(path, at.field('path'))
  if (fieldRef) {
    yield* validateFieldRef(fieldRef, fieldsOfFiles, at.field('fieldRef'))
    if (resourceFieldRef)
      yield at.invalid('resource', 'fieldRef and resourceFieldRef can not be specified simultaneously')
  } else if (resourceFieldRef) yield* validateResourceRef(resourceFieldRef, true, at.field('resourceFieldRef'))
  else yield at.required('one of fieldRef and resourceFieldRef is required')
  yield* fileMode(mode, at.field('mode'))
}
