// How programs become bundles: a file for each, and files that they share or that are loaded only in rare cases.
import { isBuiltin } from 'node:module'
import { build, type Plugin } from 'esbuild'

/**
 * Takes modules of Node.js as they are. `import` looks at all that a module offers, and for node:http that loads a client of
 * WebSockets, which costs each process a tenth of a second.
 */
const builtins: Plugin = {
  name: 'builtins',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^[a-z]/ }, ({ path, kind }) =>
      kind === 'import-statement' && isBuiltin(path) ? { path, namespace: 'builtin' } : undefined,
    )
    onLoad({ filter: /./, namespace: 'builtin' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)})`,
    }))
  },
}

/** Bundles the programs that start from these files, by their names, into a directory. */
export async function bundle(programs: Readonly<Record<string, string>>, directory: string): Promise<void> {
  await build({
    entryPoints: { ...programs },
    outdir: directory,
    bundle: true,
    splitting: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    sourcemap: 'linked',
    minifySyntax: true,
    // Packages written for CommonJS expect these names.
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url); const __filename = import.meta.filename; const __dirname = import.meta.dirname;",
    },
    plugins: [builtins],
    logLevel: 'warning',
  })
}
