// From text to program: parse, check, and compile.
import { check } from './checker.ts'
import { compileTree, type CallCosts } from './compile.ts'
import type { Environment } from './environment.ts'
import { formatIssues, type Issue } from './issues.ts'
import { parse } from './parser.ts'
import { Program } from './program.ts'
import { dyn } from './types.ts'

/** Looks at a checked tree for what can only fail at run time. */
export type Validator = (program: Program, environment: Environment, issues: Issue[]) => void

interface CompilationOptions {
  /** What calls cost; without it every call that the language itself does not count costs one. */
  readonly costs: CallCosts
  readonly validators?: readonly Validator[]
  readonly check?: boolean
  readonly fold?: boolean
}

/**
 * The program, or all that is wrong with the text, as cel-go prints it. What only the making of the program finds, such
 * as a pattern that is none, has another prefix in Kubernetes.
 */
export type Compiled =
  | { readonly program: Program; readonly error?: undefined }
  | { readonly error: string; readonly foundBy: 'compilation' | 'program instantiation' }

export function compileWith(text: string, environment: Environment, options: CompilationOptions): Compiled {
  const { macros } = environment
  const { quotedFields = false, maxCharacters, maxDepth } = environment.options
  const bounds = { ...(maxCharacters && { maxCharacters }), ...(maxDepth && { maxDepth }) }
  const { source, node, issues } = parse(text, { macros, quotedFields, ...bounds })
  const refusal = () => ({ error: formatIssues(source, issues), foundBy: 'compilation' }) as const
  if (issues.length) return refusal()
  const type = options.check === false ? dyn : check(node, environment, issues)
  if (issues.length) return refusal()
  const { costs, fold = true } = options
  const program = new Program(node, type, compileTree(node, { environment, costs, fold }))
  for (const validate of options.validators ?? []) validate(program, environment, issues)
  return issues.length ? refusal() : { program }
}
