// Types of secrets and the keys that each must have. Source: pkg/apis/core/validation (ValidateSecret).
import { notAnObject } from '../../base/go-text.ts'
import { jsonSyntaxError } from '../../base/json-syntax.ts'
import type { Problems } from '../../api/checks.ts'
import type { KubeObject } from '../../api/kind.ts'
import type { Path } from '../../api/path.ts'
import { decodedBytes, maxDataBytes, validateDataKeys } from './data-rules.ts'

type Secret = KubeObject & { type: string; data?: Record<string, string> }

const accountAnnotation = 'kubernetes.io/service-account.name'

export function* validateSecret({ metadata, type, data = {} }: Secret, at: Path): Problems {
  const path = at.field('data')
  yield* validateDataKeys(data, path)
  if (decodedBytes(Object.values(data)) > maxDataBytes) yield path.tooLong(maxDataBytes)
  const missing = (key: string) => (data[key] === undefined ? [path.key(key).required()] : [])
  switch (type) {
    case 'kubernetes.io/service-account-token':
      if (!metadata.annotations?.[accountAnnotation])
        yield at.field('metadata', 'annotations').key(accountAnnotation).required()
      return
    case 'kubernetes.io/dockercfg':
      return yield* validateConfig(data['.dockercfg'], path.key('.dockercfg'))
    case 'kubernetes.io/dockerconfigjson':
      return yield* validateConfig(data['.dockerconfigjson'], path.key('.dockerconfigjson'))
    case 'kubernetes.io/basic-auth':
      if (data.username === undefined && data.password === undefined)
        yield* [...missing('username'), ...missing('password')]
      return
    case 'kubernetes.io/ssh-auth':
      if (!data['ssh-privatekey']) yield path.key('ssh-privatekey').required()
      return
    case 'kubernetes.io/tls':
      yield* [...missing('tls.crt'), ...missing('tls.key')]
  }
}

/** JSON, which must be an object. What is in it is not shown. */
function* validateConfig(text: string | undefined, at: Path): Problems {
  if (text === undefined) return yield at.required()
  const problem = jsonProblem(Buffer.from(text, 'base64').toString())
  if (problem) yield at.invalid('<secret contents redacted>', problem)
}

function jsonProblem(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && !Array.isArray(value)) return undefined
    return notAnObject(value)
  } catch {
    return jsonSyntaxError(text)
  }
}
