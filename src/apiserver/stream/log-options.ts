// Checks the query of a request for logs, GET …/pods/NAME/log.
// Source: pkg/apis/core/validation (ValidatePodLogOptions).
import { StatusError } from '../../base/errors.ts'
import { invalidError, type Problem, root } from '../../api/path.ts'

const flags = ['follow', 'previous', 'timestamps', 'insecureSkipTLSVerifyBackend']
const time = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/

/** Throws BadRequest for values that cannot be parsed, Invalid for wrong ones. */
export function checkLogOptions(name: string, query: URLSearchParams): void {
  for (const flag of flags) {
    const value = query.get(flag)
    if (value && !/^(1|0|t|f|true|false)$/i.test(value))
      throw new StatusError('BadRequest', `strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`)
  }
  const since = query.get('sinceTime')
  if (since && (!time.test(since) || Number.isNaN(Date.parse(since))))
    throw new StatusError(
      'BadRequest',
      `parsing time ${JSON.stringify(since)} as "2006-01-02T15:04:05Z07:00": cannot parse ${JSON.stringify(since)} as "2006"`,
    )
  const problems = [...problemsOf(query)]
  if (problems.length) throw invalidError({ group: '', kind: 'PodLogOptions' }, name, problems)
}

function* problemsOf(query: URLSearchParams): Iterable<Problem> {
  const tail = integer(query, 'tailLines')
  const limit = integer(query, 'limitBytes')
  const seconds = integer(query, 'sinceSeconds')
  if (tail !== undefined && tail < 0) yield root.field('tailLines').invalid(tail, 'must be greater than or equal to 0')
  if (limit !== undefined && limit < 1) yield root.field('limitBytes').invalid(limit, 'must be greater than 0')
  if (seconds !== undefined && query.get('sinceTime'))
    yield root.forbidden('at most one of `sinceTime` or `sinceSeconds` may be specified')
  else if (seconds !== undefined && seconds < 1)
    yield root.field('sinceSeconds').invalid(seconds, 'must be greater than 0')
  // Logs of only one output are a feature that is off by default.
  if (query.get('stream')) yield root.field('stream').forbidden('may not be specified')
}

/** An integer parameter. Throws BadRequest for other text. */
function integer(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name)
  if (text === null || text === '') return undefined
  if (!/^[+-]?\d+$/.test(text))
    throw new StatusError('BadRequest', `strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`)
  return Number(text)
}
