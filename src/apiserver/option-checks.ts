// Checks of options that come in the query as well as in a body.
import { invalidError, type Problem, root } from '../api/path.ts'

/** Source: ValidateDryRun. */
export function dryRunProblems(dryRun: readonly unknown[]): Problem[] {
  return dryRun.some(value => value !== 'All') ? [root.field('dryRun').notSupported(dryRun, ['All'])] : []
}

/** Throws the 422 of bad options. */
export function refuse(kind: string, problems: readonly Problem[]): void {
  if (problems.length) throw invalidError({ group: 'meta.k8s.io', kind }, '', problems)
}
