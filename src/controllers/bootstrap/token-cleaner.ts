// Deletes bootstrap tokens, which are Secrets, when they expire. Source: pkg/controller/bootstrap/tokencleaner.go.
import { readBootstrapToken } from '../../kinds/core/bootstrap-token.ts'
import { Secret } from '../../kinds/core/secret.ts'
import { defineController } from '../harness.ts'

export const bootstrapTokenCleaner = defineController({
  name: 'token-cleaner',
  reconciles: Secret,
  when: secret => readBootstrapToken(secret)?.expiresAt !== undefined,
  async reconcile(secret, ctx) {
    const expiresAt = readBootstrapToken(secret)?.expiresAt
    if (expiresAt === undefined) return
    const again = expiresAt - ctx.now()
    if (again > 0) return { again }
    await ctx.delete(Secret, secret)
  },
})
