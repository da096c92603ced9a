// Commands as hints name them: complete, so that pasting one reaches the cluster it was printed for.

export const defaultDataDir = '/var/lib/kutter'
export const defaultName = 'default'

/** `kutter WORDS --name X --data-dir D`, without what is the default anyway. */
export function commandLine(command: string, words: string, of: { root: string; dataDir: string }): string {
  const name = of.root.slice(of.dataDir.length + 1)
  const options = [
    ...(name === defaultName ? [] : [`--name ${name}`]),
    ...(of.dataDir === defaultDataDir ? [] : [`--data-dir ${of.dataDir}`]),
  ]
  return [command, words, ...options].join(' ')
}
