// The environment of Kubernetes: which libraries there are, what is checked beyond types, and what things cost.
// Source: apiserver pkg/cel/environment/base.go.
import type { Node } from './ast.ts'
import { callCosts } from './call-costs.ts'
import { compileWith, type Compiled, type Validator } from './compilation.ts'
import { Environment } from './environment.ts'
import type { Library } from './functions.ts'
import type { Issue } from './issues.ts'
import { authorization, authorizationSelectors } from './library/authorizer.ts'
import { bindings, twoVariables } from './library/comprehensions.ts'
import { namedFormats } from './library/formats.ts'
import { jsonPatch } from './library/json-patch.ts'
import { lists } from './library/lists.ts'
import { cidrs, ips } from './library/network.ts'
import { optionals } from './library/optionals.ts'
import { quantities } from './library/quantity.ts'
import { regex } from './library/regex.ts'
import { semvers } from './library/semver.ts'
import { sets } from './library/sets.ts'
import { standard } from './library/standard.ts'
import { stringsWith } from './library/strings.ts'
import { urls } from './library/urls.ts'
import { compilePattern } from './pattern.ts'
import { parseDuration, parseTimestamp } from './time.ts'
import { descendants } from './walk.ts'
import { Failure } from './values.ts'

const libraries: readonly Library[] = [
  standard,
  optionals,
  stringsWith('kubernetes'),
  sets,
  lists,
  regex,
  urls,
  quantities,
  ips,
  cidrs,
  namedFormats,
  authorization,
  authorizationSelectors,
  twoVariables,
  semvers,
]

/** The environment of Kubernetes 1.36 without variables. Extend it. */
export const kubernetes = new Environment({ libraries, homogeneousLiterals: true })

/** The same, and what only mutating policies have: the escaping of keys of JSON patches. */
export const mutation = new Environment({ libraries: [...libraries, jsonPatch], homogeneousLiterals: true })

/** The same, and what only selectors of devices have: `cel.bind`. Source: dynamic-resource-allocation cel/compile.go. */
export const deviceSelection = new Environment({ libraries: [...libraries, bindings], homogeneousLiterals: true })

/** Compiles an expression of Kubernetes. */
export function compile(text: string, environment: Environment): Compiled {
  const compiled = compileWith(text, environment, { costs: callCosts, validators: [validateLiterals], fold: true })
  const fault = compiled.error === undefined && faultOfPatterns(compiled.program.node)
  return fault ? { error: fault.message, foundBy: 'program instantiation' } : compiled
}

/** Upstream makes the patterns of `find` and `findAll` with the program; those of `matches` are validated before. */
function faultOfPatterns(tree: Node): Failure | undefined {
  for (const node of descendants(tree)) {
    if (node.kind !== 'call' || (node.name !== 'find' && node.name !== 'findAll')) continue
    const pattern = literalOf(node.args[0])
    const made = pattern === undefined ? undefined : compilePattern(pattern)
    if (made instanceof Failure) return made
  }
  return undefined
}

/** Constants that can only fail at run time are refused at once. Source: cel-go cel/validator.go. */
const validateLiterals: Validator = ({ node }, _, issues) => {
  for (const inner of descendants(node)) {
    if (inner.kind === 'call') validateCall(inner, issues)
  }
}

/** The text of a constant. */
const literalOf = (node: Node | undefined): string | undefined =>
  node?.kind === 'constant' && typeof node.value === 'string' ? node.value : undefined

function validateCall(node: Node & { kind: 'call' }, issues: Issue[]): void {
  const name = node.resolved ?? node.name
  const last = node.args.at(-1)
  const text = literalOf(last)
  if (text === undefined) return
  const isInvalid =
    (name === 'duration' && !parseDuration(text)) ||
    (name === 'timestamp' && !parseTimestamp(text)) ||
    (name === 'matches' && compilePattern(text) instanceof Failure)
  if (isInvalid) issues.push({ at: last!.at, message: `invalid ${name} argument` })
}
