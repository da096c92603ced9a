// A further server reads the same files as the first one. Every option that names one counts.
import { deepStrictEqual, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { parseArgs } from './args.ts'
import { options as specs } from './command-line.ts'
import { missingFiles } from './named-files.ts'
import { serverOptions } from './up-options.ts'

/** Options of other commands. */
const others = new Set(['config', 'kubeconfig'])
/** What goes together with a file. */
const also: Record<string, readonly string[]> = {
  'authorization-webhook-config-file': ['--authorization-mode', 'RBAC,Webhook'],
  'oidc-ca-file': ['--oidc-issuer-url', 'https://issuer', '--oidc-client-id', 'web'],
}
const read = (args: readonly string[]) => missingFiles(serverOptions(parseArgs(args, specs), 'web'))

test('a file that an option names and that is not there is named', () => {
  const options = Object.entries(specs).flatMap(([name, { help }]) =>
    /^(file with|kubeconfig file of) /.test(help) && !others.has(name) ? [name] : [],
  )
  ok(options.length > 15, options.join())
  for (const option of options) {
    const args = (path: string) => [`--${option}`, path, ...(also[option] ?? [])]
    deepStrictEqual(read(args('/none/file')), [`--${option} /none/file`], option)
    deepStrictEqual(read(args(import.meta.filename)), [], option)
  }
  deepStrictEqual(read(['--audit-policy-file', '']), [])
})
