// Access modes in one cell: RWO,ROX,RWX,RWOP.

const short: Record<string, string> = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
}

export const accessModesText = (modes: readonly string[] | undefined): string =>
  (modes ?? []).map(mode => short[mode] ?? mode).join(',')
