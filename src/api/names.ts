// Checks names, labels and port numbers. Each function returns problems with the messages of Kubernetes, which clients
// match on, and an empty list for a valid text.
// Source: apimachinery pkg/util/validation, pkg/api/validate/content.

const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const subdomain = `${label}(\\.${label})*`
const underscored = '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?'
const qualified = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'
const identifier = '[A-Za-z_][A-Za-z0-9_]*'

const whole = (pattern: string) => new RegExp(`^(?:${pattern})$`)
const patterns = {
  label: whole(label),
  subdomain: whole(subdomain),
  underscored: whole(`${underscored}(\\.${underscored})*`),
  label1035: whole('[a-z]([-a-z0-9]*[a-z0-9])?'),
  qualified: whole(qualified),
  labelValue: whole(`(${qualified})?`),
  identifier: whole(identifier),
  environment: whole('[ -<>-~]+'),
  configKey: whole('[-._a-zA-Z0-9]+'),
  header: whole('[-A-Za-z0-9]+'),
  percent: whole('[0-9]+%'),
}

const bytes = (text: string) => Buffer.byteLength(text)
const most = (max: number, unit = 'characters') => `must be no more than ${max} ${unit}`
const used = (pattern: string) => `regex used for validation is '${pattern}'`

/** Problems of a DNS label (RFC 1123). */
export function dnsLabelErrors(name: string): string[] {
  const errors: string[] = []
  if (bytes(name) > 63) errors.push(most(63))
  if (patterns.label.test(name)) return errors
  if (patterns.subdomain.test(name)) errors.push('must not contain dots')
  else
    errors.push(
      `a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', ${used(label)})`,
    )
  return errors
}

/** Problems of a DNS label that must start with a letter (RFC 1035). */
export function dns1035Errors(name: string): string[] {
  const errors: string[] = []
  if (bytes(name) > 63) errors.push(most(63))
  if (!patterns.label1035.test(name))
    errors.push(
      `a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', ${used('[a-z]([-a-z0-9]*[a-z0-9])?')})`,
    )
  return errors
}

/** Problems of a DNS subdomain (RFC 1123). `unit` is how the message names the limit, which differs between checks. */
export function dnsSubdomainErrors(name: string, unit: 'characters' | 'bytes' = 'characters'): string[] {
  const errors: string[] = []
  if (bytes(name) > 253) errors.push(most(253, unit))
  if (!patterns.subdomain.test(name))
    errors.push(
      `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', ${used('[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')})`,
    )
  return errors
}

/** Problems of a DNS subdomain whose parts may begin with underscores and contain them. */
export function underscoredSubdomainErrors(name: string): string[] {
  const errors: string[] = []
  if (bytes(name) > 253) errors.push(most(253))
  if (!patterns.underscored.test(name))
    errors.push(
      `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', ${used(`${underscored}(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*`)})`,
    )
  return errors
}

/** Problems of a name that need only be a path segment, as in RBAC. */
export function pathSegmentErrors(name: string): string[] {
  if (name === '.' || name === '..') return [`may not be '${name}'`]
  return ['/', '%'].filter(c => name.includes(c)).map(c => `may not contain '${c}'`)
}

const keyShape = `must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', ${used(qualified)})`
const withPrefix = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"

/** Problems of the key of a label or annotation. */
export function qualifiedNameErrors(key: string): string[] {
  const errors: string[] = []
  const parts = key.split('/')
  const name = parts.at(-1)!
  if (parts.length > 2) return [`a valid label key ${keyShape} ${withPrefix}`]
  if (parts.length === 2) {
    if (parts[0] === '') errors.push('prefix part must be non-empty')
    else errors.push(...dnsSubdomainErrors(parts[0]!, 'bytes').map(e => `prefix part ${e}`))
  }
  if (name === '') errors.push('name part must be non-empty')
  else if (bytes(name) > 63) errors.push(`name part ${most(63, 'bytes')}`)
  if (!patterns.qualified.test(name)) errors.push(`name part ${keyShape}`)
  return errors
}

/** Problems of the value of a label. */
export function labelValueErrors(value: string): string[] {
  const errors: string[] = []
  if (bytes(value) > 63) errors.push(most(63, 'bytes'))
  if (!patterns.labelValue.test(value))
    errors.push(
      `a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', ${used(`(${qualified})?`)})`,
    )
  return errors
}

/** Problems of the name of an environment variable. */
export const environmentNameErrors = (name: string): string[] =>
  patterns.environment.test(name)
    ? []
    : ["a valid environment variable name must consist only of printable ASCII characters other than '='"]

/** Problems of a key of a ConfigMap or Secret. */
export function configKeyErrors(key: string): string[] {
  const errors: string[] = []
  if (bytes(key) > 253) errors.push(most(253))
  if (!patterns.configKey.test(key))
    errors.push(
      `a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', ${used('[-._a-zA-Z0-9]+')})`,
    )
  if (key === '.' || key === '..') errors.push(`must not be '${key}'`)
  else if (key.startsWith('..')) errors.push("must not start with '..'")
  return errors
}

/** Problems of the name of an HTTP header. */
export const headerErrors = (name: string): string[] =>
  patterns.header.test(name)
    ? []
    : [
        `a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', ${used('[-A-Za-z0-9]+')})`,
      ]

/** Problems of an identifier, by the rules of C. */
export const identifierErrors = (name: string): string[] =>
  patterns.identifier.test(name)
    ? []
    : [
        `a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', ${used(identifier)})`,
      ]

/** Problems of a percentage such as `25%`. */
export const percentErrors = (text: string): string[] =>
  patterns.percent.test(text)
    ? []
    : [
        `a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', ${used('[0-9]+%')})`,
      ]

/** Problems of a domain with a path below it, such as `acme.io/foo`. */
export function domainPathErrors(text: string): string[] {
  const problem = 'must be a domain-prefixed path (such as "acme.io/foo")'
  if (!text) return []
  const slash = text.indexOf('/')
  if (slash < 1 || slash === text.length - 1) return [problem]
  const errors = dnsSubdomainErrors(text.slice(0, slash)).map(e => `invalid domain: ${e}`)
  const path = /^[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/.test(text.slice(slash + 1))
  return path ? errors : [...errors, `invalid path: ${problem}`]
}

/** The message for a number outside of `min` to `max`. */
export const rangeProblem = (min: number, max: number): string => `must be between ${min} and ${max}, inclusive`

/** Problems of a port number. */
export const portErrors = (port: number): string[] => (port >= 1 && port <= 65535 ? [] : [rangeProblem(1, 65535)])

/** Problems of the name of a port. */
export function portNameErrors(name: string): string[] {
  const errors: string[] = []
  if (name.length > 15) errors.push('must be no more than 15 characters')
  if (!/^[-a-z0-9]+$/.test(name)) errors.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)')
  if (!/[a-z]/.test(name)) errors.push('must contain at least one letter (a-z)')
  if (name.includes('--')) errors.push('must not contain consecutive hyphens')
  if (name.startsWith('-') || name.endsWith('-')) errors.push('must not begin or end with a hyphen')
  return errors
}
