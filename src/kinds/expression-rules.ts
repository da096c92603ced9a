// CEL expressions, as far as they can be judged without running them: one that says nothing does not compile.
// Source: apiserver pkg/cel; cel-go's parser, whose words these are.
import type { Problems } from '../api/checks.ts'
import type { Path } from '../api/path.ts'

const nothing =
  "ERROR: <input>:1:0: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"

/** An expression that must be there. `failed` is how the kind introduces what the compiler says. */
export function* validateExpression(expression: string, failed: string, at: Path): Problems {
  if (!expression.trim()) yield at.invalid(expression, `${failed}${nothing}`)
}
