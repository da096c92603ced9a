// Sets of completion indexes in the form of a Job's status, such as `1,3-5,7`.

/** @param limit indexes from here on are left out, since a Job may have become smaller */
export function parseIndexes(text: string | undefined, limit = Infinity): Set<number> {
  const result = new Set<number>()
  for (const part of (text ?? '').split(',').filter(Boolean)) {
    const [from = '', to = from] = part.split('-')
    const last = Math.min(Number(to), limit - 1)
    for (let i = Number(from); i <= last; i++) result.add(i)
  }
  return result
}

export function formatIndexes(indexes: Iterable<number>): string {
  const sorted = [...new Set(indexes)].sort((a, b) => a - b)
  const parts: string[] = []
  for (let i = 0; i < sorted.length; ) {
    let end = i
    while (sorted[end + 1] === sorted[end]! + 1) end++
    const [first, last] = [sorted[i]!, sorted[end]!]
    parts.push(first === last ? `${first}` : last === first + 1 ? `${first},${last}` : `${first}-${last}`)
    i = end + 1
  }
  return parts.join(',')
}
