// Builds the commands that messages suggest. They are complete: pasted into a shell, they act on the cluster that the
// message is about.

export const defaultDataDir = '/var/lib/kutter'
export const defaultName = 'default'

/** `kutter WORDS --name X --data-dir D`; options that have their default value are left out. */
export function commandLine(command: string, words: string, of: { root: string; dataDir: string }): string {
  const name = of.root.slice(of.dataDir.length + 1)
  const options = [
    ...(name === defaultName ? [] : [`--name ${name}`]),
    ...(of.dataDir === defaultDataDir ? [] : [`--data-dir ${of.dataDir}`]),
  ]
  return [command, words, ...options].join(' ')
}
