// By which of the Pod Security Standards the pods of a namespace are judged: what its labels ask for, and for what they
// leave out, the defaults of the server.
// Source: k8s.io/pod-security-admission (api/helpers.go, admission/api).
import { own } from '../../base/own.ts'
import type { Labels } from '../../api/labels.ts'
import { type Problem, root } from '../../api/path.ts'

export const levels = ['privileged', 'baseline', 'restricted'] as const
type Level = (typeof levels)[number]

export interface LevelVersion {
  level: Level
  /** A minor version of Kubernetes, or the newest rules. */
  version: number | 'latest'
}

export const modes = ['enforce', 'audit', 'warn'] as const
export type Policy = Readonly<Record<(typeof modes)[number], LevelVersion>>

/** What is not judged: requests of users, and pods in namespaces or of runtime classes. */
export type Exemptions = Readonly<Record<'usernames' | 'namespaces' | 'runtimeClasses', ReadonlySet<string>>>

export const labelPrefix = 'pod-security.kubernetes.io/'
const loose: LevelVersion = { level: 'privileged', version: 'latest' }
export const loosePolicy: Policy = { enforce: loose, audit: loose, warn: loose }

export const levelText = ({ level, version }: LevelVersion): string =>
  `${level}:${version === 'latest' ? version : `v1.${version}`}`

/** Reads `latest` or `v1.x`. Undefined for anything else. */
export function parseVersion(text: string): LevelVersion['version'] | undefined {
  const minor = /^v1\.(0|[1-9]\d*)$/.exec(text)?.[1]
  return text === 'latest' ? text : minor === undefined ? undefined : Number(minor)
}

/** The levels that labels ask for. A level that cannot be read is the strictest, or for notes and warnings the loosest. */
export function policyOf(labels: Labels | undefined, defaults: Policy): { policy: Policy; problems: Problem[] } {
  const policy = { ...defaults }
  const problems: Problem[] = []
  if (!labels) return { policy, problems }
  const at = root.field('metadata', 'labels')
  for (const mode of modes) {
    const [key, versionKey] = [labelPrefix + mode, `${labelPrefix}${mode}-version`]
    const [level, version] = [own(labels, key), own(labels, versionKey)]
    let next = policy[mode]
    if (level !== undefined) {
      const known = levels.find(one => one === level)
      if (!known) problems.push(at.key(key).invalid(level, `must be one of ${levels.join(', ')}`))
      next = { ...next, level: known ?? (mode === 'enforce' ? 'restricted' : 'privileged') }
    }
    if (version !== undefined) {
      const parsed = parseVersion(version)
      if (parsed === undefined) problems.push(at.key(versionKey).invalid(version, 'must be "latest" or "v1.x"'))
      next = { ...next, version: parsed ?? 'latest' }
    }
    policy[mode] = next
  }
  return { policy, problems }
}

/** What a client reads that sets a policy in an exempt namespace. Undefined for a policy that demands nothing. */
export function exemptionWarning(name: string, labels: Labels, policy: Policy, defaults: Policy): string | undefined {
  const isLoose = modes.every(mode => policy[mode].level === 'privileged')
  if (isLoose || modes.every(mode => levelText(policy[mode]) === levelText(defaults[mode]))) return undefined
  const isSet = (mode: string) => [mode, `${mode}-version`].some(key => own(labels, labelPrefix + key) !== undefined)
  const parts = modes.filter(mode => policy[mode].level !== 'privileged' && isSet(mode))
  const text = parts.map(mode => `${mode}=${levelText(policy[mode])}`).join(', ')
  return `namespace ${JSON.stringify(name)} is exempt from Pod Security, and the policy (${text}) will be ignored`
}
