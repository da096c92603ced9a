// How functions are declared: a name, and overloads that differ in the types they take.
import type { Type } from './types.ts'
import type { Value } from './values.ts'

/** Computes a call. Arguments are never failures, except for overloads that say `nonStrict`. */
export type Implementation = (...args: Value[]) => Value

export interface Overload {
  /** Upstream's identifier, which costs go by. */
  readonly id: string
  /** With the target first, for a method. */
  readonly args: readonly Type[]
  readonly result: Type
  /** Called as `target.f(…)`. */
  readonly isMember: boolean
  readonly nonStrict: boolean
  /** Set where `run` finds out which arguments are wrong, for calls that the checker could not decide. */
  readonly unguarded?: boolean
  readonly run: Implementation
}

export interface FunctionDecl {
  readonly name: string
  readonly overloads: readonly Overload[]
}

/** A function called as `f(…)`. */
export const plain = (id: string, args: readonly Type[], result: Type, run: Implementation): Overload => ({
  id,
  args,
  result,
  isMember: false,
  nonStrict: false,
  run,
})

/** A method called as `target.f(…)`; the target is the first of the arguments. */
export const member = (id: string, args: readonly Type[], result: Type, run: Implementation): Overload => ({
  ...plain(id, args, result, run),
  isMember: true,
})

export const fn = (name: string, ...overloads: Overload[]): FunctionDecl => ({ name, overloads })

/** A part of the language that can be there or not: functions, macros, and names of types. */
export interface Library {
  readonly name: string
  readonly functions: readonly FunctionDecl[]
  readonly macros?: readonly MacroName[]
  /** Types that expressions may name, such as `net.IP`. */
  readonly types?: readonly Type[]
}

/** Macros are expanded by the parser, which takes their definitions from `macros.ts` by group. */
export type MacroName = 'optional' | 'twoVariables' | 'bind' | 'sortBy'
