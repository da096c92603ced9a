// `kutter why pod/NAME`: shows the scheduler's last decision on a pod, node by node: which plugin refused it and why,
// and how the other nodes scored.
import { timeText } from '../api/time.ts'
import type { DecisionReport, Explanation } from '../scheduler/index.ts'
import { withAdmin } from './admin.ts'
import { UsageError } from './args.ts'
import type { ClusterConfig, ClusterPaths } from './config.ts'
import { decisionPath } from './scheduler-debug.ts'

interface WhyOptions {
  paths: ClusterPaths
  config: ClusterConfig
  namespace: string
  json: boolean
  out: (text: string) => void
}

/** Returns the exit code: 1 when the scheduler has no such pod. */
export async function why(words: readonly string[], options: WhyOptions): Promise<number> {
  const { paths, config, namespace, json, out } = options
  const [, name] = /^(?:pods?|po)\/(.+)$/.exec(words[0] ?? '') ?? []
  if (!name || words.length > 1) throw new UsageError('kutter why requires one pod: kutter why pod/NAME [-n NAMESPACE]')
  return withAdmin(paths, config, async admin => {
    const explanation = JSON.parse(await admin.fetch(decisionPath(namespace, name))) as Explanation
    out(json ? `${JSON.stringify(explanation, null, 2)}\n` : describeDecision(explanation))
    return explanation.state === 'unknown' ? 1 : 0
  })
}

/**
 * The text form: one sentence, a table of the nodes that passed with their scores, a table of those that were refused.
 */
export function describeDecision({ summary, decision }: Explanation): string {
  if (!decision) return `${summary}\n`
  const { at, node, message, nodes, total, others } = decision
  const lines = [summary, '', `The last decision, at ${timeText(at)}, over ${total} ${total === 1 ? 'node' : 'nodes'}:`]
  if (message) lines.push(`  ${message}`)
  const passed = nodes.filter(({ refused }) => !refused)
  if (passed.length) lines.push('', ...indent(scoreTable(passed, node)))
  const refused = nodes.flatMap(({ name, refused: no }) => (no ? [[name, no.plugin, no.reasons.join(', ')]] : []))
  if (refused.length) lines.push('', ...indent(table([['REFUSED', 'BY', 'WHY'], ...refused])))
  const rest = total - nodes.length
  if (rest > 0)
    lines.push('', `  ${rest} other nodes: ${others?.join(', ') ?? 'not examined, since enough nodes had been found'}`)
  return `${lines.join('\n')}\n`
}

function scoreTable(nodes: DecisionReport['nodes'], chosen: string | undefined): string[] {
  const plugins = [...new Set(nodes.flatMap(({ scores }) => Object.keys(scores ?? {})))]
  const rows = nodes.map(({ name, scores = {}, total }) => [
    name === chosen ? `${name} *` : name,
    ...(plugins.length ? [String(total), ...plugins.map(plugin => String(scores[plugin] ?? ''))] : ['the only one']),
  ])
  const title = plugins.length ? ['PASSED', 'TOTAL', ...plugins] : ['PASSED', '']
  return table([title, ...rows])
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map(row => (row[i] ?? '').length)))
  return rows.map(row =>
    row
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('   ')
      .trimEnd(),
  )
}

const indent = (lines: readonly string[]) => lines.map(line => `  ${line}`)
