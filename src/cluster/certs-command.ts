// `kutter certs`: what the certificates of a cluster on this machine are for and how long they are valid, and new ones for
// all but the authorities. Those are replaced by rotation.ts.
import { existsSync } from 'node:fs'
import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { realClock } from '../base/clock.ts'
import { unreachable } from '../base/errors.ts'
import { shortAge } from '../api/time.ts'
import { readCertificate, splitBundle } from '../wire/x509.ts'
import { adminOf } from './admin.ts'
import { UsageError } from './args.ts'
import type { ClusterConfig, ClusterPaths } from './config.ts'
import { etcdPki } from './etcd-member.ts'
import { isUp } from './link.ts'
import { nodeDirs } from './node-names.ts'
import { rotateAuthority, rotateTokenKey } from './rotation.ts'
import { tableText } from './table.ts'

interface Context {
  paths: ClusterPaths
  config: ClusterConfig
  /** The same, where a server of the cluster runs here. Throws UsageError elsewhere. */
  own(): ClusterConfig
  /** Runs while no other command changes the cluster. */
  alone(run: () => Promise<number>): Promise<number>
  /** Whether the authority before the present one ends. */
  isFinish: boolean
  out: (text: string) => void
}

interface Found {
  file: string
  subject: string
  notAfter: number
  isAuthority: boolean
}

const waitMs = 10_000
const authorities = /^(ca|ca-chain|front-proxy-ca)\.crt$/

const actions = ['list', 'renew', 'rotate-ca', 'rotate-sa-key'] as const

/** Returns the exit code. Throws UsageError where this is not possible here. */
export async function certsCommand([word]: readonly string[], context: Context): Promise<number> {
  const action = actions.find(name => name === word)
  switch (action) {
    case 'list':
      return list(context)
    case 'renew':
      return renew(context)
    case 'rotate-ca':
      return context.alone(() => rotateAuthority({ ...context, config: context.own() }, context.isFinish))
    case 'rotate-sa-key':
      return context.alone(() => rotateTokenKey({ ...context, config: context.own() }))
    case undefined:
      throw new UsageError(`kutter certs requires one of: ${actions.join(', ')}`)
    default:
      return unreachable(action)
  }
}

async function list({ paths, out }: Context): Promise<number> {
  const now = realClock.now()
  const rows = (await find(paths)).map(({ file, subject, notAfter, isAuthority }) => [
    file.slice(paths.root.length + 1),
    subject,
    new Date(notAfter).toISOString().replace(/\.\d+Z$/, 'Z'),
    notAfter <= now ? 'expired' : shortAge(notAfter - now),
    isAuthority ? 'yes' : '',
  ])
  out(tableText([['FILE', 'SUBJECT', 'EXPIRES', 'LEFT', 'AUTHORITY'], ...rows]))
  return 0
}

/** Removes certificates; the processes that use them issue them again at once, or at the next start. */
async function renew({ paths, config, out }: Context): Promise<number> {
  const old = (await find(paths)).filter(({ isAuthority, file }) => !isAuthority && file.endsWith('.crt'))
  for (const { file } of old) await rm(file, { force: true })
  // The kubeconfig of the administrator is written again by the next `up`; its certificate goes on being valid.
  const admin = await adminOf(paths, config)
  admin.close()
  if (!(await isUp(paths.socket))) {
    out(`${old.length} certificates are issued again when the cluster starts.\n`)
    return 0
  }
  const until = realClock.steady() + waitMs
  const used = old.filter(({ file }) => !file.endsWith('/admin.crt'))
  while (used.some(({ file }) => !existsSync(file)) && realClock.steady() < until) await realClock.sleep(100)
  const missing = used.filter(({ file }) => !existsSync(file)).map(({ file }) => file)
  out(`${old.length - missing.length} certificates are new, and in use.\n`)
  if (missing.length) out(`Issued at the next start of what uses them: ${missing.join(', ')}\n`)
  return 0
}

/** All certificates of the cluster on this machine, those of its authorities first. */
async function find(paths: ClusterPaths): Promise<Found[]> {
  const agents = join(paths.root, 'agents')
  const nodes = existsSync(agents) ? await readdir(agents) : []
  const directories = [paths.pki, etcdPki(paths), ...nodes.map(node => nodeDirs(paths.node(node)).pki)]
  const found: Found[] = []
  for (const directory of directories.filter(existsSync))
    for (const name of (await readdir(directory)).sort()) {
      if (!/\.(crt|pem)$/.test(name)) continue
      const file = join(directory, name)
      const isAuthority = !directory.startsWith(agents) && authorities.test(name)
      const bundle = splitBundle(await readFile(file, 'utf8'))
      // What follows the certificate of a process is in files of its own.
      for (const certificate of isAuthority ? bundle : bundle.slice(0, 1)) {
        const { commonName, organizations, notAfter } = readCertificate(certificate)
        found.push({ file, subject: [commonName, ...organizations].join(' '), notAfter, isAuthority })
      }
    }
  return found.sort((a, b) => Number(b.isAuthority) - Number(a.isAuthority))
}
