// What a namespace may say: finalizers of its own, and labels that PodSecurity reads.
// Source: pkg/apis/core/validation (ValidateNamespace), pod-security-admission/api/helpers.go.
import { named, type Problems } from '../../api/checks.ts'
import { qualifiedNameErrors } from '../../api/names.ts'
import type { Path } from '../../api/path.ts'
import { bareFinalizer } from '../../api/validate.ts'

const levels = ['privileged', 'baseline', 'restricted']
const modes = ['enforce', 'audit', 'warn']

export function* validateFinalizers(finalizers: readonly string[] | undefined, at: Path): Problems {
  for (const finalizer of finalizers ?? []) {
    yield* named(qualifiedNameErrors, finalizer, at)
    yield* bareFinalizer(finalizer, at)
  }
}

export function* validateSecurityLabels(labels: Readonly<Record<string, string>> | undefined, at: Path): Problems {
  for (const mode of modes) {
    const key = `pod-security.kubernetes.io/${mode}`
    const [level, version] = [labels?.[key], labels?.[`${key}-version`]]
    if (level !== undefined && !levels.includes(level))
      yield at.key(key).invalid(level, `must be one of ${levels.join(', ')}`)
    if (version !== undefined && version !== 'latest' && !/^v1\.(0|[1-9]\d*)$/.test(version))
      yield at.key(`${key}-version`).invalid(version, 'must be "latest" or "v1.x"')
  }
}
