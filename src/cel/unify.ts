// Decides whether a type can stand where another is expected, and what that says about type parameters: `list(A)`
// takes `list(int)` when A is int.
// Source: cel-go checker/types.go.
import { dyn, isDynOrError, sameType, type Type } from './types.ts'

/** What type parameters stand for, by their names; a failed attempt leaves nothing behind. */
export class Bindings {
  readonly #types = new Map<string, Type>()
  /** What was there before each change of the attempt that is under way. */
  readonly #trail: [string, Type | undefined][] = []

  get(name: string): Type | undefined {
    return this.#types.get(name)
  }

  set(name: string, type: Type): void {
    this.#trail.push([name, this.#types.get(name)])
    this.#types.set(name, type)
  }

  /** Keeps what the attempt has set when it succeeds, and takes it back when it does not. */
  attempt(succeeds: () => boolean): boolean {
    this.#trail.length = 0
    if (succeeds()) return true
    for (const [name, before] of this.#trail.toReversed())
      if (before) this.#types.set(name, before)
      else this.#types.delete(name)
    return false
  }
}

/** Whether every one of `from` can stand for its partner in `to`; if so, `known` has what that takes. */
export const assignAll = (known: Bindings, from: readonly Type[], to: readonly Type[]): boolean =>
  known.attempt(() => allAssignable(known, from, to))

export const assign = (known: Bindings, from: Type, to: Type): boolean => assignAll(known, [from], [to])

function allAssignable(known: Bindings, from: readonly Type[], to: readonly Type[]): boolean {
  return from.length === to.length && from.every((type, i) => isAssignable(known, type, to[i]!))
}

function isAssignable(known: Bindings, from: Type, to: Type): boolean {
  if (to.kind === 'param') {
    const { fits, bound } = bind(known, from, to)
    if (fits || bound) return fits
  }
  if (from.kind === 'param') return bind(known, to, from).fits
  if (isDynOrError(from) || isDynOrError(to)) return true
  if (from.kind === 'null') return isNullable(to)
  if (to.kind === 'null') return isNullable(from)
  // A wrapper holds what it wraps, and the checks make no difference between the two.
  if (from.kind === 'wrapper') return isAssignable(known, from.params[0]!, to)
  if (to.kind === 'wrapper') return isAssignable(known, from, to.params[0]!)
  // A type is a type, whatever it is the type of.
  if (from.kind === 'type') return to.kind === 'type'
  return from.kind === to.kind && from.name === to.name && allAssignable(known, from.params, to.params)
}

const isNullable = (type: Type): boolean =>
  ['null', 'opaque', 'object', 'wrapper', 'timestamp', 'duration'].includes(type.kind)

/** Tries to let `parameter` stand for `type`. `bound` says that it stood for something before. */
function bind(known: Bindings, type: Type, parameter: Type): { fits: boolean; bound: boolean } {
  if (sameType(type, parameter)) return { fits: true, bound: true }
  const before = known.get(parameter.name)
  if (before) {
    if (sameType(type, before)) return { fits: true, bound: true }
    if (!isAssignable(known, type, before)) return { fits: false, bound: true }
    const general = moreGeneral(type, before)
    if (!occursIn(known, parameter, general)) known.set(parameter.name, general)
    return { fits: true, bound: true }
  }
  if (occursIn(known, parameter, type)) return { fits: false, bound: false }
  known.set(parameter.name, type)
  return { fits: true, bound: false }
}

/** Whether `type` contains the parameter, so that a substitution would have no end. */
function occursIn(known: { get(name: string): Type | undefined }, parameter: Type, type: Type): boolean {
  if (sameType(parameter, type)) return true
  if (type.kind === 'param') {
    const meant = known.get(type.name)
    return meant !== undefined && occursIn(known, parameter, meant)
  }
  return type.params.some(p => occursIn(known, parameter, p))
}

/** Of two types that can stand for each other, the one that says less; null says nothing of what can be null. */
export function moreGeneral(a: Type, b: Type): Type {
  if (b.kind === 'null' && isNullable(a)) return a
  return isSameOrMoreGeneral(a, b) ? a : b
}

function isSameOrMoreGeneral(a: Type, b: Type): boolean {
  if (a.kind === 'dyn' || a.kind === 'param') return true
  if (b.kind === 'dyn' || b.kind === 'param') return false
  if (a.kind === 'wrapper' && b.kind !== 'wrapper') return b.kind === 'null' || isSameOrMoreGeneral(a.params[0]!, b)
  if (a.kind !== b.kind || a.name !== b.name || a.params.length !== b.params.length) return false
  if (a.kind === 'type') return true
  return a.params.every((p, i) => isSameOrMoreGeneral(p, b.params[i]!))
}

/** The type with every known parameter replaced; with `unknownToDyn` the others become dyn. */
export function substitute(known: { get(name: string): Type | undefined }, type: Type, unknownToDyn = false): Type {
  if (type.kind === 'param') {
    const meant = known.get(type.name)
    if (meant) return substitute(known, meant, unknownToDyn)
    return unknownToDyn ? dyn : type
  }
  if (!type.params.length) return type
  return { ...type, params: type.params.map(p => substitute(known, p, unknownToDyn)) }
}
