// The order of versions: v2 after v1, beta after alpha, stable after both, and all other names before them.
// Source: apimachinery pkg/version/helpers.go (CompareKubeAwareVersionStrings).

const known = /^v([1-9]\d*)(?:(alpha|beta)([1-9]\d*))?$/
const stages = ['alpha', 'beta', undefined]

/** Negative if `a` has less priority than `b`. Names of another form are before all others, in reverse order. */
export function compareVersions(a: string, b: string): number {
  const [x, y] = [known.exec(a), known.exec(b)]
  if (!x || !y) return x ? 1 : y ? -1 : a < b ? 1 : a > b ? -1 : 0
  const stage = stages.indexOf(x[2]) - stages.indexOf(y[2])
  return stage || Number(x[1]) - Number(y[1]) || Number(x[3] ?? 0) - Number(y[3] ?? 0)
}
