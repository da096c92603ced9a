// `npm test`: installs what the tests need, then checks types, lint, format and import rules, and runs unit tests,
// simulations and end-to-end tests. Ends with one line: N passed, N failed, N skipped.
// Words on the command line choose test files by part of their path, and leave the checks out.
import { spawn } from 'node:child_process'
import { existsSync, globSync } from 'node:fs'

const root = new URL('..', import.meta.url).pathname
process.chdir(root)
const node = process.execPath
const totals = { passed: 0, failed: 0, skipped: 0 }

/** Debian packages the end-to-end tests use, by a program each must provide. */
const packages: Readonly<Record<string, string>> = {
  containerd: 'containerd',
  runc: 'runc',
  '/usr/lib/cni/bridge': 'containernetworking-plugins',
  nft: 'nftables',
  ip: 'iproute2',
  conntrack: 'conntrack',
  catatonit: 'catatonit',
  haproxy: 'haproxy',
  dig: 'bind9-dnsutils',
  kubectl: 'kubernetes-client',
  openssl: 'openssl',
  curl: 'curl',
  pgrep: 'procps',
  'docker-registry': 'docker-registry',
  'mkfs.ext4': 'e2fsprogs',
  losetup: 'mount',
  etcd: 'etcd-server',
  wg: 'wireguard-tools',
  'wireguard-go': 'wireguard-go',
}

interface Ran {
  code: number
  output: string
}

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ran> {
  return new Promise(resolve => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
    let output = ''
    const keep = (chunk: Buffer) => {
      output += chunk.toString()
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.on('error', error => resolve({ code: 127, output: String(error) }))
    child.on('close', code => resolve({ code: code ?? 1, output }))
  })
}

const onPath = (program: string) =>
  program.startsWith('/')
    ? existsSync(program)
    : ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'].some(dir =>
        existsSync(`${dir}/${program}`),
      )

async function install(): Promise<void> {
  const missing = [...new Set(Object.entries(packages).flatMap(([program, name]) => (onPath(program) ? [] : [name])))]
  // catatonit's program stands in a libexec directory on some releases; dpkg knows.
  const wanted: string[] = []
  for (const name of missing) if ((await run('dpkg', ['-s', name])).code !== 0) wanted.push(name)
  if (!wanted.length) return
  if (process.getuid?.() !== 0)
    return void console.log(`not root: cannot install ${wanted.join(', ')}; tests that need them are skipped`)
  console.log(`installing ${wanted.join(', ')}`)
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  const get = () => run('apt-get', ['install', '-y', '--no-install-recommends', ...wanted], env)
  let result = await get()
  if (result.code !== 0) {
    await run('apt-get', ['update'], env)
    result = await get()
  }
  if (result.code !== 0) console.log(result.output.slice(-2000))
}

async function check(name: string, command: string, args: readonly string[]): Promise<void> {
  const began = performance.now()
  const { code, output } = await run(command, args)
  const ms = Math.round(performance.now() - began)
  console.log(`${code === 0 ? 'ok  ' : 'FAIL'} ${name} (${ms} ms)`)
  if (code === 0) totals.passed++
  else {
    totals.failed++
    console.log(output.slice(-6000))
  }
}

async function tests(name: string, files: readonly string[], concurrency: number): Promise<void> {
  if (!files.length) return
  const began = performance.now()
  const args = [
    '--disable-warning=ExperimentalWarning',
    '--test',
    `--test-concurrency=${concurrency}`,
    '--test-reporter=spec',
    ...files,
  ]
  const { code, output } = await run(node, args, { KUTTER_FREEZE: '1', NODE_COMPILE_CACHE: `${root}.cache/compile` })
  const count = (word: string) => Number(new RegExp(`^ℹ ${word} (\\d+)$`, 'm').exec(output)?.[1] ?? 0)
  const failed = count('fail') + count('cancelled')
  totals.passed += count('pass')
  totals.skipped += count('skipped') + count('todo')
  totals.failed += failed || (code !== 0 ? 1 : 0)
  console.log(
    `${code === 0 ? 'ok  ' : 'FAIL'} ${name}: ${count('pass')} passed, ${failed} failed, ${count('skipped')} skipped (${Math.round((performance.now() - began) / 1000)} s)`,
  )
  for (const line of output.split('\n')) if (/^\s*﹣/.test(line)) console.log(`     ${line.trim()}`)
  if (code !== 0) console.log(output.slice(output.indexOf('✖ failing tests:')).slice(0, 12_000) || output.slice(-4000))
}

const words = process.argv.slice(2)
const chosen = (pattern: string) =>
  globSync(pattern)
    .sort()
    .filter(file => !words.length || words.some(word => file.includes(word)))

await install()
if (!words.length) {
  await check('types', node, ['node_modules/typescript/bin/tsc', '-p', '.'])
  await check('lint', 'node_modules/.bin/oxlint', ['--type-aware', 'src', 'test', 'tools', 'bench'])
  await check('format', 'node_modules/.bin/biome', ['format', 'src', 'test', 'tools', 'bench'])
}
await tests('unit tests', [...chosen('src/**/*.test.ts'), ...chosen('test/*.test.ts')], 2)
await tests('simulations', chosen('test/sim/**/*.test.ts'), 2)
await tests('recorded conversations', chosen('test/parity/*.test.ts'), 1)
await tests('chaos', chosen('test/chaos/*.test.ts'), 1)
await tests('end-to-end tests', chosen('test/e2e/**/*.test.ts'), 1)
console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`)
process.exit(totals.failed ? 1 : 0)
