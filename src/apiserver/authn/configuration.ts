// The file that names issuers of tokens and limits anonymous requests: AuthenticationConfiguration of
// apiserver.config.k8s.io. It is read field by field here, and then checked (jwt-checks.ts).
// Source: apiserver pkg/apis/apiserver/v1/types.go.
import { StatusError } from '../../base/errors.ts'
import { parseYaml } from '../../base/yaml-file.ts'
import { type Fields, readFields } from '../../api/config-file.ts'
import { type Problem, root } from '../../api/path.ts'
import { signatureAlgorithms } from '../../wire/jws.ts'
import { type CheckedJwt, checkJwts, type JwtFields, type MappingFields } from './jwt-checks.ts'

/** Whether requests without credentials are those of system:anonymous; with paths, only for these. */
export interface Anonymous {
  readonly enabled: boolean
  readonly paths: readonly string[]
}

export interface AuthenticationSpec {
  readonly jwt: readonly CheckedJwt[]
  readonly anonymous?: Anonymous
}

const versions = ['apiserver.config.k8s.io/v1', 'apiserver.config.k8s.io/v1beta1']

/** Reads the text of a file. Throws a StatusError with all mistakes, each with the file and its field. */
export function parseAuthentication(
  text: string,
  source: string,
  disallowedIssuers: readonly string[],
): AuthenticationSpec {
  const { jwt, anonymous } = readFields(parseYaml(text, source), source, fields => {
    if (!versions.includes(fields.string('apiVersion', '')))
      fields.problem('apiVersion', `must be ${versions.join(' or ')}`)
    if (fields.string('kind') !== 'AuthenticationConfiguration')
      fields.problem('kind', 'must be AuthenticationConfiguration')
    const issuers = fields.objects('jwt').map(readJwt)
    const rule = fields.has('anonymous') ? readAnonymous(fields.object('anonymous')) : undefined
    // It must count as read where it is null, too.
    fields.raw('anonymous')
    fields.end()
    return { jwt: issuers, anonymous: rule }
  })
  const { checked, problems } = checkJwts(jwt, { disallowedIssuers, algorithms: signatureAlgorithms })
  if (anonymous && !anonymous.enabled && anonymous.paths.length)
    problems.push(
      root.field('anonymous', 'conditions').invalid(
        anonymous.paths.map(path => ({ path })),
        'enabled should be set to true when conditions are defined',
      ),
    )
  throwProblemsOf(problems, source)
  return { jwt: checked, ...(anonymous && { anonymous }) }
}

/** Throws one StatusError with all problems, each with the name of its source. */
export function throwProblemsOf(problems: readonly Problem[], source: string): void {
  if (problems.length)
    throw new StatusError('BadRequest', problems.map(({ field, body }) => `${source}: ${field}: ${body}`).join('\n'))
}

function readAnonymous(fields: Fields): Anonymous {
  const enabled = fields.boolean('enabled', false)
  const paths = fields.objects('conditions').map(condition => {
    const path = condition.required('path')
    condition.end()
    return path
  })
  fields.end()
  return { enabled, paths }
}

function readJwt(fields: Fields): JwtFields {
  const mappings = fields.object('claimMappings')
  const jwt = {
    issuer: readIssuer(fields.object('issuer')),
    claimValidationRules: fields
      .objects('claimValidationRules')
      .map(rule => texts(rule, ['claim', 'requiredValue', 'expression', 'message'])),
    claimMappings: {
      username: readMapping(mappings.object('username')),
      groups: readMapping(mappings.object('groups')),
      uid: texts(mappings.object('uid'), ['claim', 'expression']),
      extra: mappings.objects('extra').map(one => texts(one, ['key', 'valueExpression'])),
    },
    userValidationRules: fields.objects('userValidationRules').map(rule => texts(rule, ['expression', 'message'])),
  }
  mappings.end()
  fields.end()
  return jwt
}

function readIssuer(fields: Fields): JwtFields['issuer'] {
  const audiences = fields.strings('audiences')
  const more = ['url', 'discoveryURL', 'certificateAuthority', 'audienceMatchPolicy', 'egressSelectorType'] as const
  return { audiences, ...texts(fields, more) }
}

function readMapping(fields: Fields): MappingFields {
  const prefix = fields.string('prefix')
  return { ...texts(fields, ['claim', 'expression']), ...(prefix !== undefined && { prefix }) }
}

/** An object of which all fields that were not read yet are texts. */
function texts<const T extends string>(fields: Fields, names: readonly T[]): Record<T, string> {
  const found = Object.fromEntries(names.map(name => [name, fields.string(name, '')])) as Record<T, string>
  fields.end()
  return found
}
