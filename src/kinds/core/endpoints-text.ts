// Endpoints in one cell: the first three addresses and how many more.

interface Subset {
  readonly addresses?: readonly { readonly ip: string }[]
  readonly ports?: readonly { readonly port: number }[]
}

const shown = 3

export function endpointsText(subsets: readonly Subset[] | undefined): string {
  const all = (subsets ?? []).flatMap(s =>
    s.ports?.length
      ? s.ports.flatMap(p => (s.addresses ?? []).map(a => `${a.ip}:${p.port}`))
      : (s.addresses ?? []).map(a => a.ip),
  )
  if (!all.length) return '<none>'
  return all.slice(0, shown).join(',') + (all.length > shown ? ` + ${all.length - shown} more...` : '')
}
