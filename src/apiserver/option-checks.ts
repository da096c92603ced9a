// Checks of options that may be in the query or in a body.
import { invalidError, type Problem, root } from '../api/path.ts'

/** The problems of dryRun. Source: ValidateDryRun. */
export function dryRunProblems(dryRun: readonly unknown[]): Problem[] {
  return dryRun.some(value => value !== 'All') ? [root.field('dryRun').notSupported(dryRun, ['All'])] : []
}

/** Throws Invalid if options have problems. */
export function refuse(kind: string, problems: readonly Problem[]): void {
  if (problems.length) throw invalidError({ group: 'meta.k8s.io', kind }, '', problems)
}
