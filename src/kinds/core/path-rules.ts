// Paths inside of volumes, containers and nodes: where they may lead.
// Source: pkg/apis/core/validation (validateLocalDescendingPath, ValidateLocalNonReservedPath).
import type { Problems } from '../../api/checks.ts'
import type { Path } from '../../api/path.ts'

export const hasBacksteps = (path: string): boolean => path.split('/').includes('..')

/** A path that never goes up. */
export function* noBacksteps(path: string, at: Path): Problems {
  if (hasBacksteps(path)) yield at.invalid(path, "must not contain '..'")
}

/** A relative path that never goes up. */
export function* descendingPath(path: string, at: Path): Problems {
  if (path.startsWith('/')) yield at.invalid(path, 'must be a relative path')
  yield* noBacksteps(path, at)
}

/** A relative path that never goes up, and is none of those that begin with two dots, which volumes keep for themselves. */
export function* localPath(path: string, at: Path): Problems {
  yield* descendingPath(path, at)
  if (path.startsWith('..') && !hasBacksteps(path)) yield at.invalid(path, "must not start with '..'")
}

/** Permission bits. */
export function* fileMode(mode: number | undefined, at: Path): Problems {
  if (mode !== undefined && (mode < 0 || mode > 0o777))
    yield at.invalid(mode, 'must be a number between 0 and 0777 (octal), both inclusive')
}
