// Bundles src/ into a directory below .cache/bundles, to which .cache/bundle then leads: the programs and the store's disk
// thread, with what a command or a rare case needs in files of their own, which are loaded only then. Started from these,
// kutter is up in a third of the time and with half the memory that hundreds of small files take.
import { lstatSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { build, type Plugin } from 'esbuild'

const root = new URL('..', import.meta.url).pathname
const bundles = `${root}.cache/bundles`
const id = `${Date.now()}-${process.pid}`
const target = `${root}.cache/bundle`
/** A process that is about to start from a bundle is not seen yet. */
const recentMs = 60_000

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

await build({
  entryPoints: {
    main: `${root}src/cluster/main.ts`,
    'supervisor-main': `${root}src/cluster/supervisor-main.ts`,
    'disk-worker': `${root}src/store/disk-worker.ts`,
  },
  outdir: `${bundles}/${id}`,
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

// A new process finds all of the old bundle or all of the new one. Releases before had a directory here.
if (lstatSync(target, { throwIfNoEntry: false })?.isDirectory()) rmSync(target, { recursive: true })
symlinkSync(`bundles/${id}`, `${bundles}/${id}.link`)
renameSync(`${bundles}/${id}.link`, target)
removeUnused()

/** Removes bundles from which no process runs. Those that do may still load a file of theirs. */
function removeUnused(): void {
  const running = readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(commandLine)
    .join('\n')
  const before = Date.now() - recentMs
  for (const name of readdirSync(bundles))
    if (name !== id && Number.parseInt(name) < before && !running.includes(`/bundles/${name}/`))
      rmSync(`${bundles}/${name}`, { recursive: true, force: true })
}

/** Empty for a process that has ended. */
function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}
