// The CEL rules of one level of a schema, compiled. A level is compiled once, when its definition is checked or when
// the first object is, whichever comes first.
// Source: apiextensions-apiserver pkg/apiserver/schema/cel/compilation.go.
import {
  compile,
  declare,
  estimateCost,
  estimatorWith,
  kubernetes,
  mentions,
  objectsOf,
  type Program,
  sizesOf,
  types,
} from '../../cel/index.ts'
import type { SchemaProps, ValidationRule } from './jsonschema.ts'

export interface CompiledRule {
  readonly rule: ValidationRule
  /** Undefined for a rule that is empty or cannot be compiled. */
  readonly program: Program | undefined
  readonly error: string | undefined
  readonly message: Program | undefined
  readonly messageError: string | undefined
  readonly usesOldSelf: boolean
  /** The largest costs, as estimated from the limits of the schema. */
  readonly maxCost: bigint
  readonly maxMessageCost: bigint
}

interface CompiledLevel {
  readonly rules: readonly CompiledRule[]
  /** How often a value of this level fits into one request. */
  readonly maxCardinality: bigint
}

/** The name of the type of `self`. No expression can name it. */
const selfType = 'selfType'
const maxRequestBytes = 3 * 1024 * 1024

const levels = new WeakMap<SchemaProps, CompiledLevel | { readonly error: string }>()

/**
 * Compiles the rules of a level. `isWhole` is whether values are whole objects, which have a type and metadata. Returns
 * an error for values that expressions cannot see.
 */
export function compileLevel(schema: SchemaProps, isWhole: boolean): CompiledLevel | { readonly error: string } {
  let level = levels.get(schema)
  if (!level) levels.set(schema, (level = compileAll(schema, isWhole)))
  return level
}

function compileAll(schema: SchemaProps, isWhole: boolean): CompiledLevel | { readonly error: string } {
  const self = declare(schema as Parameters<typeof declare>[0], selfType, isWhole)
  if (!self) {
    const preserves = schema['x-kubernetes-preserve-unknown-fields'] ?? false
    return {
      error: `rule declared on schema that does not support validation rules type: '${schema.type ?? ''}' x-kubernetes-preserve-unknown-fields: '${preserves}'`,
    }
  }
  const objects = objectsOf(self)
  const withOld = (oldSelf: typeof self.type) => kubernetes.extend({ variables: { self: self.type, oldSelf }, objects })
  const environments = { plain: withOld(self.type), optional: withOld(types.optional(self.type)) }
  const estimator = estimatorWith(sizesOf({ self, oldSelf: self }))
  const costOf = (program: Program | undefined) => (program ? estimateCost(program.node, estimator).max : 0n)
  const rules = (schema['x-kubernetes-validations'] ?? []).map((rule): CompiledRule => {
    const environment = rule.optionalOldSelf ? environments.optional : environments.plain
    const { program, error } = compileText(rule.rule, environment, 'bool')
    const message = compileText(rule.messageExpression ?? '', environment, 'string')
    return {
      rule,
      program,
      error,
      message: message.program,
      messageError: message.error && `messageExpression ${message.error}`,
      usesOldSelf: program !== undefined && mentions(program.node, 'oldSelf'),
      maxCost: costOf(program),
      maxMessageCost: costOf(message.program),
    }
  })
  return { rules, maxCardinality: BigInt(Math.floor(maxRequestBytes / (self.minBytes + 1))) }
}

interface CompiledText {
  program?: Program | undefined
  error?: string | undefined
}

function compileText(text: string, environment: typeof kubernetes, kind: 'bool' | 'string'): CompiledText {
  if (!text.trim()) return {}
  const compiled = compile(text, environment)
  if (compiled.error !== undefined) return { error: `${compiled.foundBy} failed: ${compiled.error}` }
  const { program } = compiled
  if (program.type.kind === kind) return { program }
  return { error: kind === 'bool' ? 'cel expression must evaluate to a bool' : 'must evaluate to a string' }
}
