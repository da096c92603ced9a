// `kutter secrets reencrypt`: writes every Secret again, so that all are encrypted with the key that is used now.
import { isReason } from '../base/errors.ts'
import { Secret } from '../kinds/core/secret.ts'
import { withAdmin } from './admin.ts'
import { UsageError } from './args.ts'
import type { ClusterConfig, ClusterPaths } from './config.ts'

interface Context {
  paths: ClusterPaths
  config: ClusterConfig
  out: (text: string) => void
}

export async function secretsCommand(words: readonly string[], { paths, config, out }: Context): Promise<number> {
  if (words.length !== 1 || words[0] !== 'reencrypt') throw new UsageError('kutter secrets requires: reencrypt')
  return withAdmin(paths, config, async admin => {
    const { items } = await admin.client.list(Secret)
    let written = 0
    for (const secret of items) {
      try {
        const { metadata } = await admin.client.update(Secret, secret)
        if (metadata.resourceVersion !== secret.metadata.resourceVersion) written++
      } catch (error) {
        // A later write has used the newest key, and a removed one needs none.
        if (!isReason(error, 'Conflict') && !isReason(error, 'NotFound')) throw error
      }
    }
    out(`${written} of ${items.length} Secrets were encrypted again; the others had the newest key.\n`)
    return 0
  })
}
