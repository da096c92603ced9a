// The environment of Kubernetes: which libraries there are, what is checked beyond types, and what things cost.
// Source: apiserver pkg/cel/environment/base.go.
import { callCosts } from './call-costs.ts'
import { compileWith, type Compiled } from './compilation.ts'
import { Environment } from './environment.ts'
import type { Library } from './functions.ts'
import { authorization, authorizationSelectors } from './library/authorizer.ts'
import { bindings, twoVariables } from './library/comprehensions.ts'
import { namedFormats } from './library/formats.ts'
import { jsonPatch } from './library/json-patch.ts'
import { listTransforms } from './library/list-transforms.ts'
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
import { faultOfPatterns, validateLiterals } from './validators.ts'

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
  listTransforms,
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
