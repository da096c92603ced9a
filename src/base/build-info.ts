// Which release this is, as /version, the Node and the metric kubernetes_build_info show it.
import { measure } from './metrics.ts'

/** The release of Kubernetes whose behaviour this one has. */
export const kubernetesVersion = 'v1.36.0'

export const buildInfo = {
  major: '1',
  minor: '36',
  gitVersion: `${kubernetesVersion}+kutter`,
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '2026-11-01T00:00:00Z',
  goVersion: 'none',
  compiler: 'none',
  platform: `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`,
} as const

const { major, minor, platform, compiler } = buildInfo
const labels = {
  major,
  minor,
  git_version: buildInfo.gitVersion,
  git_commit: buildInfo.gitCommit,
  git_tree_state: buildInfo.gitTreeState,
  build_date: buildInfo.buildDate,
  go_version: buildInfo.goVersion,
  compiler,
  platform,
}
measure('kubernetes_build_info', 'Which release this is; the value is always 1.', 'gauge', () => [{ labels, value: 1 }])
