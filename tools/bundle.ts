// Bundles src/ into .cache/bundle: the program and the store's disk thread, each one file. Started from these,
// kutter is up in a third of the time and with half the memory that hundreds of small files take.
import { mkdirSync, renameSync, rmSync } from 'node:fs'
import { build } from 'esbuild'

const root = new URL('..', import.meta.url).pathname
const fresh = `${root}.cache/bundle-${process.pid}`
const target = `${root}.cache/bundle`

await build({
  entryPoints: {
    main: `${root}src/cluster/main.ts`,
    'supervisor-main': `${root}src/cluster/supervisor-main.ts`,
    'disk-worker': `${root}src/store/disk-worker.ts`,
  },
  outdir: fresh,
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  sourcemap: 'linked',
  minifySyntax: true,
  // Packages written for CommonJS expect these names.
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url); const __filename = import.meta.filename; const __dirname = import.meta.dirname;",
  },
  logLevel: 'warning',
})
// A process that runs from the old bundle has read it already; a new one finds all of it or none.
mkdirSync(`${root}.cache`, { recursive: true })
rmSync(target, { recursive: true, force: true })
renameSync(fresh, target)
