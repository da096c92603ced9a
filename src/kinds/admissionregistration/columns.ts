// A column that bindings of both kinds of policy have. Source: pkg/printers/internalversion/printers.go.

interface Reference {
  readonly name?: string
  readonly namespace?: string
  readonly selector?: unknown
}

/** The parameters a binding names: one object, those of a selector, or none. */
export function paramText(reference: Reference | undefined): string {
  if (!reference) return '<unset>'
  const { name, namespace } = reference
  if (name) return namespace ? `${namespace}/${name}` : `*/${name}`
  return reference.selector ? '<selector>' : '<unset>'
}
