// `kutter token create | list | delete`: manages the tokens with which other machines join the cluster.
import { realClock } from '../base/clock.ts'
import { isReason } from '../base/errors.ts'
import { shortAge } from '../api/time.ts'
import {
  bootstrapTokenNamespace,
  bootstrapTokenPrefix,
  bootstrapTokenType,
  readBootstrapToken,
} from '../kinds/core/bootstrap-token.ts'
import { Secret } from '../kinds/core/secret.ts'
import { publicKeyHash } from '../wire/x509.ts'
import { type Admin, withAdmin } from './admin.ts'
import { UsageError } from './args.ts'
import type { ClusterConfig, ClusterPaths } from './config.ts'
import { mustShareStore } from './join-server.ts'
import { publishServerKeys } from './server-keys.ts'
import { tableText } from './table.ts'
import { createBootstrapToken, joinTokenText } from './join-token.ts'

interface Context {
  paths: ClusterPaths
  config: ClusterConfig
  /** Lifetime of a new token; 0 for one that does not expire. */
  ttlMs: number
  /** Whether the token is for a further server rather than a node. */
  isServer: boolean
  out: (text: string) => void
}

export async function tokenCommand(words: readonly string[], context: Context): Promise<number> {
  const [action, id] = words
  const act = { create: createToken, list: listTokens, delete: deleteToken }[action ?? '']
  if (!act) throw new UsageError('kutter token requires one of: create, list, delete')
  return withAdmin(context.paths, context.config, async admin => {
    return await act(admin, context, id)
  })
}

async function createToken({ client, ca }: Admin, { ttlMs, isServer, config, paths, out }: Context): Promise<number> {
  if (isServer) mustShareStore(config, paths)
  const parts = await createBootstrapToken(client, {
    description: 'created by kutter token create',
    ...(ttlMs > 0 && { expiresAt: realClock.now() + ttlMs }),
  })
  const word = isServer ? `+${await publishServerKeys(client, parts.id, { config, paths })}` : ''
  out(`${joinTokenText({ ...parts, authority: await publicKeyHash(ca) })}${word}\n`)
  return 0
}

async function listTokens({ client }: Admin, { out }: Context): Promise<number> {
  const { items } = await client.list(Secret, {
    namespace: bootstrapTokenNamespace,
    fieldSelector: `type=${bootstrapTokenType}`,
  })
  const rows = items.flatMap(secret => {
    const token = readBootstrapToken(secret)
    if (!token) return []
    const left = token.expiresAt === undefined ? '<forever>' : shortAge(Math.max(0, token.expiresAt - realClock.now()))
    const expires = token.expiresAt === undefined ? '<never>' : new Date(token.expiresAt).toISOString()
    return [[token.id, left, expires, [...token.usages].sort().join(',')]]
  })
  out(tableText([['ID', 'TTL', 'EXPIRES', 'USAGES'], ...rows]))
  return 0
}

async function deleteToken({ client }: Admin, { out }: Context, given?: string): Promise<number> {
  const id = given?.split('.')[0]
  if (!id) throw new UsageError('kutter token delete requires a token or its ID, the six characters before the dot')
  try {
    await client.delete(Secret, { namespace: bootstrapTokenNamespace, name: bootstrapTokenPrefix + id })
  } catch (error) {
    if (isReason(error, 'NotFound'))
      throw new UsageError(`there is no token ${id}; list the existing tokens with: kutter token list`)
    throw error
  }
  out(`Token ${id} is deleted. Nodes that joined with it stay in the cluster.\n`)
  return 0
}
